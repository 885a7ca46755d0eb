"""The settings of a stability study, whatever kind of models it compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.maps.colors import ToRgb
from lightning_spx.metrics import Distance
from lightning_spx.metrics.ssim import PairPreset
from lightning_spx.superpixels import ImagePooling


@dataclass(frozen=True)
class StudySettings:
    """The settings of a stability study of any kind.

    Args:
        methods: attribution methods by their names in tables.
        superpixels: segmenters and filters by their names in tables.
        magnitudes: orders of pooling and taking magnitudes.
        distances: distances that MeGe and ReCo use.
        shared_noise: whether all models draw the same noise.
        batch_size: number of images explained at a time.
        device: the models' device.
        seed: seeds nulls, controls, randomized weights and bootstrap.
        sanity_stages: number of stages in which a sanity check randomizes a model; 0 for no sanity checks.
        num_resamples: number of bootstrap resamples.
        ceiling: whether random methods explain everything again with other seeds.
        ssim_presets: presets of SSIM that get rows of their own beside the usual one.
        to_rgb: what pictures show of images and segmenters of RGB get; None takes RGB and gray as they are.
    """

    methods: Mapping[str, Attribution]
    superpixels: Mapping[str, ImagePooling]
    magnitudes: Sequence[Magnitude]
    distances: Sequence[Distance]
    shared_noise: bool
    batch_size: int
    device: torch.device
    seed: int
    sanity_stages: int
    num_resamples: int
    ceiling: bool = True
    ssim_presets: Sequence[PairPreset] = ()
    to_rgb: ToRgb | None = None
