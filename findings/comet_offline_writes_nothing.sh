#!/usr/bin/env bash
# `CometLogger(online=False)` of Lightning 2.6.6 keeps nothing, neither online nor in a file, although it is said to be for
# working offline (comet-ml 3.58.8).
#
# Lightning passes `disabled=True` to Comet together with `online=False`. Whatever is logged is then dropped without an
# error or a warning, and `offline_directory` is not even made. (Lightning's issue 21617.)
# An offline experiment that is running before is taken over by `CometLogger()` without settings, and writes its archive.
#
# Seen: of `online=False` a disabled experiment and no archive; of `comet_ml.start(online=False)` and `CometLogger()` an
# experiment that is not disabled and one archive, with the metric in it.
# What we do: lightning_spx/reporting/comet_sink.py refuses a disabled experiment and names the way that works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet lightning==2.6.6 comet-ml==3.58.8 torch==2.14.1 numpy==2.4.6
cd "$folder"
# settings and keys of whoever runs this stay out of it
env -u COMET_API_KEY HOME="$folder" COMET_LOGGING_CONSOLE=WARNING env/bin/python - <<'PYTHON'
import zipfile
from pathlib import Path

import comet_ml
from lightning.pytorch.loggers import CometLogger


def archives(folder: str, logger: CometLogger) -> list[Path]:
    logger.log_metrics({"accuracy": 0.625}, step=0)
    logger.experiment.end()
    found = sorted(Path(folder).glob("*.zip"))
    print(folder, "disabled:", logger.experiment.disabled, "archives:", len(found))
    return found


logger = CometLogger(online=False, offline_directory="by_lightning")
assert logger.experiment.disabled, "Lightning does not disable the experiment any more"
assert not archives("by_lightning", logger), "an archive is written now"
assert not Path("by_lightning").exists(), "the folder is made now"

settings = comet_ml.ExperimentConfig(offline_directory="by_comet", log_code=False, log_env_details=False)
comet_ml.start(online=False, experiment_config=settings)
logger = CometLogger()
assert not logger.experiment.disabled, "the running experiment is not taken over any more"
(archive,) = archives("by_comet", logger)
with zipfile.ZipFile(archive) as opened:
    assert b"0.625" in opened.read("messages.json"), "the metric is not in the archive"
print("as written above")
PYTHON
