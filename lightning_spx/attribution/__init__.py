"""Attribution methods: from a model, inputs and targets to a signed attribution, and on to a saliency map."""

from lightning_spx.attribution.adaptive import (
    AdaptiveIntegratedGradients,
    PathIntegral,
    adaptive_integrated_gradients,
)
from lightning_spx.attribution.cam import GradCAM, GradCAMPlusPlus, LayerCAM
from lightning_spx.attribution.captum import FromCaptum
from lightning_spx.attribution.expected import ExpectedGradients, expected_gradients
from lightning_spx.attribution.feature_ablation import FeatureAblation
from lightning_spx.attribution.gradient import Gradient, InputXGradient, input_gradient
from lightning_spx.attribution.guided import GuidedBackprop, GuidedGradCAM
from lightning_spx.attribution.lime import Lime
from lightning_spx.attribution.mean import MeanAttribution
from lightning_spx.attribution.method import Attribution
from lightning_spx.attribution.moreau import MoreauGrad
from lightning_spx.attribution.noise import SmoothGrad, SparsifiedSmoothGrad, VarGrad
from lightning_spx.attribution.occlusion import Occlusion
from lightning_spx.attribution.path import IntegratedGradients, completeness_gap, integrated_gradients
from lightning_spx.attribution.perturbation import Perturbation
from lightning_spx.attribution.rise import RISE
from lightning_spx.attribution.saliency import is_constant, magnitude, saliency_map
from lightning_spx.attribution.segment_attribution import SegmentAttribution
from lightning_spx.attribution.shapley_values import KernelShap, ShapleyValueSampling
from lightning_spx.attribution.xrai import XRAI

__all__ = [
    "RISE",
    "XRAI",
    "AdaptiveIntegratedGradients",
    "Attribution",
    "ExpectedGradients",
    "FeatureAblation",
    "FromCaptum",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GuidedBackprop",
    "GuidedGradCAM",
    "InputXGradient",
    "IntegratedGradients",
    "KernelShap",
    "LayerCAM",
    "Lime",
    "MeanAttribution",
    "MoreauGrad",
    "Occlusion",
    "PathIntegral",
    "Perturbation",
    "SegmentAttribution",
    "ShapleyValueSampling",
    "SmoothGrad",
    "SparsifiedSmoothGrad",
    "VarGrad",
    "adaptive_integrated_gradients",
    "completeness_gap",
    "expected_gradients",
    "input_gradient",
    "integrated_gradients",
    "is_constant",
    "magnitude",
    "saliency_map",
]
