#!/usr/bin/env bash
# torchmetrics 1.9.0 gives a finding that no test image has the worst scores there are, and its mean counts them.
#
# - `MultilabelAUROC` of a label without a positive (or without a negative) is 0.0, not NaN: a perfect model of two findings
#   whose second one does not occur has the macro mean 0.5, that of guessing.
# - `MultilabelAveragePrecision` of it is -0.0, which its macro mean counts as well.
# A warning says "No positive samples", once, and not for which label.
#
# Seen: AUROC [1.0, 0.0], macro 0.5; average precision [1.0, -0.0], macro 0.5.
# What we do: models/finding_scores.py scores each finding by itself, logs NaN and names it, and leaves it out of the mean.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torchmetrics==1.9.0 torch==2.14.1 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import torch
from torchmetrics.classification import MultilabelAUROC, MultilabelAveragePrecision

scores = torch.tensor([[0.9, 0.8], [0.2, 0.6], [0.7, 0.3], [0.1, 0.1]])
labels = torch.tensor([[1, 0], [0, 0], [1, 0], [0, 0]])
for kind in (MultilabelAUROC, MultilabelAveragePrecision):
    each, mean = (kind(2, average=average)(scores, labels) for average in (None, "macro"))
    print(kind.__name__, each.tolist(), "macro", mean.item())
    assert each.tolist() == [1.0, 0.0], "a label without positives has another score now"
    assert mean.item() == 0.5, "the mean leaves the absent label out now"
print("as written above")
PYTHON
