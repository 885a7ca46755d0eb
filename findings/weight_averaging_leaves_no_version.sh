#!/usr/bin/env bash
# Lightning 2.6.6: EMAWeightAveraging swaps averages in for a validation without a trace in the tensors that are swapped.
#
# The parameters stay the same objects with the same storage, and `_version`, the counter by which autograd notices that a
# tensor was written to, does not move: the callback copies into `.data`. Whoever keeps results by (id, data_ptr, _version)
# takes averages and trained weights for the same thing.
#
# Seen: in on_validation_batch_end the values differ from those in on_train_epoch_end of the same epoch, while id, data_ptr
# and _version are equal.
# What we do: lightning_spx/evaluation/callbacks/scored_weights.py compares values.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.14.1 lightning==2.6.6 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON' 2>&1 | grep -v -i -e available -e litlogger -e stopped
import logging
import warnings

warnings.filterwarnings("ignore")
import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 2)

    def training_step(self, batch, index):
        return nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

    def validation_step(self, batch, index):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


class Seen(Callback):
    def __init__(self):
        self.trained, self.validated = [], []

    def stamp(self, module):
        weight = module.layer.weight
        return (id(weight), weight.data_ptr(), weight._version), weight.detach().clone()

    def on_train_batch_end(self, trainer, module, *_):
        self.last = self.stamp(module)

    def on_validation_batch_end(self, trainer, module, *_, **__):
        self.trained.append(self.last)
        self.validated.append(self.stamp(module))


loader = DataLoader(TensorDataset(torch.rand(16, 4), torch.arange(16) % 2), 4)
seen = Seen()
L.Trainer(
    max_epochs=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
    enable_checkpointing=False, num_sanity_val_steps=0, callbacks=[EMAWeightAveraging(decay=0.9), seen],
).fit(Net(), loader, DataLoader(TensorDataset(torch.rand(4, 4), torch.arange(4) % 2), 4))
for (stamp, values), (stamp_then, values_then) in zip(seen.trained, seen.validated, strict=True):
    print("same id, data_ptr, _version:", stamp == stamp_then, "| same values:", torch.equal(values, values_then))
    assert stamp == stamp_then, "the swap leaves a trace now"
    assert not torch.equal(values, values_then), "averages are not swapped in any more"
print("as written above")
PYTHON
