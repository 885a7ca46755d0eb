"""A checkpoint's hyper-parameters decide what its weights are put into."""

from pathlib import Path

import pytest
import torch
from lightning import LightningModule
from torch import Tensor, nn

from lightning_spx.models.checkpoint_file import load_checkpoint

ACTIVATIONS = {"relu": nn.ReLU(), "tanh": nn.Tanh()}


class Net(LightningModule):
    def __init__(self, width: int = 4, activation: str = "relu") -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(3, width), ACTIVATIONS[activation], nn.Linear(width, 2))

    def forward(self, values: Tensor) -> Tensor:
        answer: Tensor = self.net(values)
        return answer


def saved(module: Net, path: Path) -> Path:
    torch.save({"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}, path)
    return path


def test_a_module_is_built_with_what_its_checkpoint_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, values = Net(width=8, activation="tanh").eval(), torch.randn(5, 3)
    path = saved(module, tmp_path / "own.ckpt")
    with pytest.warns(UserWarning, match="with width=8 in place of 4, activation='tanh' in place of 'relu'"):
        loaded = load_checkpoint(path, Net)
    assert torch.equal(loaded(values), module(values))


def test_the_same_settings_need_no_word(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    module = Net(activation="tanh").eval()
    loaded = load_checkpoint(saved(module, tmp_path / "own.ckpt"), lambda: Net(activation="tanh"))
    assert torch.equal(loaded(torch.ones(1, 3)), module(torch.ones(1, 3)))
    assert not [each for each in recwarn if "is built with" in str(each.message)]
