"""Which findings of which images are explained, and which map each is mismatched with."""

import numpy as np
import pytest
import torch

from lightning_spx.evaluation.maps.findings import Items, Targets, check_items, list_items
from lightning_spx.evaluation.maps.shards import Shard, derangement

NAMES = ["wing", "crest", "tail"]
NAN = float("nan")
LABEL = torch.tensor([[1, 0, NAN], [0, 0, 0], [1, 1, 0], [NAN, 0, 1], [1, 0, 0]])
PREDS = torch.tensor([[[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]] * 2)
PREDS[1, 0] = torch.tensor([0, 0, 1])


def pairs(items: Items) -> list[tuple[int, int]]:
    return list(zip(items.image.tolist(), items.finding.tolist(), strict=True))


def test_present_takes_the_findings_that_are_said_to_be_there() -> None:
    items = list_items(LABEL, PREDS, NAMES, "present")
    assert pairs(items) == [(0, 0), (2, 0), (2, 1), (3, 2), (4, 0)]
    assert items.explained is None
    assert len(items) == 5


def test_names_are_explained_on_every_image() -> None:
    items = list_items(LABEL, PREDS, NAMES, ["tail", "wing"])
    assert pairs(items) == [(image, finding) for image in range(5) for finding in (0, 2)]
    # what is not said equals no prediction
    assert items.labels(LABEL).tolist() == [1, -1, 0, 0, 1, 0, -1, 1, 1, 0]


def test_predicted_takes_what_any_model_predicts_and_says_which_does() -> None:
    items = list_items(LABEL, PREDS, NAMES, "predicted")
    assert pairs(items) == [(0, 0), (0, 2), (1, 1), (2, 0)]
    assert items.explained is not None
    assert items.explained.tolist() == [[True, False, True, True], [False, True, True, True]]
    assert items.of(PREDS).tolist() == items.explained.long().tolist()


@pytest.mark.parametrize("seed", range(5))
def test_an_item_is_mismatched_with_the_same_finding_of_another_image(seed: int) -> None:
    generator = np.random.default_rng(seed)
    label = torch.from_numpy((generator.random((20, 3)) < [0.7, 0.3, 0.1]).astype(np.float32))
    label[:2, 2], label[2:, 2] = torch.tensor([1.0, 0.0]), 0.0  # a finding of a single image
    items = list_items(label, torch.zeros(2, 20, 3, dtype=torch.long), NAMES, "present")
    permutation = derangement(20, seed)
    other = items.mismatched(permutation)
    image, finding = items.image.numpy(), items.finding.numpy()
    assert (image[other] != image).all()
    assert (finding[other] == finding)[finding != 2].all()
    assert (finding[other] != 2)[finding == 2].all()
    for number in (0, 1):
        # a derangement within the finding: each item stands in for exactly one
        own = np.flatnonzero(finding == number)
        assert sorted(other[own]) == own.tolist()
        # by hand: along the cycle, the first image that has the finding
        for item in own:
            then = permutation[image[item]]
            while label[then, number] != 1:
                then = permutation[then]
            assert image[other[item]] == then


def test_a_finding_of_every_image_is_mismatched_as_the_images_are() -> None:
    items = list_items(LABEL, PREDS, NAMES, ["crest"])
    permutation = derangement(5, 3)
    assert items.mismatched(permutation).tolist() == permutation.tolist()


def test_items_of_a_single_image_cannot_be_mismatched() -> None:
    items = Items(torch.tensor([1, 1]), torch.tensor([0, 1]), ("wing", "crest"))
    with pytest.raises(ValueError, match=r"Expected at least 2 images of a shard .* got 1: raise `shard_size`"):
        items.mismatched(derangement(4, 0))


@pytest.mark.parametrize(
    "targets",
    ["absent", [], ["beak"], ["wing", "wing"], ["wing", ""]],
    ids=["word", "none", "unknown", "twice", "empty"],
)
def test_other_targets_are_refused(targets: Targets) -> None:
    with pytest.raises(
        ValueError, match="Expected `targets` to be present, predicted or a list of findings among wing"
    ):
        list_items(LABEL, PREDS, NAMES, targets)


def test_findings_and_labels_that_do_not_fit_are_refused() -> None:
    for names in ([], ["wing", "wing"], ["wing", ""]):
        with pytest.raises(ValueError, match="Expected `findings` to be different names"):
            list_items(LABEL, PREDS, names, "present")
    with pytest.raises(ValueError, match=r"Expected labels of shape \(N, 2\), one for each finding, got \(5, 3\)"):
        list_items(LABEL, PREDS, NAMES[:2], "present")
    with pytest.raises(ValueError, match=r"labels of findings to be 0, 1 or NaN, got 0\.5"):
        list_items(LABEL.where(LABEL != 1, 0.5), PREDS, NAMES, "present")


def test_a_shard_without_two_images_to_explain_is_refused_before_the_study() -> None:
    shards = [Shard(0, np.array([0, 2]), np.array([1, 0])), Shard(1, np.array([1, 3, 4]), np.array([1, 2, 0]))]
    check_items(LABEL, shards, NAMES, "present")
    check_items(LABEL, shards, NAMES, "predicted")
    shards[1] = Shard(1, np.array([1, 3]), np.array([1, 0]))
    with pytest.raises(ValueError, match=r"Expected at least 2 images of shard 1 .* got 1 of 2: raise `shard_size`"):
        check_items(LABEL, shards, NAMES, "present")
    check_items(LABEL, shards, NAMES, ["wing"])
