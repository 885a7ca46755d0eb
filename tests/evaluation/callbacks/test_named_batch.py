"""Which batches are recognized, which are refused, and that a refusal says what to set."""

from collections import OrderedDict
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_spx.evaluation.callbacks.named_batch import NamedBatch, describe, name_batch

IMAGES = torch.rand(4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
LABEL = torch.tensor([2, 0, 1, 0])
MASK = torch.rand(4, 6, 5, generator=torch.Generator().manual_seed(1)) > 0.5


class Pair(NamedTuple):
    pixels: Tensor
    answer: Tensor


RECOGNISED: dict[str, object] = {
    "dict": {"image": IMAGES, "label": LABEL},
    "other mapping": OrderedDict(label=LABEL, image=IMAGES),
    "dict with more": {"index": torch.arange(4), "image": IMAGES, "path": ["a", "b", "c", "d"], "label": LABEL},
    "tuple": (IMAGES, LABEL),
    "list": [IMAGES, LABEL],
    "named tuple": Pair(IMAGES, LABEL),
    "tuple with more": (IMAGES, LABEL, ["a", "b", "c", "d"], MASK),
    "labels in a column": (IMAGES, LABEL[:, None]),
    "small integers": (IMAGES, LABEL.to(torch.uint8)),
}


def assert_named(batch: NamedBatch, label: Tensor | None, mask: Tensor | None) -> None:
    for own, expected in ((batch.images, IMAGES), (batch.label, label), (batch.mask, mask)):
        if expected is None:
            assert own is None
        else:
            torch.testing.assert_close(own, expected, rtol=0, atol=0)  # types, too


@pytest.mark.parametrize("batch", RECOGNISED.values(), ids=list(RECOGNISED))
def test_images_and_labels_are_found(batch: object) -> None:
    assert_named(name_batch(batch), LABEL, None)


@pytest.mark.parametrize(
    "batch", [IMAGES, [IMAGES], (IMAGES,), {"image": IMAGES}], ids=["bare", "list", "tuple", "dict"]
)
def test_images_alone_are_found(batch: object) -> None:
    assert_named(name_batch(batch), None, None)


@pytest.mark.parametrize("answer", RECOGNISED.values(), ids=list(RECOGNISED))
def test_a_function_may_return_each_form(answer: object) -> None:
    assert_named(name_batch("anything", lambda _: answer), LABEL, None)


def test_a_function_may_return_images_alone() -> None:
    assert_named(name_batch((0, IMAGES), lambda batch: batch[1]), None, None)


@pytest.mark.parametrize(
    "mask",
    [MASK, MASK[:, None], MASK.long(), MASK.float(), MASK.to(torch.uint8) * 255, torch.where(MASK, 0.6, 0.4)],
    ids=["bool", "with a channel", "integers", "floats", "bytes", "shares"],
)
def test_a_mask_of_any_type_becomes_the_object(mask: Tensor) -> None:
    assert_named(name_batch({"image": IMAGES, "label": LABEL, "mask": mask}), LABEL, MASK)


def test_nothing_keeps_a_graph() -> None:
    images = IMAGES.clone().requires_grad_()
    named = name_batch({"image": images * 2, "mask": images[:, 0] * 2})
    assert named.mask is not None
    assert not named.images.requires_grad
    assert not named.mask.requires_grad


REFUSED_KINDS: dict[str, tuple[object, str]] = {
    "text": ("a batch", r"floating point images \(N, C, H, W\), got str"),
    "bytes": (b"a batch", r"images \(N, C, H, W\), got bytes"),
    "nothing": (None, "got NoneType"),
    "empty tuple": ((), r"got tuple\(\)"),
    "bytes as pixels": (
        (IMAGES.to(torch.uint8), LABEL),
        r"floating point images .*, got tuple\(uint8 \(4, 3, 6, 5\), int",
    ),
    "one image": ((IMAGES[0], LABEL[0]), r"got tuple\(float32 \(3, 6, 5\), int64 \(\)\)"),
    "no image": (
        {"pixels": IMAGES, "label": LABEL},
        r"got dict\(pixels: float32 \(4, 3, 6, 5\), label: int64 \(4,\)\)",
    ),
    "images of different sizes": (
        {"image": [IMAGES[0], IMAGES[0, :, 1:]], "label": LABEL},
        r"got dict\(image: list of 2",
    ),
    "pairs": ([(IMAGES[0], 1), (IMAGES[1], 0)], r"got list\(tuple of 2, tuple of 2\)"),
    "arrays": ((IMAGES.numpy(), LABEL.numpy()), r"got tuple\(ndarray float32 \(4, 3, 6, 5\), ndarray int64 \(4,\)\)"),
    "an array": (IMAGES.numpy(), r"got ndarray float32 \(4, 3, 6, 5\)"),
    "an object": (SimpleNamespace(image=IMAGES, label=LABEL), "got SimpleNamespace"),
    "labels first": (Pair(LABEL, IMAGES), r"got Pair\(int64 \(4,\), float32"),
    "one-hot": ((IMAGES, torch.eye(3)[LABEL]), r"integer labels \(N,\), got tuple\(.*, float32 \(4, 3\)\)"),
    "labels in a list": ((IMAGES, LABEL.tolist()), r"integer labels \(N,\), got tuple\(.*, list of 4\)"),
    "named labels": ({"image": IMAGES, "label": ["a"] * 4}, r"integer labels \(N,\), got dict\(.*label: list of 4\)"),
    "mask array": (
        {"image": IMAGES, "mask": MASK.numpy()},
        r"masks \(N, H, W\), got dict\(.*mask: ndarray bool \(4, 6, 5\)",
    ),
}
REFUSED_SHAPES: dict[str, tuple[object, str]] = {
    "few labels": ((IMAGES, LABEL[:3]), r"one label for each image, got tuple\(float32 \(4, 3, 6, 5\), int64 \(3,\)\)"),
    "labels in a square": ((IMAGES, LABEL.view(2, 2)), r"one label for each image, got .*int64 \(2, 2\)"),
    "labels in a row": ((IMAGES, LABEL[None]), r"one label for each image, got .*int64 \(1, 4\)"),
    "integer one-hot": ((IMAGES, torch.eye(3).long()[LABEL]), r"one label for each image, got .*int64 \(4, 3\)"),
    "smaller mask": (
        {"image": IMAGES, "mask": MASK[:, 1:]},
        r"masks of shape \(N, H, W\), got dict\(.*bool \(4, 5, 5\)",
    ),
    "few masks": ({"image": IMAGES, "mask": MASK[1:]}, r"masks of shape \(N, H, W\), got dict\(.*bool \(3, 6, 5\)"),
    "turned mask": ({"image": IMAGES, "mask": MASK.mT}, r"masks of shape \(N, H, W\), got dict\(.*bool \(4, 5, 6\)"),
    "masks last": ({"image": IMAGES, "mask": MASK.permute(1, 2, 0)}, r"masks of shape \(N, H, W\), got .*\(6, 5, 4\)"),
}
ADVICE = r".*\. Set `batch_to_images` of SaliencyEvaluator to a function from a batch to \(image, label\)"


@pytest.mark.parametrize(("batch", "message"), REFUSED_KINDS.values(), ids=list(REFUSED_KINDS))
def test_another_kind_is_described_with_what_to_set(batch: object, message: str) -> None:
    with pytest.raises(TypeError, match=f"Expected a batch of .*{message}{ADVICE}"):
        name_batch(batch)
    with pytest.raises(TypeError, match=f"Expected `batch_to_images` to return .*{message}{ADVICE}"):
        name_batch(IMAGES, lambda _: batch)


@pytest.mark.parametrize(("batch", "message"), REFUSED_SHAPES.values(), ids=list(REFUSED_SHAPES))
def test_shapes_that_do_not_fit_are_described_with_what_to_set(batch: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"Expected a batch of {message}{ADVICE}"):
        name_batch(batch)
    with pytest.raises(ValueError, match=f"Expected `batch_to_images` to return {message}{ADVICE}"):
        name_batch(IMAGES, lambda _: batch)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (IMAGES.half(), "float16 (4, 3, 6, 5)"),
        ([1, "two", {"three": 3}], "list(int, str, dict of 1)"),
        (list(range(7)), "list(int, int, int, int, int, int, ...)"),
        (dict.fromkeys("abcdefgh", 0), "dict(a: int, b: int, c: int, d: int, e: int, f: int, ...)"),
        (np.float64(2), "float64"),
    ],
)
def test_a_batch_is_described_briefly(parts: object, words: str) -> None:
    assert describe(parts) == words


def test_a_batch_that_would_be_recognized_is_given_to_the_function_all_the_same() -> None:
    assert_named(name_batch((IMAGES / 2, LABEL + 1), lambda batch: (2 * batch[0], batch[1] - 1)), LABEL, None)
