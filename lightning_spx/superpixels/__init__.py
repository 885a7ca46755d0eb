"""Super-pixels: segmenters, controls with the same number of segments, and pooling over segments."""

from lightning_spx.superpixels.blur import blur_like
from lightning_spx.superpixels.cache import Cached
from lightning_spx.superpixels.controls import borrow, grid_like, voronoi_like
from lightning_spx.superpixels.exchange import as_segments, feature_mask
from lightning_spx.superpixels.explained_variation import explained_variation
from lightning_spx.superpixels.global_regularity import global_regularity
from lightning_spx.superpixels.guided_filter import GuidedFilter, guided_pool
from lightning_spx.superpixels.image_filter import ImageFilter
from lightning_spx.superpixels.image_key import image_key
from lightning_spx.superpixels.image_pooling import ImagePooling
from lightning_spx.superpixels.joint_bilateral import JointBilateral, bilateral_pool
from lightning_spx.superpixels.loading import WithSegments
from lightning_spx.superpixels.pooling import segment_pool
from lightning_spx.superpixels.precomputed import Precomputed
from lightning_spx.superpixels.quality import (
    achievable_accuracy,
    boundary_recall,
    compactness,
    undersegmentation_error,
)
from lightning_spx.superpixels.regular import Grid, Voronoi
from lightning_spx.superpixels.scikit import Felzenszwalb, Quickshift, ScikitSlic, Watershed
from lightning_spx.superpixels.segmenter import Segmenter, check_images, check_segments, num_segments
from lightning_spx.superpixels.slic import Slic

__all__ = [
    "Cached",
    "Felzenszwalb",
    "Grid",
    "GuidedFilter",
    "ImageFilter",
    "ImagePooling",
    "JointBilateral",
    "Precomputed",
    "Quickshift",
    "ScikitSlic",
    "Segmenter",
    "Slic",
    "Voronoi",
    "Watershed",
    "WithSegments",
    "achievable_accuracy",
    "as_segments",
    "bilateral_pool",
    "blur_like",
    "borrow",
    "boundary_recall",
    "check_images",
    "check_segments",
    "compactness",
    "explained_variation",
    "feature_mask",
    "global_regularity",
    "grid_like",
    "guided_pool",
    "image_key",
    "num_segments",
    "segment_pool",
    "undersegmentation_error",
    "voronoi_like",
]
