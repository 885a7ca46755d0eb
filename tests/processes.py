"""Processes beside that of the tests, copies of it: importing PyTorch and Lightning again takes seconds."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkContext, ForkServerContext

import torch
from torch import distributed

# a fork has no threads of autograd for a GPU, and PyTorch refuses gradients there
COPIES: ForkContext | ForkServerContext = (
    multiprocessing.get_context("forkserver") if torch.cuda.is_available() else multiprocessing.get_context("fork")
)
STRATEGY = "ddp_spawn" if torch.cuda.is_available() else "ddp_fork"  # of a Trainer


def _joined(work: Callable[..., None], rank: int, world_size: int, folder: str, *more: object) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world_size)
    work(rank, folder, *more)
    distributed.destroy_process_group()


def run_together(work: Callable[..., None], folder: str, *more: object, world_size: int = 2) -> None:
    """Call `work(rank, folder, *more)`, a function of a module, in processes that gloo joins; fails where one does."""
    processes = [
        COPIES.Process(target=_joined, args=(work, rank, world_size, folder, *more), daemon=True)
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=300)
        assert process.exitcode == 0
