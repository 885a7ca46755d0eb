"""The per-image values of a finished stability study -> `results.csv`, figures, tables and loggers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from lightning.pytorch.loggers import Logger

from lightning_spx.evaluation.blocks import Block, read_blocks
from lightning_spx.evaluation.localisation import localisation_file
from lightning_spx.evaluation.maps import is_writer
from lightning_spx.evaluation.results import summarise
from lightning_spx.evaluation.run_folder import write_atomic
from lightning_spx.evaluation.sanity import sanity_file, without_gain
from lightning_spx.evaluation.stability_report import report_stability
from lightning_spx.evaluation.study import Study


def conclude(
    study: Study,
    blocks: Sequence[Block],
    dataset: str,
    models: str,
    names: Sequence[str],
    loggers: Sequence[Logger],
    said: Sequence[str] = (),
) -> None:
    """Summarise what a study has measured, in the process that writes.

    Args:
        study: after its last repeat.
        blocks: all of them.
        dataset: name in tables.
        models: what they are, in tables.
        names: of the models of one repeat, in figures.
        loggers: of the Trainer; none is fine.
        said: sentences to print first and to keep for the page; none for a study whose page makes its own.
    """
    if not is_writer():
        return
    run, settings = study.run, study.settings
    per_image = read_blocks(run, blocks)
    tables = [per_image]
    places = [(block.repeat, block.method) for block in blocks]
    if settings.sanity_stages:
        tables.append(_read_all(sanity_file(run, *place) for place in places))
    if study.drawn.mask is not None:
        tables.append(_read_all(localisation_file(run, *place) for place in places))
    summaries = [
        summarise(rows, dataset=dataset, models=models, num_resamples=settings.num_resamples, seed=settings.seed)
        for rows in tables
    ]
    results = without_gain(pd.concat(summaries, ignore_index=True))
    write_atomic(run.path / "results.csv", lambda path: results.to_csv(path, index=False))
    study.record.lap("summarise")
    report_stability(run, results, per_image, list(settings.methods), names, said, loggers)
    study.record.lap("report")


def _read_all(paths: Iterable[Path]) -> pd.DataFrame:
    return pd.concat(map(pd.read_parquet, paths), ignore_index=True)
