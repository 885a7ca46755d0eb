"""Metrics that ask a model, and collections, give the same from two processes with uneven shares as from one."""

from pathlib import Path

import pytest
import torch
from torchmetrics import MetricCollection

from lightning_spx.metrics import IROF, ROAD, Deletion, FidelityError, Insertion
from tests.metrics.collection_cases import BUILD, FIRST, LATER, alone, drawn
from tests.metrics.removal_cases import HEIGHT, WIDTH, TinyNet, draw
from tests.processes import run_together

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


def collected(rank: int) -> dict[str, torch.Tensor]:
    """All metrics in collections: the first batches agree in both processes, in one of them, or there is none."""
    found: dict[str, torch.Tensor] = {}
    for first, batches in OF_PROCESSES.items():
        collection = MetricCollection({name: build() for name, build in BUILD.items()})
        for batch in batches[rank]:
            collection.update(**batch)
        found |= {f"{first}, {name}": value for name, value in collection.compute().items()}
    return found


OF_PROCESSES = {
    "blank in both": ([FIRST["blank"], LATER], [FIRST["blank"], drawn(2, 5)]),
    "identical in one": ([LATER], [FIRST["identical"], drawn(2, 5)]),
    "none in one": ([FIRST["one pixel"], LATER], []),
}


def worker(rank: int, folder: str) -> None:
    found = measured(slice(0, 2) if rank == 0 else slice(2, 7)) | collected(rank)
    torch.save(found, Path(folder) / f"{rank}.pt")


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_two_processes_with_uneven_shares_equal_one(tmp_path: Path) -> None:
    run_together(worker, str(tmp_path))
    expected = measured(slice(0, 7))
    for first, (here, there) in OF_PROCESSES.items():
        expected |= {f"{first}, {name}": value for name, value in alone(*here, *there).items()}
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert value.isfinite()
            torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0, msg=name)
