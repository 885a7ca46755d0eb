#!/usr/bin/env bash
# `import lightning` (2.6.6) imports transformers (5.24.0) wherever it is installed, although Lightning does not use it.
#
# Lightning imports torchmetrics (1.9.0) for its base class of metrics, and this imports all of its metrics. One of their
# files, `functional/text/bert.py`, imports transformers at its head if it is there, whether or not the metric is used. So
# a program that has to do with images only starts more slowly after somebody has installed transformers next to it.
#
# Seen: no module of transformers in sys.modules before it is installed, 48 after, the table of all its models among them,
# and 13 more packages such as huggingface_hub; 26% of the import's time, which is printed and not tested.
# What we do: lightning_spx/cli/main.py reads the command before it imports Lightning, and help needs no import of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet torch==2.14.1 lightning==2.6.6 torchmetrics==1.9.0 numpy==2.4.6
cd "$folder"
cat > probe.py <<'PYTHON'
import json
import sys
import time

import torch

start = time.perf_counter()
import lightning

taken = time.perf_counter() - start
roots = {name.split(".")[0] for name in sys.modules}
modules = sorted(name for name in sys.modules if name.split(".")[0] == "transformers")
print(json.dumps({"taken": taken, "roots": sorted(roots), "modules": modules}))
PYTHON
# the first run of each compiles the files, the second is the one that counts
env/bin/python probe.py > /dev/null 2>&1
env/bin/python probe.py 2> /dev/null > without.json
env/bin/pip install --quiet transformers==5.24.0
env/bin/python probe.py > /dev/null 2>&1
env/bin/python probe.py 2> /dev/null > with.json
env/bin/python - <<'PYTHON'
import json
from pathlib import Path

before, after = (json.loads(Path(name).read_text()) for name in ("without.json", "with.json"))
print("modules of transformers:", len(before["modules"]), "before,", len(after["modules"]), "after it is installed")
print("packages imported in addition:", *sorted(set(after["roots"]) - set(before["roots"])))
print(f"share of the time of `import lightning`: {1 - before['taken'] / after['taken']:.0%}")
assert not before["modules"]
assert "transformers.models.auto.modeling_auto" in after["modules"], "transformers is not imported any more"
print("as written above")
PYTHON
