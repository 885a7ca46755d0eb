"""The models of a study: trained epoch by epoch, loaded, or named by the user."""
