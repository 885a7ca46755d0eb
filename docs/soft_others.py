"""Concludes from a run of photos without those of an earlier run, for docs/soft.py.

Photos are spread evenly over a folder, so that a run of more photos has those of one of fewer.

    python docs/soft_others.py RUN EARLIER OTHERS
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lightning_spx.data.photos import find_images
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.evaluation.tradeoff.front import front_table, matched_rows
from lightning_spx.evaluation.tradeoff.summary import fidelity_rows
from lightning_spx.runs.example_maps import spread_positions


def photos_of(run: Path) -> list[Path]:
    """List the photos that a run has explained, in its order."""
    settings = yaml.safe_load((run / "config.yaml").read_text())
    paths = find_images(settings["images"], 3)
    return [paths[position] for position in spread_positions(len(paths), settings["num_images"])]


def values_of(run: Path, kind: str, chosen: set[int]) -> pd.DataFrame:
    """Read what was measured of some images, by their positions."""
    paths = sorted((run / "per_image").glob(f"{kind}_*.parquet"))
    rows = pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
    return rows[rows["index"].isin(chosen)].reset_index(drop=True)


if __name__ == "__main__":
    run, earlier, others = (Path(word) for word in sys.argv[1:])
    before = set(photos_of(earlier))
    chosen = {position for position, path in enumerate(photos_of(run)) if path not in before}
    print(f"{len(chosen)} photos of {run} are not in {earlier}")
    stability, fidelity = (values_of(run, kind, chosen) for kind in ("stability", "fidelity"))
    described: dict[str, Any] = {"dataset": "photos", "models": "three", "num_resamples": 2000, "seed": 0}
    front = front_table(stability, fidelity, "road", 2000, 0)
    rows = [summarize(stability, **described, over_trainings=False), fidelity_rows(fidelity, **described)]
    rows.append(matched_rows(front, "road", "photos", "three"))
    others.mkdir(parents=True, exist_ok=True)
    pd.concat(rows, ignore_index=True).to_csv(others / "results.csv", index=False)
