"""Sums up the per-image values of a finished stability study in `results.csv`, figures, tables and loggers."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd
from lightning.pytorch.loggers import Logger

from lightning_spx.evaluation.stability.output import print_stability, report_stability
from lightning_spx.evaluation.stability.study import Study
from lightning_spx.evaluation.statistics.answer import SSIM, PlanValues, study_answer
from lightning_spx.evaluation.statistics.cells import OF_ARCHITECTURES, Layout
from lightning_spx.evaluation.statistics.costs import COST_COLUMNS, with_passes
from lightning_spx.evaluation.statistics.results import results_table, summarize_metric
from lightning_spx.evaluation.statistics.results_file import read_results
from lightning_spx.evaluation.statistics.sanity import without_gain
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.plans import of_plan
from lightning_spx.reporting.rows import finding_of, without_controls
from lightning_spx.runs.blocks import Block, Kind, in_all, read_first, read_number, read_rows
from lightning_spx.runs.files import write_atomic
from lightning_spx.runs.folder import ANSWER_FILE, RESULTS_FILE
from lightning_spx.runs.reading import read_json


def conclude(
    study: Study,
    dataset: str,
    models: Mapping[str, str],
    names: Sequence[str],
    loggers: Sequence[Logger],
    *,
    facts: Sequence[str] = (),
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
    all_tables: bool = False,
) -> None:
    """Summarize the values of a study, whichever starts measured them.

    Args:
        study: a study whose blocks are all on disk.
        dataset: name of the data set in tables.
        models: words for the models of each plan in tables.
        names: names in figures, one for each model of a round of the first plan.
        loggers: the Trainer's loggers; there may be none.
        facts: a line about each model, above all its accuracy.
        warnings: why the numbers may mean little.
        notes: what the numbers are of.
        all_tables: print all tables, not only that of SSIM.

    Raises:
        ValueError: a block is damaged, or belongs to other settings, data or weights; the error names its file.
    """
    run, settings = study.run, study.settings
    kinds: list[Kind] = ["per_image"]
    if settings.sanity_stages:
        kinds.append("sanity")
    if study.drawn.has_mask:
        kinds.append("localisation")
    blocks = study.blocks()
    for kind in kinds:
        for block in blocks:
            study.record.add_environment(block.check(run, kind, study.round_of(block).name))
    if study.record.concluded and not loggers and (run.path / "figures").is_dir():
        for kind in kinds:
            # a damaged block is named, though its numbers are not needed again
            for _ in read_rows([block.path(run, kind) for block in blocks]):
                pass
        results = read_results(run.path / RESULTS_FILE)
        answer = Answer.of(read_json(run.path / ANSWER_FILE))
    else:
        results = pd.concat(
            [_table(study, kinds, plan, dataset, words) for plan, words in models.items()], ignore_index=True
        )
        write_atomic(run.path / RESULTS_FILE, lambda path: results.to_csv(path, index=False))
        study.record.lap("summarise")
        answer = study_answer(
            {plan: _values_of(study, plan, results) for plan in models},
            seed=settings.seed,
            models=facts,
            warnings=[*warnings, *_blank_maps(study, blocks)],
            notes=[*notes, *_said_of_findings(study, results)],
        )
        run.write_json(ANSWER_FILE, answer.content())
        report_stability(run, results, list(settings.methods), names, answer, loggers)
        study.record.lap("report")
    study.record.note_results()
    study.record.save()
    print_stability(run.path, results, names, answer, all_tables)


def _of_plan(study: Study, plan: str) -> list[Block]:
    return [block for block in study.blocks() if study.round_of(block).plan == plan]


def _table(study: Study, kinds: Sequence[Kind], plan: str, dataset: str, models: str) -> pd.DataFrame:
    """Make the rows of one plan."""
    blocks = _of_plan(study, plan)
    rows = chain.from_iterable(_summarized(study, kind, blocks) for kind in kinds)
    table = without_gain(results_table(rows, dataset, models)).assign(plan=plan)
    costs = read_first([block.path(study.run, "per_image") for block in blocks], COST_COLUMNS)
    return with_passes(table, pd.concat(costs))


def _values_of(study: Study, plan: str, results: pd.DataFrame) -> PlanValues:
    """Return what one plan of a study has measured."""
    blocks, rounds = _of_plan(study, plan), [each for each in study.rounds if each.plan == plan]
    files = {
        name: [block.path(study.run, "per_image") for block in blocks if block.method == name]
        for name in study.settings.methods
    }
    names = [member.title or str(number) for number, member in enumerate(rounds[0].members)]
    return PlanValues(files, of_plan(results, plan), names, len(rounds))


def _summarized(study: Study, kind: Kind, blocks: Sequence[Block]) -> Iterator[dict[str, object]]:
    """Yield the rows of every method and metric; the method's blocks are read again for each metric."""
    index = np.sort(study.drawn.index.numpy())
    repeats = np.unique([block.repeat for block in blocks])
    for method in study.settings.methods:
        paths = [block.path(study.run, kind) for block in blocks if block.method == method]
        # every shard has all pairs
        first = next(read_rows(paths[:1]))
        pairs = sorted(first["pair"].unique())
        # the blocks of a study with one plan do not name it
        one_architecture = study.round_of(blocks[0]).plan != OF_ARCHITECTURES
        layout = Layout(repeats, pairs, index, one_architecture=one_architecture)
        # blocks of an earlier version may lack numbers and rows, which then are not of all images
        names = in_all(paths, ["metric", "setting"])
        numbers = [each for each in first[["metric", "setting"]].drop_duplicates().itertuples(index=False, name=None)]
        numbers = [number for number in numbers if number in names]
        superpixels = {name for (name,) in in_all(paths, ["superpixels"])}
        if study.drawn.findings:
            # every number is of the same items
            layout = layout.with_items(read_number(paths, *numbers[0]))
        for metric, setting in numbers:
            yield from summarize_metric(
                (rows[rows["superpixels"].isin(superpixels)] for rows in read_number(paths, metric, setting)),
                layout,
                method,
                metric,
                setting,
                num_resamples=study.settings.num_resamples,
                seed=study.settings.seed,
            )


def _said_of_findings(study: Study, results: pd.DataFrame) -> list[str]:
    """Say what numbers of findings are numbers of; nothing for a study of classes."""
    findings, targets = study.drawn.findings, study.targets
    if not findings:
        return []
    explained = {
        "present": "the findings that an image has",
        "predicted": "the findings that a model predicts, and two models are compared on those that both predict",
    }
    words = explained[targets] if isinstance(targets, str) else f"{', '.join(targets)} on every image"
    said = [
        f"Maps explain {words}. Each value is of an image and a finding; numbers of images count an image once, and "
        "intervals resample images, so that the findings of an image stay together."
    ]
    with_rows = {finding_of(setting) for setting in results["setting"].unique()}
    absent = [name for name in (findings if isinstance(targets, str) else targets) if name not in with_rows]
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        said.append(f"There are no rows of {', '.join(absent)}, which {verb} {targets} in no explained image.")
    return said


def _blank_maps(study: Study, blocks: Sequence[Block]) -> list[str]:
    """Say what fraction of the compared pairs of each kind of maps has a constant map, unless it is 0."""
    counts: dict[tuple[str, str], list[int]] = {}
    for block in blocks:
        for rows in read_number([block.path(study.run, "per_image")], SSIM, ""):
            of_kinds = without_controls(rows).groupby("superpixels", sort=False, observed=True)["constant"]
            for superpixels, constant in of_kinds:
                found = counts.setdefault((block.method, str(superpixels)), [0, 0])
                found[0] += int(constant.sum())
                found[1] += len(constant)
    return [
        f"{constant / total:.1%} of the compared pairs of maps of {method}, {superpixels} hold a blank (constant) map."
        for (method, superpixels), (constant, total) in counts.items()
        if constant
    ]
