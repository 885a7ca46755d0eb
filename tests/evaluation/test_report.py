"""A run folder as one page: what is in it, and what is refused."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.examples import Examples
from lightning_spx.evaluation.report import read_page, report
from lightning_spx.superpixels import segment_pool


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A study of its own, whose files a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found.group(1))
    return content


def test_the_page_is_one_file_in_the_run_folder_and_the_same_at_every_call(run: Path) -> None:
    path = report(str(run))
    assert path == run / "report.html"
    first = path.read_bytes()
    assert len(first) < 8_000_000
    assert report(str(run)).read_bytes() == first


def test_nothing_is_loaded_from_elsewhere(run: Path) -> None:
    html = report(str(run)).read_text()
    addresses = re.findall(r'(?:src|href)="([^"]{0,20})', html)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "default-src 'none'" in html


def test_another_file_may_be_named(run: Path, tmp_path: Path) -> None:
    assert report(str(run), out=str(tmp_path / "new" / "page.html")).is_file()
    assert not (run / "report.html").exists()


def test_every_number_of_the_study_stands_in_a_table(run: Path) -> None:
    html = report(str(run)).read_text()
    results = pd.read_csv(run / "results.csv")
    of_all = results[results["pair"] == "all"]
    assert (
        html.count("<tr>") + html.count("<tr class")
        == len(of_all) + of_all.groupby(["metric", "setting"], dropna=False).ngroups
    )
    for _, row in of_all.iterrows():
        assert f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]" in html or pd.isna(row["value"])


def test_the_values_of_segments_are_those_of_the_library(run: Path) -> None:
    gallery = data_of(report(str(run)).read_text())["gallery"]
    (method, *_) = gallery["pooled"]
    (segmenter, *_) = gallery["pooled"][method]
    examples = Examples.load(run / "examples" / f"{method}.npz")
    segments = examples.segments[segmenter]
    for model, attribution in enumerate(examples.attributions):
        maps = saliency_map(segment_pool(attribution, segments)).numpy()
        for photo, ids in enumerate(segments.numpy()):
            values = gallery["pooled"][method][segmenter]["after"][model][photo]
            assert np.allclose(np.array(values)[ids], maps[photo], atol=6e-5)


def test_the_verdict_comes_first_and_says_what_it_rests_on(run: Path) -> None:
    page = read_page(run)
    assert len(page.verdicts) == 2
    assert all("chosen on one half" in said or "Too few images" in said for said in page.verdicts)


def test_the_verdict_is_printed_too(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(str(run))
    assert capsys.readouterr().out.splitlines() == read_page(run).verdicts


def test_a_run_without_pictures_has_a_page_too(run: Path) -> None:
    shutil.rmtree(run / "examples")
    shutil.rmtree(run / "figures")
    assert data_of(report(str(run)).read_text())["gallery"] is None


def test_what_is_no_finished_study_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected `run` to be a finished study, found no .*nowhere"):
        report(str(tmp_path / "nowhere"))
    (run / "results.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no .*results\.csv\. Run the study .* to its end"):
        report(str(run))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_damaged_results_are_refused(run: Path, content: bytes) -> None:
    (run / "results.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected .*results\.csv to hold a study.s results, got damaged ones"):
        report(str(run))
    assert not (run / "report.html").exists()
