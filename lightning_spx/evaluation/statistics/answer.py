"""Answers a stability study's question: would another model have shown the same, and do super-pixels help?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TypeVar

import pandas as pd

from lightning_spx.evaluation.statistics.agreement import (
    Agreement,
    agreement_of,
    agreement_sentence,
    best_agreement,
    corrected_agreements,
)
from lightning_spx.evaluation.statistics.halves import LEVEL, few_images
from lightning_spx.evaluation.statistics.left import left_sentence
from lightning_spx.evaluation.statistics.pair_order import group_warnings
from lightning_spx.evaluation.statistics.remarks import condition_sentence, effort_sentence, missing_conditions
from lightning_spx.evaluation.statistics.sanity import sanity_sentences
from lightning_spx.evaluation.statistics.verdict import (
    METRIC_WORDS,
    Verdict,
    corrected_verdicts,
    joined,
    scope_sentence,
    sentence,
    verdict_of,
)
from lightning_spx.reporting.answer import Answer
from lightning_spx.reporting.rows import ALL_PAIRS, of_condition, survives, without_controls
from lightning_spx.runs.blocks import read_number

T = TypeVar("T")
SSIM = "saliency_ssim"
NUM_RESAMPLES = 2000


@dataclass(frozen=True)
class PlanValues:
    """What one plan of a study has measured.

    Args:
        files: the blocks of values per image of each method.
        results: the plan's rows of `results.csv`.
        names: of the models that were compared, in each repeat.
        num_repeats: number of repeats.
    """

    files: Mapping[str, Sequence[Path]]
    results: pd.DataFrame
    names: Sequence[str]
    num_repeats: int


def study_answer(
    plans: Mapping[str, PlanValues],
    *,
    seed: int,
    models: Sequence[str] = (),
    warnings: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Answer:
    """Answer from the values per image whether maps agree, and whether super-pixels help beyond smoothing.

    Args:
        plans: what each plan has measured; with several, each sentence begins with the name of its plan.
        seed: seeds the halves and the bootstrap.
        models: a line about each model.
        warnings: of the study, that do not follow from its numbers.
        notes: what the numbers are of.
    """
    names = {plan: f"{plan}: " if len(plans) > 1 else "" for plan in plans}
    agreements: dict[str, dict[str, list[Agreement]]] = {}
    found: dict[str, dict[str, list[Verdict]]] = {}
    # with fewer draws no p-value of so many methods could pass the correction
    num_methods = sum(len(plan.files) for plan in plans.values())
    num_resamples = max(NUM_RESAMPLES, ceil(num_methods / LEVEL))
    for metric in METRIC_WORDS:
        measured = {}
        for name, plan in plans.items():
            # the setting over all findings comes first
            for setting in plan.results.loc[plan.results["metric"] == metric, "setting"].unique()[:1]:
                measured[name] = _of_methods(name, plan.files, metric, str(setting), num_resamples, seed)
        agreements[metric] = _together({name: each for name, (each, _) in measured.items()}, corrected_agreements)
        found[metric] = _together({name: each for name, (_, each) in measured.items()}, corrected_verdicts)
    sentences: list[str] = []
    checked: list[str] = []
    warned, unconfirmed = list(warnings), {}
    half, claims = 0, 0
    for name, plan in plans.items():
        said = []
        of_plan = agreements[SSIM].get(name, [])
        for metric, word in METRIC_WORDS.items():
            if name not in found[metric]:
                continue
            if metric == SSIM:
                said.append(agreement_sentence(of_plan, word))
            said.append(sentence(found[metric][name], metric))
            confirmed = {verdict.method for verdict in found[metric][name] if verdict.has_gain}
            key = f"{name}/{metric}" if len(plans) > 1 else metric
            unconfirmed[key] = [method for method in plan.files if method not in confirmed]
        known = [each for each in of_plan if not each.why_none]
        if known:
            best = best_agreement(known).method
            said += condition_sentence(plan.results, best, SSIM)
            said += left_sentence(plan.results, best)
            said += effort_sentence(plan.results, best, SSIM, len(plan.names) * plan.num_repeats)
        sentences += [f"{names[name]}{text}" for text in said]
        half = max([half, *(each.num_images for each in of_plan)])
        claims = max(claims, sum(not each.why_none for own in agreements[SSIM].values() for each in own))
        sanity = [f"{names[name]}{text}" for text in sanity_sentences(of_condition(plan.results))]
        (warned if _survives(plan.results) else checked).extend(sanity)
        # pairs of several repeats are pairs of different models
        groups = group_warnings(plan.results, SSIM, plan.names) if plan.num_repeats == 1 else []
        warned += [f"{names[name]}{text}" for text in [*missing_conditions(plan.results, SSIM), *groups]]
    first = next(iter(plans.values()))
    if claims:
        # agreements without numbers have no intervals
        covered = [[each.scope for each in own if not each.why_none] for own in agreements[SSIM].values()]
        scopes = [own[0] for own in covered if own]
        sentences.append(scope_sentence(scopes, half, len(first.names), claims, len(plans)))
    row = first.results.iloc[0]
    title = f"Stability of saliency maps: {row['models']} on {row['dataset']}"
    if len(plans) > 1:
        title = f"Stability of saliency maps on {row['dataset']}, plans {joined(list(plans))}"
    return Answer(
        title=title,
        sentences=[*sentences, *checked],
        models=models,
        warnings=[*warned, *few_images(half)],
        notes=notes,
        unconfirmed=unconfirmed,
    )


def _survives(results: pd.DataFrame) -> bool:
    of_all = without_controls(of_condition(results[results["pair"] == ALL_PAIRS]))
    return any(survives(row) for _, row in of_all.iterrows())


def _together(plans: Mapping[str, Sequence[T]], correct: Callable[[Sequence[T]], list[T]]) -> dict[str, list[T]]:
    """Correct p-values over the methods of all plans, because one answer names them all."""
    corrected = iter(correct([each for own in plans.values() for each in own]))
    return {name: [next(corrected) for _ in own] for name, own in plans.items()}


def _of_methods(
    plan: str, files: Mapping[str, Sequence[Path]], metric: str, setting: str, num_resamples: int, seed: int
) -> tuple[list[Agreement], list[Verdict]]:
    """Read one number of one method at a time, so that memory never holds more; p-values are not corrected yet."""
    agreements, found = [], []
    for own in files.values():
        # the blocks of a study with one plan do not name it
        rows = pd.concat(read_number(list(own), metric, setting)).assign(plan=plan)
        agreements.append(agreement_of(rows, num_resamples, seed))
        found.append(verdict_of(rows, num_resamples, seed))
    return [each for each in agreements if each is not None], [each for each in found if each is not None]
