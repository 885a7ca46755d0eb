#!/usr/bin/env bash
# Lightning 2.6.6: a number that is logged with `logger=False` is missing from what `validate()` and `test()` return.
#
# `logger` of `self.log` is said to choose whether a number goes to the logger. It also chooses what the Trainer returns and
# prints as a table, and does so in a Trainer that has no logger at all. Callbacks get the number all the same, so a
# checkpoint can be chosen by a value that `validate()` then does not report.
#
# Seen: with three numbers logged by default, with `logger=False`, and with `logger=False, prog_bar=True`, both return
# [{'plain': 1.0}], while `callback_metrics` has all three.
# What we do: lightning_spx/evaluation/callbacks/rounds.py, which sends to the loggers by itself in `fit`, leaves it to
# Lightning in `validate` and `test`, so that numbers are returned.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.14.1 lightning==2.6.6 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON' 2>&1 | grep -v -i -e available -e litlogger
import logging
import warnings

warnings.filterwarnings("ignore")
import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def validation_step(self, batch, index):
        self.log("plain", 1.0)
        self.log("hidden", 2.0, logger=False)
        self.log("in_the_bar", 3.0, logger=False, prog_bar=True)

    test_step = validation_step


loader = DataLoader(TensorDataset(torch.rand(4, 1)), 2)
for name in ("validate", "test"):
    trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False,
        enable_model_summary=False,
    )
    returned = getattr(trainer, name)(Net(), loader, verbose=False)
    to_callbacks = {key: value.item() for key, value in trainer.callback_metrics.items()}
    print(name, "returned", returned, "| callbacks have", to_callbacks)
    assert returned == [{"plain": 1.0}], "`logger=False` does not decide what is returned any more"
    assert to_callbacks == {"plain": 1.0, "hidden": 2.0, "in_the_bar": 3.0}, "callbacks get other numbers now"
print("as written above")
PYTHON
