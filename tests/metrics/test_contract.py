"""What every metric of the room keeps, whatever it measures."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_spx.metrics import (
    AUPRC,
    Distance,
    ImageMean,
    MaskAUC,
    MassAccuracy,
    MeGe,
    PointingGame,
    ReCo,
    SaliencySSIM,
    TopKOverlap,
    mask_auc,
    mask_auprc,
    mass_accuracy,
    mege,
    pointing_game,
    reco,
    saliency_ssim,
    topk_overlap,
)
from tests.processes import run_together

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Case:
    """A metric, its pure function and inputs for it."""

    build: Callable[[], Metric]
    function: Callable[..., Tensor]
    draw: Callable[[int], Inputs]
    image_dims: tuple[int, ...]

    def inputs(self, images: int = 13) -> Inputs:
        return self.draw(images)

    def take(self, inputs: Inputs, index: Tensor) -> Inputs:
        return tuple(tensor.index_select(dim, index) for tensor, dim in zip(inputs, self.image_dims, strict=True))

    def value(self, inputs: Inputs) -> Tensor:
        """The value of the function for the whole data set."""
        return self.function(*inputs).mean()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def unit_maps(images: int) -> Inputs:
    first = torch.rand(images, 12, 14, generator=generator())
    return first, first.flip(0)


def signed_maps(images: int) -> Inputs:
    first = torch.randn(images, 3, 12, 14, generator=generator())
    return first, first.flip(0)


def masked_maps(images: int) -> Inputs:
    maps = torch.rand(images, 12, 14, generator=generator())
    return maps, maps.flip(0) > 0.6


def model_maps(images: int) -> Inputs:
    draw = generator()
    maps = torch.rand(3, images, 12, 14, generator=draw)
    label = torch.randint(0, 2, (images,), generator=draw)
    wrong = torch.rand(3, images, generator=draw) < 0.4
    held_out = torch.arange(3)[:, None] == torch.arange(images) % 3
    return maps, (label + wrong) % 2, label, held_out


def pairwise(distance: Distance) -> dict[str, Case]:
    dims = (1, 1, 0, 1)
    return {
        f"MeGe-{distance}": Case(lambda: MeGe(distance), partial(mege, distance=distance), model_maps, dims),
        f"ReCo-{distance}": Case(lambda: ReCo(distance), partial(reco, distance=distance), model_maps, dims),
    }


CASES = {
    "SaliencySSIM": Case(SaliencySSIM, saliency_ssim, unit_maps, (0, 0)),
    "SaliencySSIM-signed": Case(
        lambda: SaliencySSIM("signed"), partial(saliency_ssim, preset="signed"), signed_maps, (0, 0)
    ),
    "TopKOverlap": Case(TopKOverlap, topk_overlap, unit_maps, (0, 0)),
    "MassAccuracy": Case(MassAccuracy, mass_accuracy, masked_maps, (0, 0)),
    "PointingGame": Case(PointingGame, pointing_game, masked_maps, (0, 0)),
    "MaskAUC": Case(MaskAUC, mask_auc, masked_maps, (0, 0)),
    "AUPRC": Case(AUPRC, mask_auprc, masked_maps, (0, 0)),
    **pairwise("l2"),
    **pairwise("spearman"),
    **pairwise("ssim"),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[str(request.param)]


def run(metric: Metric, case: Case, inputs: Inputs, batches: list[Tensor]) -> Tensor:
    for index in batches:
        metric.update(*case.take(inputs, index))
    value = metric.compute()
    assert isinstance(value, Tensor)
    return value


def exactly(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-7, rtol=0)


def test_value_is_that_of_the_function_over_all_images(case: Case) -> None:
    inputs = case.inputs()
    value = run(case.build(), case, inputs, [torch.arange(13)])
    assert value.shape == ()
    assert value.dtype == torch.float32
    exactly(value, case.value(inputs))


@pytest.mark.parametrize("batch_size", [1, 4, 12])
def test_value_depends_neither_on_batch_size_nor_on_order(case: Case, batch_size: int) -> None:
    inputs = case.inputs()
    order = torch.randperm(13, generator=generator())
    exactly(
        run(case.build(), case, inputs, list(order.split_with_sizes([batch_size, 13 - batch_size]))), case.value(inputs)
    )


def test_forward_returns_the_batch_and_keeps_the_sum(case: Case) -> None:
    inputs = case.inputs()
    metric = case.build()
    for index in (torch.arange(8), torch.arange(8, 13)):
        batch = case.take(inputs, index)
        exactly(metric(*batch), case.value(batch))
    value = metric.compute()
    assert isinstance(value, Tensor)
    exactly(value, case.value(inputs))


def test_reset_forgets(case: Case) -> None:
    inputs = case.inputs()
    metric = case.build()
    metric.update(*case.take(inputs, torch.arange(4)))
    metric.reset()
    exactly(run(metric, case, inputs, [torch.arange(13)]), case.value(inputs))


def test_copies_continue_on_their_own(case: Case) -> None:
    inputs = case.inputs()
    metric = case.build()
    metric.update(*case.take(inputs, torch.arange(5)))
    for copy in (metric.clone(), pickle.loads(pickle.dumps(metric))):
        exactly(run(copy, case, inputs, [torch.arange(5, 13)]), case.value(inputs))
    exactly(run(metric, case, inputs, [torch.arange(5, 13)]), case.value(inputs))


def test_inference_mode_and_ordinary_mode_mix(case: Case) -> None:
    inputs = case.inputs()
    metric = case.build()
    with torch.inference_mode():
        metric.reset()
        metric.update(*(tensor.clone() for tensor in case.take(inputs, torch.arange(5))))
    metric.update(*case.take(inputs, torch.arange(5, 9)))
    with torch.inference_mode():
        value = run(metric, case, inputs, [torch.arange(9, 13)])
    exactly(value.clone(), case.value(inputs))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(case: Case, dtype: torch.dtype) -> None:
    maps, *rest = case.inputs()
    half = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in (maps, *rest)]
    full = [tensor.double() if tensor.is_floating_point() else tensor for tensor in half]
    metric = case.build()
    metric.update(*half)
    value = metric.compute()
    assert isinstance(value, Tensor)
    exactly(value, case.value(tuple(full)))


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_constant_maps_have_a_value(case: Case, level: float) -> None:
    inputs = case.inputs()
    constant = tuple(torch.full_like(t, level) if t.is_floating_point() else t for t in inputs)
    mixed = (constant[0], *inputs[1:])
    for maps in (constant, mixed):
        value = run(case.build(), case, maps, [torch.arange(13)])
        assert value.isfinite()
        assert 0 <= value <= 1


def test_a_nan_image_is_left_out_and_counted(case: Case) -> None:
    inputs = case.inputs()
    broken = (inputs[0].clone(), *inputs[1:])
    broken[0].select(case.image_dims[0], 4).fill_(torch.nan)
    metric = case.build()
    value = run(metric, case, broken, [torch.arange(6), torch.arange(6, 13)])
    keep = torch.tensor([n for n in range(13) if n != 4])
    exactly(value, case.value(case.take(inputs, keep)))
    assert isinstance(metric, ImageMean | MeGe | ReCo)
    assert metric.num_dropped > 0


def test_attributes_and_states_follow_the_rules(case: Case) -> None:
    metric = case.build()
    assert metric.higher_is_better
    assert not metric.is_differentiable
    assert metric.full_state_update is False
    assert metric.plot_lower_bound is not None
    assert metric.plot_upper_bound == 1.0
    assert None not in metric._reductions.values()
    assert metric.state_dict() == {}


def test_plot_draws_the_value(case: Case) -> None:
    metric = case.build()
    metric.update(*case.inputs())
    figure, _ = metric.plot()
    again, _ = metric.plot([metric.compute(), metric.compute()])
    assert figure is not again
    plt.close("all")


def worker(rank: int, folder: str) -> None:
    """Compute every metric in one of two processes, of which the first has one image, four or none."""
    values = {}
    for name, case in CASES.items():
        inputs = case.inputs()
        for first_rank in (1, 4, 0):
            own = torch.arange(first_rank) if rank == 0 else torch.arange(first_rank, 13)
            metric = case.build()
            values[name, first_rank] = run(metric, case, inputs, list(torch.split(own, 3)) if len(own) else [])
    torch.save(values, Path(folder) / f"{rank}.pt")


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_two_processes_with_uneven_shares_equal_one(tmp_path: Path) -> None:
    run_together(worker, str(tmp_path))
    for rank in range(2):
        values = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert len(values) == 3 * len(CASES)
        for (name, _), value in values.items():
            case = CASES[name]
            exactly(value, case.value(case.inputs()))
