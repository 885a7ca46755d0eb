"""A run folder as one page: what is in it, and what is refused."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from lightning_spx.attribution import saliency_map
from lightning_spx.evaluation.commands.report import read_page, report
from lightning_spx.metrics.ssim import pairwise_ssim
from lightning_spx.reporting.reference_rows import is_candidate
from lightning_spx.reporting.rows import is_control
from lightning_spx.runs.example_maps import Examples
from lightning_spx.superpixels import segment_pool


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A study of its own, whose files a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def earlier(run: Path) -> Path:
    """A study of an earlier version, which wrote no answer: the page makes it from the values per image."""
    (run / "verdicts.json").unlink()
    forget(run, "answer_sha256")
    return run


def forget(run: Path, name: str) -> None:
    """Leave a hash out of the record, as of a study of an earlier version."""
    record = json.loads((run / "run.json").read_text())
    del record[name]
    (run / "run.json").write_text(json.dumps(record))


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
    results = pd.read_csv(run / "results.csv", keep_default_na=False, na_values={"value": ""})
    of_all = results[(results["pair"] == "all") & (results["condition"] == "all")]
    numbers = of_all.groupby(["metric", "setting"]).ngroups
    ssim = of_all.loc[of_all["metric"] == "saliency_ssim", "superpixels"]
    kinds, left = ssim.map(is_candidate).sum(), (~ssim.map(is_control)).sum()
    conditioned = results[results["condition"] != "all"].groupby(["metric", "setting"]).ngroups
    # beside the tables of numbers, one for each number given the models' answers, one of what SSIM's spread is from and
    # one of what is left of correlations, which shows references too
    expected = len(of_all) + numbers + (conditioned + 1) * (kinds + 1) + left + 1
    assert html.count("<tr>") + html.count("<tr class") == expected
    for _, row in of_all.iterrows():
        shown = f"{row['value']:.3f} <span>[{row['ci_low']:.3f}, {row['ci_high']:.3f}]</span>"
        assert shown in html or pd.isna(row["value"])


def test_the_values_of_segments_are_those_of_the_library(run: Path) -> None:
    gallery = data_of(report(str(run)).read_text())["gallery"]
    (method, *_) = gallery["pooled"]
    (segmenter, *_) = gallery["pooled"][method]
    examples = Examples.load(run / "examples" / f"{method}.npz")
    segments = examples.segments[segmenter]
    for model, attribution in enumerate(torch.from_numpy(examples.attributions)):
        maps = saliency_map(segment_pool(attribution, torch.from_numpy(segments))).numpy()
        for photo, ids in enumerate(segments):
            values = gallery["pooled"][method][segmenter]["after"][model][gallery["numbers"].index(photo + 1)]
            assert np.allclose(np.array(values)[ids], maps[photo], atol=6e-5)


def test_photos_are_sorted_by_the_metric_of_the_maps_that_are_shown(run: Path) -> None:
    gallery = data_of(report(str(run)).read_text())["gallery"]
    (method, *_) = gallery["pixel"]
    examples = Examples.load(run / "examples" / f"{method}.npz")
    attributions = torch.as_tensor(examples.attributions)
    maps = torch.stack([saliency_map(attribution) for attribution in attributions])
    values = pairwise_ssim(maps).mean(0).numpy()
    assert gallery["numbers"] == (np.argsort(values) + 1).tolist()
    assert np.allclose(gallery["agreement"][method]["pixel"]["either"], np.sort(values), atol=6e-5)


def test_figures_stand_in_the_order_of_their_importance_and_say_what_they_show(run: Path) -> None:
    page = read_page(run)
    captions = list(page.figures)
    assert captions[0].startswith("SSIM of saliency maps between models: values")
    assert captions[1].startswith("SSIM, pair by pair")
    assert captions[2].startswith("SSIM, image by image")
    tables = [caption.endswith("as a table") for caption in captions]
    assert tables == sorted(tables)
    assert not re.search("saliency_ssim|distance=|mege_", " ".join([*captions, *page.descriptions.values()]))
    results = page.results[page.results["condition"] == "all"]
    rows = results[(results["metric"] == "saliency_ssim") & (results["pair"] == "all")]
    own = rows[rows["superpixels"].map(is_candidate)]
    assert f"The highest excess over the floor, {own['excess'].max():.3f}, is that of" in page.descriptions[captions[0]]
    assert len(page.descriptions) == len(captions)


def test_the_verdict_comes_first_and_says_what_it_rests_on(run: Path) -> None:
    answer = read_page(run).answer
    assert answer.sentences[0].partition(": ")[0] in ("No answer", "No", "Hardly", "Partly", "Largely", "Yes")
    assert [said.partition(":")[0] for said in answer.sentences[1:3]] == [
        "Super-pixels (SSIM)",
        "Super-pixels (Top-k overlap)",
    ]


def test_the_verdict_is_printed_too(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(str(run))
    printed = capsys.readouterr().out
    assert all(sentence in printed for sentence in read_page(run).answer.sentences)


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


def changed(content: dict[str, Any], **values: object) -> bytes:
    return json.dumps({**content, **values}).encode()


def damages(path: Path) -> dict[str, bytes]:
    """What may become of a file: cut off, another one, of other kinds, or edited."""
    whole = path.read_bytes()
    found = {"empty": b"", "cut": whole[: len(whole) // 2], "noise": bytes(range(256))}
    if path.suffix == ".json":
        found |= {"list": b"[1]", "number": b"1", "deep": b"[" * 100_000}
    if path.name == "run.json":
        record = json.loads(whole)
        wrong: dict[str, object] = {"models": [], "seed": "0", "splits": 1, "versions": {"torch": []}, "names": [1]}
        wrong |= {"seconds": {"train": "1"}, "earlier_starts": ["here"]}
        found |= {f"{name} of another kind": changed(record, **{name: value}) for name, value in wrong.items()}
        found["score"] = changed(record, models={"model 0": {"network": "SmallResNet", "test_accuracy": "high"}})
        found["no models"] = json.dumps({name: value for name, value in record.items() if name != "models"}).encode()
    if path.name == "results.csv":
        heading, first, *others = whole.decode().splitlines()
        found |= {"no rows": heading.encode(), "no number": whole.replace(b",0.", b",x.", 1)}
        found["semicolons"] = whole.replace(b",", b";")
        found["too many fields"] = "\n".join([heading, *(f"{row},1" for row in [first, *others])]).encode()
        found["edited"] = whole.replace(b",0.", b",0.9", 1)
        found["a row less"] = "\n".join([heading, first, *others[:-1], ""]).encode()
    if path.name == "config.yaml":
        lines = whole.splitlines(keepends=True)
        found |= {
            "a line less": b"".join(line for line in lines if not line.startswith(b"seed:")),
            "no date": b"a: 2020-13-45",
            "deep": b"[" * 5000,
        }
    return found


@pytest.mark.parametrize(
    "name", ["run.json", "config.yaml", "results.csv", "examples/*.npz", "per_image/*.parquet", "figures/pairs*.png"]
)
def test_a_damaged_file_is_refused_by_name(earlier: Path, name: str) -> None:
    path = sorted(earlier.glob(name))[0]
    whole = path.read_bytes()
    for damage, content in damages(path).items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(str(path))) as error:
            report(str(earlier))
        assert "\n" not in str(error.value), damage
    assert not (earlier / "report.html").exists()
    path.write_bytes(whole)
    report(str(earlier))


@pytest.mark.parametrize("content", ["", "{}", '{"title": "x", "verdicts": [1]}', "[", '["x", 1]', "[" * 100_000])
@pytest.mark.parametrize("name", ["verdicts.json", "notes.json"])
def test_damaged_sentences_are_refused_by_name(earlier: Path, name: str, content: str) -> None:
    (earlier / name).write_text(content)
    with pytest.raises(ValueError, match=re.escape(str(earlier / name))):
        report(str(earlier))


def test_an_edited_answer_is_refused(run: Path) -> None:
    answer = run / "verdicts.json"
    answer.write_text(answer.read_text().replace('"title": "', '"title": "Yes: '))
    with pytest.raises(ValueError, match=re.escape(str(answer))):
        report(str(run))


def test_the_answer_is_made_again_from_the_values_per_image_where_there_is_none(run: Path) -> None:
    sentences = read_page(run).answer.sentences
    (run / "verdicts.json").unlink()
    forget(run, "answer_sha256")
    assert read_page(run).answer.sentences == sentences


def test_values_of_another_kind_are_refused_by_name(earlier: Path) -> None:
    for folder, path in (("per_image", "per_image/*.parquet"), ("examples", "examples/*.npz")):
        first = sorted(earlier.glob(path))[0]
        whole = first.read_bytes()
        if folder == "examples":
            np.savez(first, images=np.zeros((1, 3, 4, 4)), attributions=np.zeros((2, 1, 3, 4, 5)))
        else:
            pd.read_parquet(first).drop(columns="permuted").to_parquet(first)
        with pytest.raises(ValueError, match=re.escape(str(first))):
            report(str(earlier))
        first.write_bytes(whole)


def test_words_in_results_that_are_like_missing_values_stay_words(run: Path) -> None:
    results = pd.read_csv(run / "results.csv", keep_default_na=False).assign(dataset="NA")
    results.to_csv(run / "results.csv", index=False)
    forget(run, "results_sha256")
    assert read_page(run).facts["data"].startswith("NA, ")


def test_a_study_of_an_earlier_version_has_a_page_too(run: Path) -> None:
    earlier = pd.read_csv(run / "results.csv").drop(columns=["num_wrong", "num_constant"])
    earlier.to_csv(run / "results.csv", index=False)
    forget(run, "results_sha256")
    assert len(read_page(run).results) == len(earlier)
    assert report(str(run)).is_file()
