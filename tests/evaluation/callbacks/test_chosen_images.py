"""Which images are chosen: the same in any batches and on any number of processes, spread over the classes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, distributed
from torch.utils.data import DistributedSampler, TensorDataset

from lightning_spx.evaluation.callbacks import chosen_images
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages, EvenPlaces, ImageChooser
from lightning_spx.evaluation.callbacks.named_batch import NamedBatch
from tests.processes import run_together

SORTED = torch.arange(10).repeat_interleave(50)


def numbered(count: int, size: int = 2) -> Tensor:
    """Images (count, 3, size, size) that hold their own number."""
    return torch.arange(count).view(-1, 1, 1, 1).expand(-1, 3, size, size).float()


def numbers(chosen: ChosenImages | None) -> list[int]:
    assert chosen is not None
    return [int(number) for number in chosen.images[:, 0, 0, 0]]


def pass_by(chooser: ImageChooser, images: Tensor, label: Tensor, batch_size: int, mask: Tensor | None = None) -> None:
    for start in range(0, len(images), batch_size):
        here = slice(start, start + batch_size)
        chooser.add(NamedBatch(images[here], label[here], None if mask is None else mask[here]))


def choose(label: Tensor, num_images: int, batch_size: int = 7, mask: Tensor | None = None) -> ChosenImages:
    chooser = ImageChooser(num_images)
    pass_by(chooser, numbered(len(label)), label, batch_size, mask)
    chosen = chooser.chosen()
    assert chosen is not None
    return chosen


def by_rounds(label: Sequence[int], num_images: int) -> list[int]:
    """The same choice, slowly: round after round, each class gives its next image, in the order of the images."""
    chosen: list[int] = []
    left = list(enumerate(label))
    while left and len(chosen) < num_images:
        given: set[int] = set()
        for place, own in list(left):
            if own not in given and len(chosen) < num_images:
                given.add(own)
                chosen.append(place)
                left.remove((place, own))
    return sorted(chosen)


def test_a_sorted_loader_gives_the_first_two_of_each_class_in_its_order() -> None:
    chosen = choose(SORTED, num_images=20)
    assert numbers(chosen) == sorted([*range(0, 500, 50), *range(1, 500, 50)])
    assert chosen.label.tolist() == [own for own in range(10) for _ in range(2)]
    assert chosen.label.dtype == torch.int64
    assert chosen.mask is None
    assert chosen.num_other_sizes == 0


def test_a_mixed_loader_gives_its_first_images() -> None:
    assert numbers(choose(torch.arange(30) % 5, num_images=10)) == list(range(10))


@pytest.mark.parametrize(
    ("label", "num_images", "expected"),
    [
        ([0, 0, 0, 1, 1, 1, 2, 2, 2], 4, [0, 1, 3, 6]),  # one is left over: the class that came first
        ([2, 2, 1, 1, 0, 0], 2, [0, 2]),  # more classes than images: those that came first
        ([0] * 6 + [1] + [2] * 3, 7, [0, 1, 2, 6, 7, 8, 9]),  # a small class gives all it has, the others fill up
        ([0, 0, 0, 0, 0], 3, [0, 1, 2]),
        ([0, 1, 0], 5, [0, 1, 2]),  # fewer than asked
        ([-1, -1, 7, 7], 2, [0, 2]),  # classes are names, not positions
    ],
)
def test_classes_give_alike_as_far_as_they_go(label: list[int], num_images: int, expected: list[int]) -> None:
    assert numbers(choose(torch.tensor(label), num_images)) == expected


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(LABELS, st.integers(1, 12), st.integers(1, 9))
def test_any_batch_size_gives_what_rounds_over_the_classes_give(label: list[int], num: int, batch_size: int) -> None:
    assert numbers(choose(torch.tensor(label), num, batch_size)) == by_rounds(label, num)


@settings(max_examples=150, deadline=None)
@given(LABELS, st.integers(1, 12), st.integers(2, 4))
def test_the_choice_from_each_share_holds_the_choice_from_all(label: list[int], num: int, num_shares: int) -> None:
    kept: list[int] = []
    for share in range(num_shares):
        even = EvenPlaces(num)
        for place in range(share, len(label), num_shares):
            even.offer(label[place], place)
        kept += even.places()
    even = EvenPlaces(num)
    for place in sorted(kept):
        even.offer(label[place], place)
    assert even.places() == by_rounds(label, num)


def test_masks_come_with_their_images() -> None:
    mask = torch.arange(500).view(-1, 1, 1).expand(-1, 2, 2) % 3 == 0
    chosen = choose(SORTED, 20, mask=mask)
    assert chosen.mask is not None
    torch.testing.assert_close(chosen.mask, mask[numbers(chosen)])


def test_masks_of_some_images_are_none() -> None:
    chooser = ImageChooser(4)
    chooser.add(NamedBatch(numbered(2), torch.tensor([0, 1]), torch.ones(2, 2, 2, dtype=torch.bool)))
    chooser.add(NamedBatch(numbered(4)[2:], torch.tensor([0, 1]), None))
    chosen = chooser.chosen()
    assert numbers(chosen) == [0, 1, 2, 3]
    assert chosen is not None
    assert chosen.mask is None


def test_images_of_other_sizes_are_passed_over_and_counted() -> None:
    chooser = ImageChooser(10)
    for count, size in ((3, 2), (4, 5), (2, 2), (1, 3)):
        chooser.add(NamedBatch(numbered(count, size) + 10 * size, torch.arange(count), None))
    chosen = chooser.chosen()
    assert numbers(chosen) == [20, 21, 22]  # the third batch repeats pictures of the first
    assert chosen is not None
    assert chosen.num_other_sizes == 5


def test_a_repeated_picture_is_chosen_once_with_its_first_label() -> None:
    images = numbered(3)[[0, 1, 0, 2, 1]]
    chooser = ImageChooser(5)
    pass_by(chooser, images, torch.tensor([4, 5, 6, 7, 5]), 2)
    chosen = chooser.chosen()
    assert numbers(chosen) == [0, 1, 2]
    assert chosen is not None
    assert chosen.label.tolist() == [4, 5, 7]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_images_keep_their_type(dtype: torch.dtype) -> None:
    chooser = ImageChooser(2)
    chooser.add(NamedBatch(numbered(3).to(dtype), torch.arange(3), None))
    chosen = chooser.chosen()
    assert numbers(chosen) == [0, 1]
    assert chosen is not None
    assert chosen.images.dtype == dtype


def test_it_works_in_inference_mode() -> None:
    with torch.inference_mode():
        assert numbers(choose(SORTED, 10)) == list(range(0, 500, 50))


def test_nothing_seen_is_nothing_chosen() -> None:
    assert ImageChooser(4).chosen() is None


def test_images_without_labels_are_refused() -> None:
    message = r"Expected a batch with labels, got images float32 \(2, 3, 2, 2\) alone\. Set `batch_to_images`"
    with pytest.raises(ValueError, match=message):
        ImageChooser(4).add(NamedBatch(numbered(2), None, None))


def test_no_image_keeps_its_batch_alive() -> None:
    chooser = ImageChooser(20)
    pass_by(chooser, numbered(500), SORTED, 100, torch.ones(500, 2, 2, dtype=torch.bool))
    assert len(chooser._candidates) == 20  # those that had to give way are gone
    for candidate in chooser._candidates.values():
        assert candidate.image.untyped_storage().nbytes() == 3 * 2 * 2 * 4
        assert candidate.mask is not None
        assert candidate.mask.untyped_storage().nbytes() == 2 * 2


def test_of_fifty_thousand_sorted_images_few_more_are_copied_than_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    label, copied = torch.arange(1000).repeat_interleave(50), 0
    clone = Tensor.clone

    def counted(image: Tensor) -> Tensor:
        nonlocal copied
        copied += 1
        return clone(image)

    monkeypatch.setattr(Tensor, "clone", counted)
    chosen = choose_by_number(label, num_images=2000, batch_size=64)
    assert Counter(chosen.label.tolist()) == Counter({own: 2 for own in range(1000)})
    # each class that is new takes the place of a picture of another one, and has the more pictures the fewer there are
    assert copied < len(label) // 5


def choose_by_number(label: Tensor, num_images: int, batch_size: int) -> ChosenImages:
    chooser = ImageChooser(num_images)
    pass_by(chooser, torch.arange(len(label)).view(-1, 1, 1, 1).float(), label, batch_size)
    chosen = chooser.chosen()
    assert chosen is not None
    return chosen


def share_of(rank: int, num_images: int, world: int = 2) -> list[int]:
    """The images that Lightning's sampler deals to a process, in order, with repeated ones if they are odd."""
    return list(DistributedSampler(TensorDataset(torch.empty(num_images)), world, rank, shuffle=False))


def on_processes(monkeypatch: pytest.MonkeyPatch, choosers: Sequence[ImageChooser]) -> list[ChosenImages | None]:
    """What each process gets when they all ask, without the processes."""
    gathered: list[object] = []

    def note(shares: list[object], own: object) -> None:
        gathered.append(own)
        shares[:] = [([], 0)] * len(shares)

    def give(shares: list[object], own: object) -> None:
        shares[:] = gathered

    monkeypatch.setattr(chosen_images, "num_processes", lambda: len(choosers))
    monkeypatch.setattr(distributed, "all_gather_object", note)
    assert all(chooser.chosen() is None for chooser in choosers)
    monkeypatch.setattr(distributed, "all_gather_object", give)
    return [chooser.chosen() for chooser in choosers]


@pytest.mark.parametrize("num_images", [1, 3, 7, 20, 31])
@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("order", ["sorted", "mixed", "unbalanced"])
def test_processes_choose_together_what_one_alone_chooses(
    monkeypatch: pytest.MonkeyPatch, num_images: int, world: int, order: str
) -> None:
    labels = {
        "sorted": torch.arange(5).repeat_interleave(7)[:31],
        "mixed": torch.arange(31) % 5,
        "unbalanced": (torch.arange(31) % 6 == 5).long(),
    }
    alone = numbers(choose(labels[order], num_images))
    choosers = []
    for rank in range(world):
        chooser = ImageChooser(num_images)
        here = share_of(rank, 31, world)
        pass_by(chooser, numbered(31)[here], labels[order][here], 3)
        choosers.append(chooser)
    for chosen in on_processes(monkeypatch, choosers):
        assert numbers(chosen) == alone
        assert chosen is not None
        assert chosen.label.tolist() == labels[order][alone].tolist()


def test_a_process_without_a_batch_gets_the_images_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    full, empty = ImageChooser(4), ImageChooser(4)
    pass_by(full, numbered(6), torch.arange(6) % 2, 4)
    assert [numbers(chosen) for chosen in on_processes(monkeypatch, [empty, full])] == [[0, 1, 2, 3]] * 2


def test_no_process_with_a_batch_is_nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_processes(monkeypatch, [ImageChooser(4), ImageChooser(4)]) == [None, None]


def test_other_sizes_of_all_processes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ImageChooser(4), ImageChooser(4)
    first.add(NamedBatch(numbered(2), torch.arange(2), None))
    first.add(NamedBatch(numbered(3, size=5), torch.arange(3), None))
    second.add(NamedBatch(numbered(1, size=4), torch.arange(1), None))
    for chosen in on_processes(monkeypatch, [first, second]):
        assert numbers(chosen) == [0, 1]
        assert chosen is not None
        assert chosen.num_other_sizes == 4


def choose_together(rank: int, folder: str) -> None:
    chooser = ImageChooser(6)
    here = share_of(rank, 15)
    pass_by(chooser, numbered(15)[here], (torch.arange(15) // 5)[here], 4)
    chosen = chooser.chosen()
    assert chosen is not None
    torch.save({"images": chosen.images, "label": chosen.label}, f"{folder}/{rank}.pt")


def test_two_real_processes_get_the_same_images(tmp_path: Path) -> None:
    run_together(choose_together, str(tmp_path))
    for rank in range(2):
        result = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert result["images"][:, 0, 0, 0].tolist() == [0, 1, 5, 6, 10, 11]
        assert result["label"].tolist() == [0, 0, 1, 1, 2, 2]
