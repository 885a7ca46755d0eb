"""Tests of `lightning_spx.formats`."""
