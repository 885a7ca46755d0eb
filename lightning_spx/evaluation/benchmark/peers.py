"""What a user would pick instead: captum's methods, scikit-image's SLIC and SSIM, and a loop over segments."""

from collections.abc import Callable
from importlib.util import find_spec
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage import metrics
from skimage.segmentation import slic
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from lightning_spx.attribution import Attribution, Gradient, IntegratedGradients, SmoothGrad
from lightning_spx.attribution.cam import ClassActivationMap
from lightning_spx.attribution.cam_layers import found_layer

CAPTUM, PYTORCH_GRAD_CAM = "captum", "pytorch-grad-cam"
SCIKIT_IMAGE, TORCHMETRICS, SCIPY_LOOP = "scikit-image", "torchmetrics", "scipy loop"
POOLING_PEER = "captum + scikit-image + loop"

Explain = Callable[[Tensor, Tensor], Tensor]


def peer_of(method: Attribution, network: nn.Module) -> tuple[str, Explain] | None:
    """Return the library and the counterpart of a method in it, if there is one and it is installed.

    The counterpart evaluates as many gradients, in chunks of the size that was fastest. NoiseTunnel takes one standard
    deviation for a whole batch, here that for the mean range of its images.
    """
    if isinstance(method, ClassActivationMap):
        return (
            (PYTORCH_GRAD_CAM, _class_activation_map(type(method).__name__, network))
            if find_spec("pytorch_grad_cam")
            else None
        )
    if find_spec("captum") is None:
        return None
    import captum.attr

    if isinstance(method, Gradient):
        saliency = captum.attr.Saliency(network)
        return CAPTUM, lambda images, target: saliency.attribute(images, target=target, abs=False)
    if isinstance(method, IntegratedGradients):
        path, steps = captum.attr.IntegratedGradients(network), method.num_steps
        return CAPTUM, lambda images, target: path.attribute(
            images, target=target, n_steps=steps, internal_batch_size=max(len(images), _at_once(images))
        )
    if isinstance(method, SmoothGrad) and isinstance(method.base, Gradient):
        tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(network))
        samples, stdev = method.num_samples, method.stdev

        def smooth(images: Tensor, target: Tensor) -> Tensor:
            spread = images.flatten(1).amax(1) - images.flatten(1).amin(1)
            noise = float(stdev * spread.mean())
            copies = min(samples, max(1, _at_once(images) // len(images)))
            result: Tensor = tunnel.attribute(
                images, nt_samples=samples, nt_samples_batch_size=copies, stdevs=noise, target=target, abs=False
            )
            return result

        return CAPTUM, smooth
    return None


def _at_once(images: Tensor) -> int:
    # measured with 224 px images and a ResNet-50: larger chunks were not faster, and on a CPU none were
    return 400 if images.device.type == "cuda" else 8


def _class_activation_map(name: str, network: nn.Module) -> Explain:
    def explain(images: Tensor, target: Tensor) -> Tensor:
        import pytorch_grad_cam
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        found = found_layer(network, images[:1])
        layer, method = network.get_submodule(found.name), getattr(pytorch_grad_cam, name)
        chosen = [ClassifierOutputTarget(label) for label in target.tolist()]
        with method(network, [layer], reshape_transform=found.layout.channels_first) as cam:
            return torch.from_numpy(cam(input_tensor=images, targets=chosen))

    return explain


def scikit_slic(images: Tensor, n_segments: int, compactness: float) -> NDArray[np.int64]:
    """Segment images one by one with scikit-image, `(N, C, H, W)` to `(N, H, W)`."""
    photos = images.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return np.stack([slic(photo, n_segments, compactness, start_label=0) for photo in photos])


def pooling_loop(attribution: NDArray[np.float32], segments: NDArray[np.int64]) -> NDArray[np.float32]:
    """Replace the values of each segment and channel by their mean, segment by segment.

    Args:
        attribution: `(N, C, H, W)`.
        segments: `(N, H, W)`.

    Returns:
        `(N, C, H, W)`.

    Example:
        >>> pooling_loop(np.array([[[[1, 3, 5]]]], np.float32), np.array([[[0, 0, 1]]]))
        array([[[[2., 2., 5.]]]], dtype=float32)
    """
    pooled = np.empty_like(attribution)
    for image, ids in enumerate(segments):
        for segment in np.unique(ids):
            inside = ids == segment
            pooled[image][:, inside] = attribution[image][:, inside].mean(axis=1, keepdims=True)
    return pooled


def scaled_map(attribution: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return magnitudes summed over channels, scaled by minimum and 99 % quantile of each image, `(N, H, W)`."""
    values = np.abs(attribution).sum(axis=1)
    low = values.min(axis=(1, 2), keepdims=True)
    high = np.quantile(values, 0.99, axis=(1, 2), keepdims=True)
    scaled: NDArray[np.float32] = np.clip((values - low) / np.maximum(high - low, 1e-12), 0, 1).astype(np.float32)
    return scaled


def scikit_ssim(first: Tensor, second: Tensor) -> list[float]:
    """Return the SSIM of scikit-image with the settings of `saliency_ssim`, map by map."""
    similarity: Callable[..., float] = metrics.structural_similarity
    pairs = zip(first.cpu().numpy(), second.cpu().numpy(), strict=True)
    return [
        similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0)
        for a, b in pairs
    ]


def torchmetrics_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the SSIM of torchmetrics with the same window, `(N,)`."""
    value = structural_similarity_index_measure(first[:, None], second[:, None], data_range=1.0, reduction="none")
    return value[0] if isinstance(value, tuple) else value


def spearman_loop(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return SciPy's Spearman distances between every two of M models' maps `(M, N, H, W)`, `(pairs, N)`."""
    pairs = combinations(maps.reshape(*maps.shape[:2], -1), 2)
    rho = [[spearmanr(*maps_of_image).statistic for maps_of_image in zip(*pair, strict=True)] for pair in pairs]
    distances: NDArray[np.float64] = np.sqrt(1 - np.abs(np.array(rho)))
    return distances
