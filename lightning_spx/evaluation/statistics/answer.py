"""Answers a stability study's question: would another model have shown the same, and do super-pixels help?"""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import pandas as pd

from lightning_spx.evaluation.statistics.agreement import (
    Agreement,
    agreement_of,
    agreement_sentence,
    corrected_agreements,
)
from lightning_spx.evaluation.statistics.halves import LEVEL, few_images
from lightning_spx.evaluation.statistics.sanity import sanity_sentences
from lightning_spx.evaluation.statistics.trainings import THESE_MODELS
from lightning_spx.evaluation.statistics.verdict import (
    METRIC_WORDS,
    Verdict,
    corrected_verdicts,
    scope_sentence,
    sentence,
    verdict_of,
)
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.rows import ALL_PAIRS, of_condition, survives, without_controls
from lightning_spx.runs.blocks import read_rows

SSIM = "saliency_ssim"
NUM_RESAMPLES = 2000


def study_answer(
    files: Mapping[str, Sequence[Path]],
    results: pd.DataFrame,
    *,
    num_models: int,
    seed: int,
    models: Sequence[str] = (),
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Answer:
    """Answer from the values per image whether maps agree, and whether super-pixels help beyond smoothing.

    Args:
        files: the blocks of values per image of each method.
        results: rows of `results.csv`.
        num_models: number of models that were compared, in each repeat.
        seed: seeds the halves and the bootstrap.
        models: a line about each model.
        warnings: of the study, that do not follow from its numbers.
        notes: what the numbers are of.
    """
    sentences: list[str] = []
    unconfirmed: dict[str, list[str]] = {}
    half, num_methods, scope = 0, 0, THESE_MODELS
    # with fewer draws no p-value of so many methods could pass the correction
    num_resamples = max(NUM_RESAMPLES, ceil(len(files) / LEVEL))
    for metric in METRIC_WORDS:
        # the setting over all findings comes first
        for setting in results.loc[results["metric"] == metric, "setting"].unique()[:1]:
            agreements, found = _of_methods(files, metric, str(setting), num_resamples, seed)
            if metric == SSIM:
                sentences.append(agreement_sentence(agreements, METRIC_WORDS[metric]))
            sentences.append(sentence(found, metric))
            confirmed = {verdict.method for verdict in found if verdict.has_gain}
            unconfirmed[metric] = [method for method in files if method not in confirmed]
            half = max([half, *(each.num_images for each in agreements)])
            scope = next((each.scope for each in agreements), scope)
            num_methods = max(num_methods, sum(not each.why_none for each in agreements))
    if num_methods:
        sentences.append(scope_sentence(scope, half, num_models, num_methods))
    results = of_condition(results)
    sanity = sanity_sentences(results)
    of_all = without_controls(results[results["pair"] == ALL_PAIRS])
    warned = any(survives(row) for _, row in of_all.iterrows())
    first = results.iloc[0]
    return Answer(
        title=f"Stability of saliency maps: {first['models']} on {first['dataset']}",
        sentences=sentences if warned else [*sentences, *sanity],
        models=models,
        warnings=[*warnings, *few_images(half), *(sanity if warned else [])],
        notes=notes,
        unconfirmed=unconfirmed,
    )


def _of_methods(
    files: Mapping[str, Sequence[Path]], metric: str, setting: str, num_resamples: int, seed: int
) -> tuple[list[Agreement], list[Verdict]]:
    """Read one number of one method at a time, so that memory never holds more."""
    agreements, found = [], []
    for own in files.values():
        rows = pd.concat(read_rows(list(own), metric, setting))
        agreements.append(agreement_of(rows, num_resamples, seed))
        found.append(verdict_of(rows, num_resamples, seed))
    return (
        corrected_agreements([each for each in agreements if each is not None]),
        corrected_verdicts([each for each in found if each is not None]),
    )
