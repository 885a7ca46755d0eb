"""`spx report`: turns a run folder into one HTML page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lightning_spx.evaluation.commands.report_figures import read_figures
from lightning_spx.evaluation.maps.example_agreement import example_agreement
from lightning_spx.evaluation.maps.example_saliency import example_saliency
from lightning_spx.evaluation.statistics.answer import PlanValues, study_answer
from lightning_spx.evaluation.statistics.cells import OF_ARCHITECTURES
from lightning_spx.evaluation.statistics.results_file import read_results
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.gallery import Gallery, MethodMaps
from lightning_spx.reporting.page import Page, render_page
from lightning_spx.reporting.plans import by_plan, with_plan
from lightning_spx.reporting.rows import AFTER, BEFORE, EITHER, OWN, PIXEL
from lightning_spx.runs.blocks import files_of
from lightning_spx.runs.example_maps import Examples
from lightning_spx.runs.files import write_text
from lightning_spx.runs.folder import ANSWER_FILE, CONFIG_FILE, NOTES_FILE, RESULTS_FILE
from lightning_spx.runs.reading import one_line, read_json
from lightning_spx.runs.record import check_results, read_finished

ORDERS = (AFTER, BEFORE)


def report(run: str, out: str | None = None) -> Path:
    """Write one self-contained HTML page about a finished study, and print its verdict.

    The page shows the verdict, numbers, figures, maps and the record of how they were made.

    Args:
        run: folder of a finished study.
        out: file to write; by default `report.html` in the run folder.

    Returns:
        The path of the page, which needs no network and no other file.

    Raises:
        FileNotFoundError: the folder does not exist, is not a run folder, or its study is not finished.
        ValueError: a file of the run is damaged.
    """
    folder = Path(run)
    page = read_page(folder)
    path = Path(out) if out else folder / "report.html"
    write_text(path, render_page(page))
    print(page.answer.title, *page.answer.models, "", *page.answer.sentences, sep="\n")
    for warning in page.answer.warnings:
        print(f"Warning: {warning}")
    return path


def read_page(folder: Path) -> Page:
    """Gather what a page shows from the files of a run.

    Raises:
        ValueError: a file is damaged; the message names it.
    """
    record = read_finished(folder)
    results = read_results(folder / RESULTS_FILE)
    check_results(folder, record)
    config = (folder / CONFIG_FILE).read_text(encoding="utf-8")
    methods = list(results["method"].unique())
    names = record.get("names", [])
    first = results.iloc[0]
    figures = read_figures(folder, results, names)
    return Page(
        answer=read_answer(folder, results, record),
        results=results,
        figures=figures.pictures,
        gallery=_gallery(folder, methods, results, names),
        facts=_facts(record, first),
        config=config,
        record=json.dumps(record, indent=2, sort_keys=True),
        descriptions=figures.descriptions,
    )


def read_answer(folder: Path, results: pd.DataFrame, record: dict[str, Any]) -> Answer:
    """Read the answer of a study, or make it from the values per image of a study that was run before there were any.

    Raises:
        ValueError: a file is damaged; the message names it.
    """
    path = folder / ANSWER_FILE
    if path.is_file():
        content = read_json(path)
        try:
            return Answer.of(content)
        except ValueError as error:
            raise ValueError(
                f"Expected the answer of a study in {path}: {error} Start the study again, which writes it."
            ) from error
    values = folder / "per_image"
    files = {method: files_of(values, str(method)) for method in results["method"].unique()} if values.is_dir() else {}
    files = {method: own for method, own in files.items() if own}
    if not files:
        first = results.iloc[0]
        title = f"Stability of saliency maps: {first['models']} on {first['dataset']}"
        return Answer(title, ["The values per image are not in the run folder, so there is no answer."])
    # PyTorch takes long to import, and only run folders of earlier versions need these words
    from lightning_spx.evaluation.training.study_models import accuracies_in_words

    lines, warned = accuracies_in_words(record["models"])
    repeats = len({repeat for own in files.values() for repeat in own.values()})
    measured = PlanValues(
        files={method: list(own) for method, own in files.items()},
        results=results,
        names=[str(number) for number in range(max(1, len(record["models"])) // repeats)],
        num_repeats=repeats,
    )
    # only studies of networks that a user names record their weights, and those are no sample of other trainings
    plan = OF_ARCHITECTURES if "weights" in record else ""
    return study_answer(
        {plan: measured},
        seed=int(record["seed"]),
        models=lines,
        warnings=warned,
        notes=_notes(folder),
    )


def _notes(folder: Path) -> list[str]:
    """What a study has said of itself beside its numbers."""
    path = folder / NOTES_FILE
    if not path.is_file():
        return []
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected sentences in {path}, got a damaged file: {one_line(error)}.") from error
    return _sentences(path, content)


def _sentences(path: Path, content: object) -> list[str]:
    if not isinstance(content, list) or not all(isinstance(sentence, str) for sentence in content):
        raise ValueError(f"Expected sentences in {path}, got something else. Start the study again, which writes them.")
    return content


def _gallery(folder: Path, methods: Sequence[str], results: pd.DataFrame, names: Sequence[str]) -> Gallery | None:
    magnitudes, own = list(results["magnitude"].unique()), set(results.loc[results["superpixels"] == OWN, "method"])
    plan = next(by_plan(results))[0]
    maps: dict[str, MethodMaps] = {}
    examples = None
    segments: dict[str, NDArray[np.int64]] = {}
    for method in methods:
        path = Examples.path(folder, method)
        if not path.is_file():
            continue
        examples = Examples.load(path)
        # those of a method by segments of its own have none of the study's
        segments |= examples.segments
        maps[method] = _method_maps(examples, magnitudes, OWN if method in own else PIXEL)
    if examples is None:
        return None
    return Gallery(
        photos=_photos(examples.images),
        segments=segments,
        maps=maps,
        # examples are of the models of the first plan
        models=[with_plan(name, plan) for name in _names(names, len(examples.attributions))],
        agreement={method: _agreement(each) for method, each in maps.items()},
    )


def _photos(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images (n, C, H, W) as people see them, (n, H, W, 3): other than three channels as their mean, in gray."""
    if images.shape[1] != 3:
        images = np.repeat(images.mean(1, keepdims=True), 3, axis=1)
    return images.transpose(0, 2, 3, 1)


def _agreement(maps: MethodMaps) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Compare the maps of each kind photo by photo."""
    kinds = {(maps.given, EITHER): maps.pixel, **maps.pooled}
    return {kind: example_agreement(each) for kind, each in kinds.items()}


def _names(names: Sequence[str], count: int) -> list[str]:
    return list(names) if len(names) == count else [f"model {number}" for number in range(count)]


def _method_maps(examples: Examples, magnitudes: Sequence[str], given: str) -> MethodMaps:
    # both orders give the same map where no value is negative
    signed = bool((examples.attributions < 0).any())
    orders = [order for order in ORDERS if order in magnitudes and signed]
    maps = {order: example_saliency(examples, order) for order in orders or ORDERS[:1]}
    first = next(iter(maps.values()))
    pooled: dict[tuple[str, str], NDArray[np.float32]] = {
        (name, order if orders else EITHER): maps[order][name] for name in first if name != PIXEL for order in maps
    }
    return MethodMaps(first[PIXEL], pooled, given)


def _facts(record: dict[str, Any], first: pd.Series) -> dict[str, str]:
    models = {
        name: f"{model.get('network', '')}, test accuracy {model['test_accuracy']:.4f}"
        for name, model in record["models"].items()
        if "test_accuracy" in model
    }
    models |= {
        name: f"{model.get('network', '')}, AUC of real against translated {model['auc']:.3f}"
        for name, model in record["models"].items()
        if "auc" in model
    }
    versions = ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items())
    return {
        "data": f"{first['dataset']}, {first['num_images']} explained images",
        "fingerprint of the data": str(record.get("fingerprint", "")),
        **models,
        "splits": ", ".join(record.get("splits", [])),
        "seed": str(record.get("seed", "")),
        "commit": str(record.get("commit")),
        "versions": versions,
        "seconds": f"{sum(record.get('seconds', {}).values()):.0f} on {record.get('device', '')}",
    }
