"""Stability of saliency maps for PyTorch Lightning: super-pixel pooled gradients, metrics, floors and controls."""

__version__ = "0.1.0"

__all__ = ["__version__"]
