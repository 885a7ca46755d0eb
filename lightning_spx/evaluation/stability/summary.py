"""The per-image values of a finished stability study -> `results.csv`, figures, tables and loggers."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from lightning.pytorch.loggers import Logger

from lightning_spx.evaluation.stability.output import report_stability
from lightning_spx.evaluation.stability.study import Study
from lightning_spx.evaluation.statistics.results import Layout, results_table, summarize_metric
from lightning_spx.evaluation.statistics.sanity import without_gain
from lightning_spx.runs.blocks import Block, Kind, read_rows
from lightning_spx.runs.files import write_atomic
from lightning_spx.runs.folder import RESULTS_FILE


def conclude(
    study: Study,
    dataset: str,
    models: str,
    names: Sequence[str],
    loggers: Sequence[Logger],
    said: Sequence[str] = (),
) -> None:
    """Summarize what a study has measured, by whichever starts.

    Args:
        study: all of whose blocks are on disk.
        dataset: name in tables.
        models: what they are, in tables.
        names: of the models of one repeat, in figures.
        loggers: of the Trainer; none is fine.
        said: sentences to print first and to keep for the page; none for a study whose page makes its own.

    Raises:
        ValueError: a block is damaged, or of other settings, data or weights; names its file.
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
            study.record.add_environment(block.check(run, kind, study.rounds[block.repeat].name))
    rows = chain.from_iterable(_summarized(study, kind, blocks) for kind in kinds)
    results = without_gain(results_table(rows, dataset, models))
    write_atomic(run.path / RESULTS_FILE, lambda path: results.to_csv(path, index=False))
    study.record.note_results()
    study.record.lap("summarise")
    blank = _constant_shares(study, blocks)
    report_stability(run, results, blank, list(settings.methods), names, said, loggers)
    study.record.lap("report")
    study.record.save()


def _summarized(study: Study, kind: Kind, blocks: Sequence[Block]) -> Iterator[dict[str, object]]:
    """Summarize method by method, metric by metric, reading the blocks of the method for each."""
    index = np.sort(study.drawn.index.numpy())
    repeats = np.unique([block.repeat for block in blocks])
    for method in study.settings.methods:
        paths = [block.path(study.run, kind) for block in blocks if block.method == method]
        # every shard has all pairs and metrics
        first = next(read_rows(paths[:1]))
        layout = Layout(repeats, sorted(first["pair"].unique()), index)
        for metric, setting in first[["metric", "setting"]].drop_duplicates().itertuples(index=False):
            yield from summarize_metric(
                read_rows(paths, metric, setting),
                layout,
                method,
                metric,
                setting,
                num_resamples=study.settings.num_resamples,
                seed=study.settings.seed,
            )


def _constant_shares(study: Study, blocks: Sequence[Block]) -> dict[tuple[str, str], float]:
    """The share of compared pairs of maps of which one is constant, by (method, superpixels), where there are any."""
    counts: dict[tuple[str, str], list[int]] = {}
    for block in blocks:
        for rows in read_rows([block.path(study.run, "per_image")], "saliency_ssim"):
            for superpixels, constant in rows.groupby("superpixels", sort=False)["constant"]:
                found = counts.setdefault((block.method, str(superpixels)), [0, 0])
                found[0] += int(constant.sum())
                found[1] += len(constant)
    return {key: constant / total for key, (constant, total) in counts.items() if constant}
