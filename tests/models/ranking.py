"""AUROC and average precision as slow loops over their definitions."""

from collections.abc import Sequence


def pairs_in_order(truth: Sequence[float], score: Sequence[float]) -> float:
    """AUROC: how often an image with the finding is ranked above one without; ties count half."""
    present = [each for each, known in zip(score, truth, strict=True) if known]
    absent = [each for each, known in zip(score, truth, strict=True) if not known]
    won = sum((one > other) + 0.5 * (one == other) for one in present for other in absent)
    return float(won / (len(present) * len(absent)))


def average_precision(truth: Sequence[float], score: Sequence[float]) -> float:
    """The sum over thresholds of the precision times the recall gained there."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        found = [known for each, known in zip(score, truth, strict=True) if each >= threshold]
        recall = sum(found) / sum(truth)
        total += (recall - before) * sum(found) / len(found)
        before = recall
    return total
