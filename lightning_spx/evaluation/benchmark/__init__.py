"""Measures time, memory and exactness of methods, segmenters and metrics beside what a user would pick instead."""

from lightning_spx.evaluation.benchmark.command import bench

__all__ = ["bench"]
