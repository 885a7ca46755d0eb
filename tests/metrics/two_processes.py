"""Run a worker in two processes that share the work by gloo."""

import multiprocessing
import socket
from collections.abc import Callable
from pathlib import Path

import torch

Worker = Callable[[int, str], None]


def _joined(worker: Worker, rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    worker(rank, folder)
    torch.distributed.destroy_process_group()


def run_in_two_processes(worker: Worker, folder: Path) -> None:
    """Call `worker(rank, folder)`, a function of a module, in each; fails where one of them does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    spawn = multiprocessing.get_context("spawn")
    arguments = [(worker, rank, port, str(folder)) for rank in range(2)]
    processes = [spawn.Process(target=_joined, args=each, daemon=True) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
