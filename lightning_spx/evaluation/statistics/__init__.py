"""Compares maps image by image, and sums the values up in numbers with interval, floor, controls and verdict."""
