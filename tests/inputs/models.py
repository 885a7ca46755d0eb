"""Models that do not answer as a classifier does, and those that answer in another way each time."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# the first of the four images that is bright in its corner is the second
BRIGHT = 0.5
Answer = Callable[["Classifier", Tensor, Tensor], Any]


class Classifier(nn.Module):
    """Three logits, and then what becomes of them."""

    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            self.convolution = nn.Conv2d(3, 4, 3, padding=1)
            self.head = nn.Linear(4, 3)
        self.answer = answer
        self.calls = 0

    def forward(self, images: Tensor) -> object:
        logits = self.head(self.convolution(images).relu().mean((2, 3)))
        self.calls += 1
        return logits if self.answer is None else self.answer(self, logits, images)


def images() -> Tensor:
    drawn = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    drawn[:, 0, 0, 0] = torch.tensor([0.1, 0.9, 0.2, 0.3])
    return drawn


def raising(error: Exception) -> Answer:
    def answer(_: Classifier, __: Tensor, ___: Tensor) -> object:
        raise error

    return answer


# no logits (N, K) or (N,) at all, and the words that say so
WRONG: dict[str, Answer] = {
    "none": lambda _, logits, __: None,
    "a word": lambda _, logits, __: "cat",
    "a number": lambda _, logits, __: 0.5,
    "an array": lambda _, logits, __: logits.detach().numpy(),
    "a table of something else": lambda _, logits, __: {"scores": logits},
    "an empty tuple": lambda _, logits, __: (),
    "one number for all": lambda _, logits, __: logits.mean(),
    "one row for all": lambda _, logits, __: logits.mean(0, keepdim=True).expand(1, -1),
    "a row less": lambda _, logits, __: logits[:-1],
    "twice the rows": lambda _, logits, __: torch.cat([logits, logits]),
    "another axis": lambda _, logits, __: logits[..., None],
    "a map for each class": lambda _, logits, images: images,
    "no classes": lambda _, logits, __: logits[:, :0],
    "whole numbers": lambda _, logits, __: (logits * 100).long(),
    "truths": lambda _, logits, __: logits > 0,
    "complex": lambda _, logits, __: logits.to(torch.complex64),
}
# logits among other things: `predict`, the callback and `explain` take them out, methods and metrics want them alone
PACKED: dict[str, Answer] = {
    "a tuple": lambda _, logits, images: (logits, images),
    "a list": lambda _, logits, __: [logits],
    "a dict": lambda _, logits, __: {"logits": logits},
}
# which images have logits that are not finite
NOT_FINITE: dict[str, tuple[Answer, list[int]]] = {
    "NaN for one image": (lambda _, logits, x: logits.where(x[:, :1, 0, 0] < BRIGHT, math.nan), [1]),
    "infinity for one image": (lambda _, logits, x: logits.where(x[:, :1, 0, 0] < BRIGHT, math.inf), [1]),
    "NaN for all": (lambda _, logits, __: logits * math.nan, [0, 1, 2, 3]),
    "infinity for one class": (lambda _, logits, __: logits - torch.tensor([0, 0, math.inf]), [0, 1, 2, 3]),
    "too large for its type": (lambda _, logits, __: (logits + 9) * 1e38, [0, 1, 2, 3]),
}
NO_GRADIENT: dict[str, Answer] = {
    "cut off": lambda _, logits, __: logits.detach(),
    "a constant": lambda _, logits, __: torch.zeros_like(logits),
    "another leaf": lambda _, logits, images: torch.zeros(len(images), 3, requires_grad=True),
}
NAN_GRADIENT: Answer = lambda _, logits, images: logits + (images * 0).abs().sqrt().mean((2, 3))  # noqa: E731
# another answer in each call
CHANGING: dict[str, Answer] = {
    "a draw of torch": lambda _, logits, __: logits + torch.randn(1),
    "dropout that stays on": lambda _, logits, __: nn.functional.dropout(logits, 0.5, training=True),
    "a count of its calls": lambda self, logits, __: logits * (1 + self.calls),
    "noise on its input": lambda self, logits, images: self.head(
        images.add(torch.rand(1)).mean((2, 3)) @ torch.ones(3, 4)
    ),
    "another number of classes": lambda self, logits, __: logits if self.calls % 2 else logits[:, :2],
}
# errors of its own
RAISING: dict[str, Exception] = {
    kind.__name__: kind("boom")
    for kind in (ValueError, TypeError, KeyError, IndexError, RuntimeError, AssertionError, AttributeError, OSError)
}
# another precision is none
PRECISE: dict[str, Answer] = {
    "half precision": lambda _, logits, __: logits.half(),
    "bfloat16": lambda _, logits, __: logits.bfloat16(),
    "double precision": lambda _, logits, __: logits.double(),
}
