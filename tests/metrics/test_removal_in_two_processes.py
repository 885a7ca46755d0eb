"""Metrics that ask a model give the same from two processes with uneven shares as from one."""

from pathlib import Path

import pytest
import torch

from lightning_spx.metrics import IROF, ROAD, Deletion, FidelityError, Insertion
from tests.metrics.removal_cases import HEIGHT, WIDTH, TinyNet, draw
from tests.metrics.two_processes import run_in_two_processes

SEGMENTS = torch.arange(HEIGHT * WIDTH).view(1, HEIGHT, WIDTH) // 5


def measured(positions: slice) -> dict[str, torch.Tensor]:
    """Each metric over some of seven images, the first of which has a broken map; gathered over the processes."""
    images, target, saliency = draw()
    saliency[0, 0, 0] = torch.nan
    images, target, saliency = images[positions], target[positions], saliency[positions]
    net, segments = TinyNet(), SEGMENTS.expand(len(images), -1, -1)
    areas = {"deletion": Deletion(num_steps=4), "insertion": Insertion(num_steps=4, substrate="blur")}
    for area in areas.values():
        area.update(net, images, target, saliency)
    road, irof, fidelity = ROAD(fractions=[0.3]), IROF(mean=(0.5, 0.5, 0.5)), FidelityError()
    road.update(net, images, target, saliency)
    irof.update(net, images, target, saliency, segments)
    fidelity.update(saliency, saliency.flip(1))
    metrics = {**areas, "road": road, "irof": irof, "fidelity": fidelity}
    return {name: metric.compute() for name, metric in metrics.items()}


def worker(rank: int, folder: str) -> None:
    torch.save(measured(slice(0, 2) if rank == 0 else slice(2, 7)), Path(folder) / f"{rank}.pt")


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_two_processes_with_uneven_shares_equal_one(tmp_path: Path) -> None:
    run_in_two_processes(worker, tmp_path)
    alone = measured(slice(0, 7))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == alone.keys()
        for name, value in alone.items():
            assert value.isfinite()
            torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)
