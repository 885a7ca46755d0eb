"""Checks that a model evaluates each image independently: else a batch does not give the gradient of one image."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_spx.attribution.backward import differentiate
from lightning_spx.attribution.guards import Precision, explaining
from lightning_spx.attribution.logits import explained_logits
from lightning_spx.attribution.memory import is_out_of_memory
from lightning_spx.attribution.method import Model
from lightning_spx.guard.layer_names import module_of, users_name
from lightning_spx.guard.passes import uncounted

# by precision: two logits of an image may differ by this fraction of the largest one before the gradient is checked
NOTICED: dict[Precision, float] = {"fp32": 1e-4, "bf16": 2e-2}
# the same with other images against with copies, when no gradient shows the dependence (a detached statistic)
DETACHED = 1e-3
# the difference must also exceed that of two identical calls by this factor
REPEATED = 10
IMAGES_ASKED = 4
BATCH_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
# a user's model may raise any of these for a batch of another size than it was written for
REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, MemoryError)


@dataclass(frozen=True)
class _Doubt:
    """A chunk whose image at `row` got another logit without the other images."""

    row: int
    images: Tensor
    target: Tensor | None
    apart: Tensor
    largest: Tensor


class Neighbors:
    """Checks once in a stream of chunks whether the logit of an image depends on its neighbors in the batch.

    One image of the first chunk is evaluated alone, or among copies of itself if the model takes no batch of one. If
    its logit differs by more than rounding, the gradient decides: the gradient of an image's logit with respect to
    another image is exactly zero in every precision, unless one depends on the other.

    Args:
        model: Any callable that returns `(N, K)` or `(N,)`.
        precision: The precision in which the chunks are evaluated.
        at_once: Whether to raise immediately, as on a CPU; otherwise `finish` raises, so that nothing waits for a GPU.

    Example:
        >>> images, model = torch.eye(2).view(2, 1, 1, 2), lambda x: (x - x.mean(0)).flatten(1)
        >>> Neighbors(model, "fp32", at_once=True).look(images, torch.tensor([0, 1]), torch.tensor([0.5, 0.5]))
        Traceback (most recent call last):
        ...
        ValueError: Expected <lambda> to answer each image by itself, got logits 0.5 apart ...
    """

    def __init__(self, model: Model, precision: Precision, at_once: bool) -> None:
        self._model = model
        self._precision: Precision = precision
        self._at_once = at_once
        self._looked = False
        self._single: tuple[Tensor, Tensor | None] | None = None
        self._doubt: _Doubt | None = None

    def look(self, images: Tensor, target: Tensor | None, logits: Tensor) -> None:
        """Compare a logit with the same image's logit alone; after the first comparison, do nothing.

        Args:
            images: The chunk `(n, C, H, W)`.
            target: The chunk's target, `(n,)` or None.
            logits: The chunk's explained logits, `(n,)`.

        Raises:
            ValueError: If the answer depends on the rest of the chunk.
        """
        if self._looked:
            return
        with uncounted():
            self._look(images, target, logits)

    def _look(self, images: Tensor, target: Tensor | None, logits: Tensor) -> None:
        if len(images) > 1:
            # in the middle, neither first nor last if there are more than two: the dependence may have a direction
            place = len(images) // 2
            start = max(0, place - IMAGES_ASKED // 2)
            here = slice(start, start + IMAGES_ASKED)
            few = images[here].clone(), None if target is None else target[here]
            self._compare(place - start, *few, logits[place], logits)
        elif self._single is None:
            # a single image depends on nothing; another chunk of one may follow
            self._single = images, target
        else:
            before, chosen = self._single
            pair = torch.cat([before, images])
            both = None if target is None or chosen is None else torch.cat([chosen, target])
            among = self._answer(pair, both)
            self._looked, self._single = True, None
            if among is not None:
                self._decide(_Doubt(1, pair, both, (among[1] - logits[0]).abs(), among.abs().max()))

    def finish(self) -> None:
        """Raise for what was found and not raised at once.

        Raises:
            ValueError: If the answer depends on the rest of the chunk.
        """
        doubt, self._doubt = self._doubt, None
        with uncounted():
            self._raise_for(doubt)

    def _raise_for(self, doubt: _Doubt | None) -> None:
        if doubt is None or bool(doubt.apart <= NOTICED[self._precision] * doubt.largest) or not self._depends(doubt):
            return
        raise ValueError(
            f"Expected {users_name(self._model)} to answer each image by itself, got logits {doubt.apart.item():.3g} "
            f"apart for one image with and without the others of the batch: {mixing(module_of(self._model))} makes "
            "every map one of the batch."
        )

    def _compare(self, row: int, images: Tensor, target: Tensor | None, among: Tensor, logits: Tensor) -> None:
        self._looked = True
        alone = self._answer(*_copies(row, images, target, 1))
        if alone is None:
            alone = self._answer(*_copies(row, images, target, len(logits)))
        if alone is not None:
            self._decide(_Doubt(row, images, target, (among - alone[0]).abs(), logits.abs().max()))

    def _decide(self, doubt: _Doubt) -> None:
        self._doubt = doubt
        if self._at_once:
            self.finish()

    def _answer(self, images: Tensor, target: Tensor | None) -> Tensor | None:
        """Return the explained logits, or None if the model does not accept a batch of this size."""
        try:
            with explaining(self._model, images.device, self._precision) as network, torch.no_grad():
                return explained_logits(network, images.clone(), target)
        except REFUSALS as error:
            if is_out_of_memory(error) and len(images) == 1:
                raise
            return None

    def _depends(self, doubt: _Doubt) -> bool:
        row, images = doubt.row, doubt.images
        with explaining(self._model, images.device, self._precision) as network:
            variable = images.clone().requires_grad_()
            logits = explained_logits(network, variable.clone(), doubt.target)
            gradient = differentiate(logits[row : row + 1], variable)
            gradient[row] = 0
            if bool(gradient.any()):
                return True
        # the same number of images, so that rounding and torch's random draws are the same
        copies = _copies(row, images, doubt.target, len(images))
        once, again = self._answer(*copies), self._answer(*copies)
        if once is None or again is None:
            return False
        # a model that is random in each call may differ as much as two calls do
        bound = max(float(DETACHED * doubt.largest), REPEATED * float((once[row] - again[row]).abs()))
        return float((logits[row] - once[row]).abs()) > bound


def mixing(module: nn.Module | None) -> str:
    """Name the layer that mixes the images of a batch, or say that there must be one.

    Example:
        >>> mixing(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)))
        '`0` (BatchNorm2d without running statistics)'
    """
    for name, part in () if module is None else module.named_modules():
        if isinstance(part, BATCH_NORMALISATIONS) and part.running_mean is None:
            return f"`{name}` ({type(part).__name__} without running statistics)"
    return "a statistic over the batch"


def _copies(row: int, images: Tensor, target: Tensor | None, number: int) -> tuple[Tensor, Tensor | None]:
    rows = [row] * number
    return images[rows], None if target is None else target[rows]
