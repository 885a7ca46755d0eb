"""Metrics of saliency maps: torchmetrics classes, each with a pure function."""

from lightning_spx.metrics.deletion import Deletion, Insertion, deletion, insertion
from lightning_spx.metrics.distances import Distance, map_distance, pair_distances
from lightning_spx.metrics.fidelity import FidelityError, fidelity_error
from lightning_spx.metrics.image_mean import ImageMean
from lightning_spx.metrics.imputation import impute
from lightning_spx.metrics.irof import IROF, irof
from lightning_spx.metrics.localization import (
    AUPRC,
    MaskAUC,
    MassAccuracy,
    PointingGame,
    mask_auc,
    mask_auprc,
    mass_accuracy,
    pointing_game,
)
from lightning_spx.metrics.mege import MeGe, mege, mege_from_distances
from lightning_spx.metrics.overlap import TopKOverlap, topk_overlap
from lightning_spx.metrics.pair_sets import pair_sets
from lightning_spx.metrics.ranks import average_ranks, spearman
from lightning_spx.metrics.reco import ReCo, reco, reco_from_distances
from lightning_spx.metrics.removal import Substrate, removal_ranks
from lightning_spx.metrics.road import ROAD, road
from lightning_spx.metrics.ssim import SaliencySSIM, saliency_ssim

__all__ = [
    "AUPRC",
    "IROF",
    "ROAD",
    "Deletion",
    "Distance",
    "FidelityError",
    "ImageMean",
    "Insertion",
    "MaskAUC",
    "MassAccuracy",
    "MeGe",
    "PointingGame",
    "ReCo",
    "SaliencySSIM",
    "Substrate",
    "TopKOverlap",
    "average_ranks",
    "deletion",
    "fidelity_error",
    "impute",
    "insertion",
    "irof",
    "map_distance",
    "mask_auc",
    "mask_auprc",
    "mass_accuracy",
    "mege",
    "mege_from_distances",
    "pair_distances",
    "pair_sets",
    "pointing_game",
    "reco",
    "reco_from_distances",
    "removal_ranks",
    "road",
    "saliency_ssim",
    "spearman",
    "topk_overlap",
]
