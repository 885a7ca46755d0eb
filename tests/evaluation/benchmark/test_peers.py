"""What ours is timed against computes the same."""

import numpy as np
import torch

from lightning_spx.attribution import (
    GradCAM,
    Gradient,
    IntegratedGradients,
    SmoothGrad,
    VarGrad,
    input_gradient,
    saliency_map,
)
from lightning_spx.evaluation.benchmark.peers import (
    peer_of,
    pooling_loop,
    scaled_map,
    scikit_slic,
    scikit_ssim,
    spearman_loop,
    torchmetrics_ssim,
)
from lightning_spx.metrics import pair_distances, saliency_ssim
from lightning_spx.superpixels import ScikitSlic, segment_pool
from tests.attribution.cases import Net, images, relative, targets


def test_peers_compute_the_same() -> None:
    network = Net().eval()
    for method, tolerance in ((Gradient(), 1e-5), (IntegratedGradients(50), 1e-4)):
        peer = peer_of(method, network)
        assert peer is not None
        assert relative(peer[1](images(), targets()), method.attribute(network, images(), targets())) < tolerance
    smooth = SmoothGrad(num_samples=300, stdev=0.05)
    peer = peer_of(smooth, network)
    assert peer is not None
    # other draws of the same noise
    assert relative(peer[1](images(), targets()), smooth.attribute(network, images(), targets())) < 0.2
    cam = peer_of(GradCAM(), network)
    assert cam is not None
    assert cam[1](images(), targets()).shape == (4, 10, 10)
    assert peer_of(VarGrad(), network) is None


def test_what_a_user_would_write_gives_our_maps() -> None:
    attribution = input_gradient(Net().eval(), images(), targets())
    segments = scikit_slic(images(), 8, 10.0)
    assert np.array_equal(segments, ScikitSlic(8)(images()).numpy())
    pooled = pooling_loop(attribution.numpy(), segments)
    ours = segment_pool(attribution, torch.from_numpy(segments))
    assert np.abs(pooled - ours.numpy()).max() < 1e-6
    assert np.abs(scaled_map(pooled) - saliency_map(ours).numpy()).max() < 1e-5


def test_what_metrics_are_timed_against_gives_our_numbers() -> None:
    first, second = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    ours = saliency_ssim(first, second)
    assert torch.tensor(scikit_ssim(first, second)).float().allclose(ours, atol=1e-5)
    assert torchmetrics_ssim(first, second).shape == (3,)
    maps = torch.stack([first, second, first * second])
    assert np.abs(spearman_loop(maps.numpy()) - pair_distances(maps, "spearman").numpy()).max() < 1e-6
