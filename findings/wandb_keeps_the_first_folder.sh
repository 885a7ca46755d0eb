#!/usr/bin/env bash
# wandb 0.31.0 writes a later run of a process into the folder of the first one, although the process has changed folder.
#
# `wandb.init()` without `dir` writes to `./wandb`. "." is looked up once in a process, at its first run, and outlives
# `wandb.finish()`: jobs that change folder one after the other in a process, as Hydra's do, find their runs in the folder
# of the first job, and none in their own. `wandb.teardown()` forgets it, and `dir="."` is looked up anew.
#
# Seen: runs found in the folders a, b, c, d of four inits, the last two with `dir="."` and after a teardown: 2, 0, 1, 1.
# What we do: a test that uses W&B ends with `wandb.teardown()`; our studies send through loggers that say their folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet wandb==0.31.0
cd "$folder"
WANDB_MODE=offline WANDB_SILENT=true env/bin/python - <<'PYTHON'
import os
from pathlib import Path

import wandb

here = Path.cwd()
for name, settings in (("a", {}), ("b", {}), ("c", {"dir": "."}), ("d", {})):
    (here / name).mkdir()
    os.chdir(here / name)
    if name == "d":
        wandb.teardown()
    wandb.init(project="birds", **settings)
    wandb.finish()
found = {name: len(list((here / name).glob("wandb/offline-run-*"))) for name in "abcd"}
print("runs in each folder:", found)
assert found == {"a": 2, "b": 0, "c": 1, "d": 1}, "the folder is looked up otherwise now"
print("as written above")
PYTHON
