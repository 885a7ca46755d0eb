#!/usr/bin/env bash
# Lightning 2.6.6's MLFlowLogger makes one metric of two whose names differ in characters that it takes out.
#
# It deletes what is no letter, digit, `_`, `/`, `.`, `-` or space. Two names that become one are not told apart: each step
# of the metric in MLflow (3.17.2) then has both numbers, and its value is the larger of the two if one call sent both.
# The warning says that a name is replaced, not that the new one is taken. It also deletes the colon, which MLflow accepts;
# of other names MLflow itself says that they are invalid and keeps nothing.
#
# Seen: `S(k=1)` and `Sk1` are `Sk1` with the history (0, 0.75), (0, 0.25), (1, 0.875), (1, 0.375) and the value 0.875;
# `val:loss` and `valloss`, which MLflow keeps apart, are `valloss`.
# What we do: lightning_spx/reporting/safe_keys.py replaces such characters instead of deleting them, and names that become
# one key are refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet lightning==2.6.6 mlflow-skinny==3.17.2 torch==2.14.1 numpy==2.4.6
cd "$folder"
MLFLOW_ALLOW_FILE_STORE=true env/bin/python - <<'PYTHON'
import logging
import warnings

from lightning.pytorch.loggers import MLFlowLogger

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    logger = MLFlowLogger(tracking_uri="file:./runs")
    for step in (0, 1):
        change = step / 8
        logger.log_metrics({"S(k=1)": 0.75 + change, "Sk1": 0.25 + change}, step)
        logger.log_metrics({"val:loss": 0.5, "valloss": 1.0}, step)
said = {str(each.message) for each in caught if each.category is RuntimeWarning}
print("warnings:", *sorted(said), sep="\n  ")
assert len(said) == 2 and all("Replacing" in each for each in said), "the warning is another one now"

client = logger.experiment
metrics = client.get_run(logger.run_id).data.metrics
history = [(point.step, point.value) for point in client.get_metric_history(logger.run_id, "Sk1")]
print("metrics:", metrics, "history of Sk1:", history)
assert metrics == {"Sk1": 0.875, "valloss": 1.0}, "names or values are others now"
assert history == [(0, 0.75), (0, 0.25), (1, 0.875), (1, 0.375)], "the history is not mixed any more"

own = client.create_run(logger.experiment_id).info.run_id
client.log_metric(own, "val:loss", 0.5)
client.log_metric(own, "valloss", 1.0)
print("MLflow by itself:", client.get_run(own).data.metrics)
assert client.get_run(own).data.metrics == {"val:loss": 0.5, "valloss": 1.0}, "MLflow takes no colon now"
print("as written above")
PYTHON
