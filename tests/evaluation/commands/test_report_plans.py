"""The page of a study of two plans: each has its tables and figures, and its figures describe its own rows."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_spx.evaluation.commands.report import read_page, report
from lightning_spx.evaluation.statistics.results_file import read_results
from lightning_spx.reporting.reference_rows import is_candidate
from lightning_spx.runs.files import file_name

HIGHER = 0.125


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A finished study, written as one of two plans; all values of the second one are higher."""
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    results = read_results(folder / "results.csv")
    second = results.assign(plan="disjoint", models="3 x SmallResNet, disjoint parts")
    numbers = ["value", "ci_low", "ci_high", "excess", "excess_low", "excess_high"]
    second[numbers] += HIGHER
    both = pd.concat([results.assign(plan="seeds", models="3 x SmallResNet, other seeds"), second])
    both.to_csv(folder / "results.csv", index=False)
    for path in sorted((folder / "per_image").iterdir()):
        rows = pd.read_parquet(path)
        rows.to_parquet(path.with_name(f"seeds-{path.name}"))
        rows.assign(value=rows["value"] + HIGHER).to_parquet(path.with_name(f"disjoint-{path.name}"))
        path.unlink()
    for path in sorted((folder / "figures").iterdir()):
        if not path.stem.startswith("maps_"):
            for plan in ("seeds", "disjoint"):
                shutil.copy(path, path.with_name(f"{path.stem}_{plan}.png"))
            path.unlink()
    record = json.loads((folder / "run.json").read_text())
    del record["results_sha256"]
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_each_figure_describes_the_rows_of_its_plan(run: Path) -> None:
    page = read_page(run)
    captions = [caption for caption in page.figures if "plan" in caption]
    assert captions == list(page.figures)
    assert len(set(captions)) == len(list((run / "figures").glob("*.png"))) - len(
        list((run / "figures").glob("maps_*"))
    )
    results = page.results[(page.results["pair"] == "all") & (page.results["condition"] == "all")]
    for plan in ("seeds", "disjoint"):
        own = results[(results["plan"] == plan) & (results["metric"] == "saliency_ssim")]
        best = own[own["superpixels"].map(is_candidate)]["excess"].max()
        bars = page.descriptions[next(name for name in captions if name.endswith("floor below") and plan in name)]
        assert f"The highest excess over the floor, {best:.3f}, is that of" in bars
        (images,) = [page.descriptions[name] for name in captions if "image by image" in name and plan in name]
        medians = [float(text.partition(",")[0]) for text in images.split("median ")[1:]]
        assert medians == pytest.approx(slow_medians(run, plan), abs=0.00051)


def slow_medians(run: Path, plan: str) -> list[float]:
    """The medians of the means over pairs, for each method by pixel and with its one segmenter."""
    found = []
    results = read_results(run / "results.csv")
    for method in results["method"].unique():
        paths = sorted((run / "per_image").glob(f"{plan}-*_{file_name(method)}.parquet"))
        rows = pd.concat(pd.read_parquet(path) for path in paths)
        rows = rows[(rows["metric"] == "saliency_ssim") & (rows["magnitude"] != "before")]
        for name in filter(is_candidate, rows["superpixels"].unique()):
            values = rows[rows["superpixels"] == name].groupby("index")["value"].mean()
            found.append(float(np.median(values)))
    return found


def test_the_page_has_both_plans_and_says_whose_maps_it_shows(run: Path) -> None:
    html = report(str(run)).read_text()
    assert "<h3>seeds: 3 x SmallResNet, other seeds</h3>" in html
    assert "<h3>disjoint: 3 x SmallResNet, disjoint parts</h3>" in html
    assert html.count("plan by plan</caption>") == 1
    assert "model 0, plan seeds" in html
    assert "model 0, plan disjoint" not in html
