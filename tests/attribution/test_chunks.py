from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import (
    Attribution,
    Gradient,
    IntegratedGradients,
    SmoothGrad,
    SparsifiedSmoothGrad,
    VarGrad,
)
from lightning_spx.attribution.chunks import collected, in_chunks
from tests.attribution.cases import Net, Notes, every_method, images, relative, targets


class Limited(nn.Module):
    """Runs out of memory above a batch size, and remembers the batches it saw."""

    def __init__(self, limit: int, error: RuntimeError | None = None) -> None:
        super().__init__()
        self.network = Net()
        self.limit = limit
        self.error = error or torch.OutOfMemoryError("CUDA out of memory.")
        self.notes = Notes()

    def forward(self, images: Tensor) -> Tensor:
        self.notes.append(len(images))
        if len(images) > self.limit:
            raise self.error
        logits: Tensor = self.network(images)
        return logits


def counted(num: int, taken: list[int]) -> Iterator[tuple[int, Tensor]]:
    for position in range(num):
        taken.append(position)
        yield position, torch.full((1, 1, 1, 1), float(position))


def test_points_are_taken_only_as_they_are_needed() -> None:
    taken: list[int] = []
    rows = in_chunks("Sum", lambda x, _: x, counted(100, taken), None, 4)
    for position in range(10):
        image, row = next(rows)
        assert (image, row.item()) == (position, position)
        assert len(taken) <= position // 4 * 4 + 4


def test_the_chosen_chunk_size_falls_with_the_number_of_pixels() -> None:
    for size, expected in ((32, 512), (224, 10), (1024, 1)):
        sizes: list[int] = []
        image = torch.zeros(1, 3, size, size)

        def evaluate(chunk: Tensor, _: Tensor | None, sizes: list[int] = sizes) -> Tensor:
            sizes.append(len(chunk))
            return torch.zeros(len(chunk))

        list(in_chunks("Zero", evaluate, ((0, image) for _ in range(expected + 1)), None))
        assert sizes == [expected, 1]


def test_targets_follow_the_positions() -> None:
    points = [(2, torch.zeros(1, 1)), (0, torch.zeros(2, 1)), (2, torch.zeros(1, 1))]
    rows = in_chunks("Target", lambda _, target: target if target is not None else _, points, torch.arange(3) * 10, 2)
    assert [(image, row.tolist()) for image, row in rows] == [(2, [20]), (0, [0]), (0, [0]), (2, [20])]


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 4, 5, 11, 12])
def test_blocks_are_cut_where_a_chunk_ends(chunk_size: int) -> None:
    blocks = torch.split(torch.arange(11.0)[:, None], [3, 1, 5, 2])
    sizes: list[int] = []

    def evaluate(points: Tensor, _: Tensor | None) -> Tensor:
        sizes.append(len(points))
        return 10 * points

    rows = list(in_chunks("Ten", evaluate, enumerate(blocks), None, chunk_size))
    assert sizes == [chunk_size] * (11 // chunk_size) + [11 % chunk_size] * (11 % chunk_size > 0)
    assert torch.equal(torch.cat([row for _, row in rows]), 10 * torch.cat(blocks))
    assert [image for image, row in rows for _ in row] == [0] * 3 + [1] + [2] * 5 + [3] * 2


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 96000000000 bytes."),
    ],
    ids=["cuda", "linux", "windows"],
)
def test_chunks_are_halved_when_memory_runs_out_and_stay_so(error: RuntimeError) -> None:
    model = Limited(2, error)
    result = Gradient(chunk_size=8).attribute(model, images(11), targets(11))
    # one is looked at by itself after the first chunk
    assert model.notes.taken == [8, 4, 2, 1, 2, 2, 2, 2, 1]
    assert relative(result, Gradient().attribute(Net(), images(11), targets(11))) < 1e-6


def test_a_wrapper_meets_the_end_of_memory_once() -> None:
    model = Limited(2)
    method = SmoothGrad(Gradient(chunk_size=8), num_samples=5)
    result = method.attribute(model, images(2), targets(2))
    assert model.notes.taken == [8, 4, 2, 1, 2, 2, 2, 2]
    assert relative(result, method.attribute(Net(), images(2), targets(2))) < 1e-6


@every_method
def test_every_method_halves(method: Attribution) -> None:
    # a pair of image and baseline goes through the network at once in DeepLift
    model = Limited(2)
    result = method.attribute(model, images(5), targets(5))
    assert max(model.notes.taken) > 2
    assert relative(result, method.attribute(Net(), images(5), targets(5))) < 1e-5


def test_memory_for_not_even_one_image_is_an_error_that_says_so() -> None:
    with pytest.raises(torch.OutOfMemoryError, match=r"Gradient: expected enough memory for one 3x10x10 image"):
        Gradient().attribute(Limited(0), images(), targets())


def test_other_runtime_errors_pass() -> None:
    model = Limited(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        Gradient().attribute(model, images(), targets())
    assert model.notes.taken == [4]


@pytest.mark.parametrize("num_steps", [3, 60])
def test_the_largest_batch_does_not_grow_with_steps_or_draws(num_steps: int) -> None:
    base = Gradient(chunk_size=4)
    methods = (
        IntegratedGradients(num_steps, chunk_size=4),
        SmoothGrad(base, num_steps),
        VarGrad(base, num_steps),
        SparsifiedSmoothGrad(base, num_steps),
        SmoothGrad(IntegratedGradients(2, chunk_size=4), num_steps),
    )
    for method in methods:
        model = Limited(1000)
        method.attribute(model, images(3), targets(3))
        assert max(model.notes.taken) == 4


@every_method
def test_result_depends_neither_on_batch_nor_on_order(method: Attribution) -> None:
    network, inputs, target = Net().double(), images(5).double(), targets(5)
    together = method.attribute(network, inputs, target)
    alone = torch.cat([method.attribute(network, inputs[i : i + 1], target[i : i + 1]) for i in range(5)])
    assert relative(alone, together) < 1e-6
    order = torch.tensor([3, 1, 4, 0, 2])
    assert relative(method.attribute(network, inputs[order], target[order]), together[order]) < 1e-6


@pytest.mark.parametrize("chunk_size", [1, 2, 7, None])
def test_result_does_not_depend_on_the_chunk_size(chunk_size: int | None) -> None:
    network, inputs, target = Net().double(), images(3).double(), targets(3)
    for build in (
        lambda size: Gradient(chunk_size=size),
        lambda size: IntegratedGradients(5, chunk_size=size),
        lambda size: SmoothGrad(Gradient(chunk_size=size), 5),
        lambda size: VarGrad(Gradient(chunk_size=size), 5),
        lambda size: SparsifiedSmoothGrad(Gradient(chunk_size=size), 5),
    ):
        expected = build(3).attribute(network, inputs, target)
        assert relative(build(chunk_size).attribute(network, inputs, target), expected) < 1e-6


def test_collected_is_float32_and_in_order() -> None:
    rows = [(1, torch.tensor([[3.0]], dtype=torch.float64)), (0, torch.tensor([[2.0]], dtype=torch.float64))]
    result = collected(rows, torch.zeros(2, 1, dtype=torch.float64))
    assert (result.dtype, result.tolist()) == (torch.float32, [[2.0], [3.0]])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_first_of_several_chunks_on_a_gpu_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Limited(10**6).cuda()
    Gradient().attribute(model, images(100).cuda(), targets(100))
    assert model.notes.taken == [100]
    monkeypatch.setattr("lightning_spx.attribution.chunks.surely_fitting", lambda point, free: 50)
    monkeypatch.setattr("lightning_spx.attribution.chunks.first_chunk", lambda point: 32)
    model = Limited(10**6).cuda()
    Gradient().attribute(model, images(100).cuda(), targets(100))
    assert model.notes.taken == [2, 32, 68]
