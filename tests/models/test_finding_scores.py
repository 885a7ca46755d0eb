"""AUROC and average precision of findings, against slow loops and torchmetrics."""

import pytest
import torch
from torch import Tensor
from torchmetrics.classification import MultilabelAUROC, MultilabelAveragePrecision

from lightning_spx.models.finding_scores import FindingScores, finding_names, keys_of
from tests.models.ranking import average_precision, pairs_in_order


def case(num_images: int = 60) -> tuple[Tensor, Tensor]:
    """Logits with ties, and labels of which some are not said; nobody has the fourth finding and all have the fifth."""
    generator = torch.Generator().manual_seed(0)
    label = (torch.rand(num_images, 5, generator=generator) < 0.4).float()
    logits = (2 * label + 2 * torch.randn(num_images, 5, generator=generator)).round(decimals=1)
    label[torch.rand(num_images, 5, generator=generator) < 0.3] = torch.nan
    label[:, 3:] = torch.where(label[:, 3:].isnan(), torch.nan, torch.tensor([0.0, 1.0]))
    return logits, label


@pytest.mark.parametrize("size", [1, 7, 60])
def test_values_are_those_of_slow_loops_whatever_the_batches(size: int) -> None:
    logits, label = case()
    scores = FindingScores()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(size))
    for start in range(0, 60, size):
        batch = order[start : start + size]
        scores.update(logits[batch], label[batch])
    found = scores.compute()
    for finding in range(3):
        said = ~label[:, finding].isnan()
        truth, score = label[said, finding].tolist(), logits[said, finding].tolist()
        assert found["auroc"][finding].item() == pytest.approx(pairs_in_order(truth, score), abs=1e-6)
        expected = average_precision(truth, score)
        assert found["average_precision"][finding].item() == pytest.approx(expected, abs=1e-6)


def test_values_are_those_of_torchmetrics_where_it_has_them_and_nan_where_it_says_0_or_1() -> None:
    logits, label = case()
    target = label.where(~label.isnan(), -1).long()
    theirs = MultilabelAUROC(5, average="none", ignore_index=-1)(logits, target)
    precision = MultilabelAveragePrecision(5, average="none", ignore_index=-1)(logits, target)
    scores = FindingScores()
    scores.update(logits, label)
    found = scores.compute()
    torch.testing.assert_close(found["auroc"][:3], theirs[:3])
    torch.testing.assert_close(found["average_precision"][:3], precision[:3])
    assert theirs[3:].tolist() == [0, 0]
    assert found["auroc"][3:].isnan().all()
    assert found["average_precision"][3:].isnan().all()
    logged = keys_of(found, finding_names([], 5))
    assert logged["auroc"] == found["auroc"][:3].mean()
    assert len(logged) == 11


def test_large_logits_are_still_ranked() -> None:
    # in single precision their probabilities are all 1; in [0, 1] they are no probabilities
    logits = torch.tensor([[20.0], [21.0], [22.0], [0.2], [0.9]])
    scores = FindingScores()
    for row, truth in zip(logits, [0.0, 1.0, 1.0, 0.0, 0.0], strict=True):
        scores.update(row[None], torch.tensor([[truth]]))
    assert scores.compute()["auroc"].item() == 1.0


def test_logits_that_are_not_finite_are_ranked_at_the_wrong_end() -> None:
    scores = FindingScores()
    scores.update(torch.tensor([[torch.nan], [2.0], [1.0]]), torch.tensor([[1.0], [1.0], [0.0]]))
    assert scores.compute()["auroc"].item() == pytest.approx(pairs_in_order([1, 1, 0], [-9, 2, 1]))


def test_names() -> None:
    assert finding_names(["a", "b"], 2) == ["a", "b"]
    with pytest.raises(ValueError, match="network to have 3 outputs, one for each of the data's findings, got 2"):
        finding_names(["a", "b", "c"], 2)
    with pytest.raises(ValueError, match="names that differ when `/` is read as `-`"):
        finding_names(["a/b", "a-b"], 2)
