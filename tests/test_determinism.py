"""Deterministic algorithms are honoured by every method, segmenter and metric: no error, twice the same, and the values
of the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms.v2 import functional

from lightning_spx.attribution import Attribution, SegmentAttribution, saliency_map
from lightning_spx.attribution.chunks import in_chunks
from lightning_spx.attribution.memory import BYTES_PER_PIXEL
from lightning_spx.metrics import deletion, fidelity_error, insertion, irof, road
from lightning_spx.metrics.imputation import solve_iteratively
from lightning_spx.metrics.ssim_tensors import pair_values
from lightning_spx.models import SmallResNet
from lightning_spx.models.at_size import AtSize, resized_by_products
from lightning_spx.models.cyclegan_networks import ResNetGenerator, reflected
from lightning_spx.superpixels import (
    Segmenter,
    Slic,
    borrow,
    explained_variation,
    global_regularity,
    grid_like,
    segment_pool,
    voronoi_like,
)
from lightning_spx.superpixels.blur import blur_like
from lightning_spx.superpixels.quality import (
    achievable_accuracy,
    boundary_recall,
    compactness,
    undersegmentation_error,
)
from tests.attribution.cases import every_method, images, targets
from tests.metrics.test_contract import CASES
from tests.superpixels.conftest import draw
from tests.superpixels.test_contract import SEGMENTERS, named

gpu = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
)
# What PyTorch refuses on a GPU under deterministic algorithms, by `torch.use_deterministic_algorithms`; older releases
# refuse `kthvalue` and `cumsum` of floating point too, `bincount` is refused with weights alone. `scatter_add`,
# `index_put` and `gather` have deterministic algorithms there.
REFUSED = {
    *("kthvalue", "median.dim", "nanmedian.dim", "histc", "put", "put_", "nll_loss2d_forward", "nll_loss2d_backward"),
    *("max_unpool2d", "max_unpool3d", "ctc_loss", "_ctc_loss_backward", "embedding_bag", "_embedding_bag"),
    *("adaptive_avg_pool3d_backward", "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward"),
    *("adaptive_max_pool2d_backward", "avg_pool3d_backward", "fractional_max_pool2d_backward"),
    *("fractional_max_pool3d_backward", "grid_sampler_2d_backward", "grid_sampler_3d_backward"),
    *("reflection_pad1d_backward", "reflection_pad2d_backward", "reflection_pad3d_backward"),
    *("upsample_linear1d_backward", "upsample_bilinear2d_backward", "_upsample_bilinear2d_aa_backward"),
    *("upsample_bicubic2d_backward", "_upsample_bicubic2d_aa_backward", "upsample_trilinear3d_backward"),
}
WITHOUT_WEIGHTS = {"bincount"}
WHOLE_NUMBERS = {"cumsum"}

every_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=gpu)])


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a Trainer sets for the whole process is put back for the tests that follow."""
    # Lightning sets it with `deterministic=True`; a library of NVIDIA's refuses to be deterministic without
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    benchmark = torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = benchmark


class Operations(TorchDispatchMode):
    """Writes down the operations, those of gradients too, that a GPU would refuse; used by `watching`."""

    refused: set[str]

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        given = kwargs or {}
        name = func.overloadpacket.__name__
        weighted = name in WITHOUT_WEIGHTS and ((len(args) > 1 and args[1] is not None) or "weights" in given)
        first = args[0] if args else None
        rounded = name in WHOLE_NUMBERS and isinstance(first, Tensor) and first.is_floating_point()
        if {name, f"{name}.{func._overloadname}"} & REFUSED or weighted or rounded:
            self.refused.add(name)
        return func(*args, **given)


@contextmanager
def watching() -> Iterator[set[str]]:
    """Collect the names of the operations that a GPU would refuse."""
    make: Callable[[], Operations] = Operations  # PyTorch's own has no types
    operations = make()
    operations.refused = set()
    with operations:
        yield operations.refused


def check(compute: Callable[[], Tensor], device: str, on_cpu: AbstractSet[str] = frozenset()) -> None:
    """Compute with any algorithm, and twice with deterministic ones, without an operation that a GPU would refuse."""
    freely = compute()
    torch.use_deterministic_algorithms(True)
    with watching() as refused:
        first = compute()
    assert refused <= on_cpu
    second = compute()
    assert torch.equal(first.nan_to_num(nan=-1), second.nan_to_num(nan=-1))
    # on a GPU other algorithms add in other orders
    tolerance = 0.0 if device == "cpu" else 1e-4
    torch.testing.assert_close(first, freely, equal_nan=True, atol=tolerance, rtol=tolerance)


def network() -> nn.Module:
    """A network of which every gradient has a deterministic algorithm, always with the same random weights."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return SmallResNet(num_classes=5, width=4).eval()


def uneven(num_images: int, height: int, width: int) -> Tensor:
    """Values of which every sum depends on the order of its terms."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(num_images, 3, height, width, generator=generator)
    return values * 10 ** torch.randint(-8, 9, values.shape, generator=generator)


@every_device
@every_method
def test_every_method(method: Attribution, device: str) -> None:
    explained, inputs, target = network().to(device), images(4, 16).to(device), targets().to(device)
    # captum draws coalitions on the CPU, whatever the device
    on_cpu = {"kthvalue"} if isinstance(method, SegmentAttribution) else set()
    check(lambda: method.attribute(explained, inputs, target), device, on_cpu)


@every_device
@pytest.mark.parametrize("segmenter", SEGMENTERS, ids=named)
def test_every_segmenter(segmenter: Segmenter, device: str) -> None:
    photos = draw(4, 37, 29).to(device)
    check(lambda: segmenter(photos), device)


@every_device
@pytest.mark.parametrize("name", list(CASES))
def test_every_metric_of_maps(name: str, device: str) -> None:
    case = CASES[name]
    inputs = tuple(each.to(device) for each in case.inputs())

    def measured() -> Tensor:
        metric = case.build().to(device)
        metric.update(*inputs)
        value: Tensor = metric.compute()
        return torch.stack([value, case.value(inputs).to(value)])

    check(measured, device)


@every_device
def test_a_metric_of_maps_that_are_constant_on_segments(device: str) -> None:
    photos = draw(4, 37, 29).to(device)
    segments = Slic(n_segments=30)(photos)
    maps = saliency_map(segment_pool(uneven(4, 37, 29).to(device), segments))
    check(lambda: fidelity_error(maps, maps.flip(0)), device)


@every_device
@pytest.mark.parametrize("measure", [deletion, insertion, road, irof], ids=lambda measure: measure.__name__)
def test_every_metric_that_removes_pixels(measure: Callable[..., Tensor], device: str) -> None:
    explained, photos, target = network().to(device), draw(4, 16, 16).to(device), targets().to(device)
    segments = Slic(n_segments=9)(photos)
    maps = saliency_map(segment_pool(uneven(4, 16, 16).to(device), segments))
    more = (segments, (0.5, 0.4, 0.3)) if measure is irof else ()
    check(lambda: measure(explained, photos, target, maps, *more), device)


@every_device
def test_pooling_and_controls_where_the_order_of_a_sum_matters(device: str) -> None:
    attribution = uneven(4, 37, 29).to(device)
    segments = Slic(n_segments=30)(draw(4, 37, 29).to(device))
    check(lambda: segment_pool(attribution, segments, reduce="sum"), device)
    check(lambda: blur_like(attribution, segments), device)
    check(lambda: saliency_map(attribution), device)
    for control in (
        lambda: grid_like(segments),
        lambda: voronoi_like(segments, 0, torch.arange(4)),
        lambda: borrow(segments, torch.tensor([1, 2, 3, 0])),
    ):
        check(control, device)


@every_device
def test_the_numbers_of_partitions(device: str) -> None:
    photos = draw(4, 37, 29).to(device)
    segments, truth = Slic(n_segments=30)(photos), Slic(n_segments=5)(photos)
    for measure in (boundary_recall, undersegmentation_error, achievable_accuracy):
        check(partial(measure, segments, truth), device)
    check(lambda: compactness(segments), device)
    check(lambda: global_regularity(segments), device)
    check(lambda: explained_variation(segments, photos), device)


def test_what_a_cpu_has_other_algorithms_for() -> None:
    photos, removed = draw(2, 16, 16).double(), draw(2, 16, 16)[:, 0] > 0.4
    check(lambda: solve_iteratively(photos, removed), "cpu")
    maps = photos.flatten(0, 1)[:, None].float()
    check(lambda: pair_values(maps, None, [(0, 1), (1, 2)], torch.ones(1)), "cpu")
    pixels = (draw(2, 37, 29) * 255).round().to(torch.uint8)
    check(lambda: Slic(n_segments=30).segment(pixels), "cpu")


def gradient(function: Callable[[Tensor], Tensor], inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What a function gives, and the gradient of its squares."""
    variable = inputs.clone().requires_grad_()
    result = function(variable)
    return result.detach(), torch.autograd.grad(result.square().sum(), variable)[0]


@pytest.mark.parametrize("side", [7, 16, 40])
def test_resizing_by_products_equals_resizing_and_has_a_deterministic_gradient(side: int) -> None:
    photos = draw(2, 20, 26)
    expected = gradient(lambda images: functional.resize(images, [side, side], antialias=True), photos)
    with watching() as refused:
        found = gradient(lambda images: resized_by_products(images, side), photos)
    assert refused == set()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=1e-5)


def test_reflecting_by_copies_equals_reflecting_and_has_a_deterministic_gradient() -> None:
    features = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    expected = gradient(nn.ReflectionPad2d(3), features)
    with watching() as refused:
        found = gradient(lambda values: reflected(values, 3), features)
    assert refused == set()
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])


def test_the_operations_that_these_take_the_place_of_are_seen() -> None:
    with watching() as refused:
        gradient(nn.ReflectionPad2d(1), torch.ones(1, 1, 4, 4))
        gradient(AtSize(nn.Identity(), 2), torch.ones(1, 1, 4, 4))
        torch.ones(3).kthvalue(1)
        torch.ones(3).cumsum(0)
        torch.tensor([0, 1]).bincount(torch.ones(2))
        torch.tensor([0, 1]).bincount(minlength=3)
        torch.tensor([0, 1]).cumsum(0)
    assert refused == {
        *("reflection_pad2d_backward", "_upsample_bilinear2d_aa_backward", "kthvalue", "cumsum", "bincount"),
    }


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "module", [AtSize(nn.Identity(), 8), ResNetGenerator(num_blocks=1, channels=4)], ids=["AtSize", "ResNetGenerator"]
)
def test_gradients_of_modules_that_a_gpu_would_refuse(module: nn.Module) -> None:
    module, photos = module.cuda(), draw(2, 16, 16).cuda()
    check(lambda: gradient(module, photos)[1], "cuda")


@pytest.mark.parametrize("deterministic", [False, True])
def test_free_memory_decides_on_no_size_where_algorithms_must_be_deterministic(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool
) -> None:
    sizes: list[int] = []

    class OnGpu(Tensor):
        """Says that it is on a GPU."""

        device = torch.device("cuda")

    def evaluate(points: Tensor, _: Tensor | None) -> Tensor:
        sizes.append(len(points))
        return points.as_subclass(Tensor)

    module = "lightning_spx.attribution.chunks"
    monkeypatch.setattr(f"{module}.free_bytes", lambda device: 2 * 16 * BYTES_PER_PIXEL)
    monkeypatch.setattr(f"{module}.allocated_so_far", lambda device: 0)
    monkeypatch.setattr(f"{module}.first_chunk", lambda point: 3)
    torch.use_deterministic_algorithms(deterministic)
    points = [(0, torch.zeros(7, 3, 4, 4).as_subclass(OnGpu))]
    assert len(list(in_chunks("Same", evaluate, points, None))) == len(sizes)
    assert sizes == ([3, 3, 1] if deterministic else [2, 5])
