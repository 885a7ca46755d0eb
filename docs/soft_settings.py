"""Chooses the settings of docs/soft.md from a run of configs/tradeoff/soft_settings.yaml.

Run it as `python docs/soft_settings.py RUN`.

Of each kind of pooling it takes the setting with the largest gain at matched fidelity, on average over methods and
orders.
"""

import sys
from pathlib import Path

import pandas as pd

from lightning_spx.reporting.reference_rows import is_candidate
from lightning_spx.reporting.rows import PIXEL

table = pd.read_csv(Path(sys.argv[1]) / "front.csv")
rows = table[table["superpixels"].map(is_candidate) & (table["superpixels"] != PIXEL)]
found = rows.groupby("superpixels")[["mean_segments", "excess", "fidelity", "matched_gain"]].mean()
found.insert(0, "kind", found.index.str.partition("(").get_level_values(0))
orders = rows.pivot_table(index="superpixels", columns="magnitude", values="matched_gain")
found = found.join(orders.add_prefix("matched_gain, ")).sort_values(["kind", "matched_gain"], ascending=[True, False])
print(found.drop(columns="kind").round(3).to_string())
print("\nchosen:", ", ".join(found.groupby("kind", sort=False).head(1).index))
