"""Samples images, explains them with models, and pools the attributions."""
