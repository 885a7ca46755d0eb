"""Metrics that ask a model give the same from two processes with uneven shares as from one."""

import multiprocessing
import socket
from pathlib import Path

import pytest
import torch

from lightning_spx.metrics import IROF, ROAD, Deletion, FidelityError, Insertion
from tests.metrics.removal_cases import HEIGHT, WIDTH, TinyNet, draw

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


def worker(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.save(measured(slice(0, 2) if rank == 0 else slice(2, 7)), Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_two_processes_with_uneven_shares_equal_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=worker, args=(rank, port, str(tmp_path)), daemon=True) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    alone = measured(slice(0, 7))
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == alone.keys()
        for name, value in alone.items():
            assert value.isfinite()
            torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)
