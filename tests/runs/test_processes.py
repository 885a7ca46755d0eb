"""The processes of one start: which strategies can be used, and images that two of them repeat."""

import pytest
import torch
from lightning import Trainer
from torch import distributed

from lightning_spx.runs.launch import Launch
from lightning_spx.runs.processes import gather_images, start_processes


def test_a_strategy_that_ends_its_processes_after_each_training_is_refused() -> None:
    trainer = Trainer(accelerator="cpu", devices=2, strategy="ddp_spawn", logger=False, barebones=True)
    with pytest.raises(ValueError, match=r"Expected `trainer.strategy` to keep its processes for the whole study"):
        start_processes(trainer)


def test_one_process_of_such_a_strategy_needs_no_others() -> None:
    trainer = Trainer(accelerator="cpu", devices=1, strategy="ddp", logger=False, barebones=True)
    start_processes(trainer)
    assert not distributed.is_initialized()
    Launch(None, "ray", {"CPU": 2}, str).prepare(trainer)


def test_repeated_images_are_dropped_and_order_restored() -> None:
    values = torch.tensor([[4.0], [0.0], [2.0], [0.0], [1.0]])
    assert gather_images(values, [4, 0, 2, 0, 1]).flatten().tolist() == [0, 1, 2, 4]
