"""Whether a model answers each image by itself: if not, no gradient of a batch is the gradient of one image."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_spx.attribution.backward import differentiate
from lightning_spx.attribution.guards import Precision, explaining, module_of
from lightning_spx.attribution.logits import explained_logits
from lightning_spx.attribution.memory import is_out_of_memory
from lightning_spx.attribution.method import Model
from lightning_spx.attribution.naming import users_name

# By what part of the largest logit two answers to an image may differ before the gradient is asked, by precision
NOTICED: dict[Precision, float] = {"fp32": 1e-4, "bf16": 2e-2}
# and by what part among others and among copies, if the gradient tells of nothing, as of a detached statistic
DETACHED = 1e-3
# nor may they differ by less than this many times what two calls do
REPEATED = 10
IMAGES_ASKED = 4
BATCH_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
# what anybody's code raises for a batch of another size than it was written for
REFUSALS = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, MemoryError)


@dataclass(frozen=True)
class _Doubt:
    """Images of which the one at `row` was answered otherwise without the others."""

    row: int
    images: Tensor
    target: Tensor | None
    apart: Tensor
    largest: Tensor


class Neighbours:
    """Looks once in a stream of chunks whether the answer to an image depends on its neighbours in the batch.

    One image of the first chunk is evaluated alone, or, by a model that takes no batch of one, among copies of itself.
    If its logit differs by more than rounding, the gradient decides: that of an image's logit with respect to another
    image is zero exactly, in every precision, unless the one depends on the other.

    Args:
        model: Any callable to `(N, K)` or `(N,)`.
        precision: As the chunks are evaluated.
        at_once: Whether to refuse immediately, as on a CPU; else `finish` does, so that nothing waits for the device.

    Example:
        >>> images, model = torch.eye(2).view(2, 1, 1, 2), lambda x: (x - x.mean(0)).flatten(1)
        >>> Neighbours(model, "fp32", at_once=True).look(images, torch.tensor([0, 1]), torch.tensor([0.5, 0.5]))
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
        """Compare an answer with that to the image alone; after the first comparison, do nothing.

        Args:
            images: The chunk `(n, C, H, W)`.
            target: Of the chunk, `(n,)` or None.
            logits: Its explained logits, `(n,)`.

        Raises:
            ValueError: If the answer depends on the rest of the chunk.
        """
        if self._looked:
            return
        if len(images) > 1:
            # where there are more than two it is neither the first nor the last, as a dependence may have a direction
            place = len(images) // 2
            start = max(0, place - IMAGES_ASKED // 2)
            here = slice(start, start + IMAGES_ASKED)
            few = images[here].clone(), None if target is None else target[here]
            self._compare(place - start, *few, logits[place], logits)
        elif self._single is None:
            # nothing to depend on; another chunk of one may follow
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
        """Refuse now what was not refused at once.

        Raises:
            ValueError: If the answer depends on the rest of the chunk.
        """
        doubt, self._doubt = self._doubt, None
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
        """Return the explained logits, or None if the model takes no batch of this size."""
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
        # the same number of images, so that rounding, and what is drawn from torch's random numbers, is the same
        copies = _copies(row, images, doubt.target, len(images))
        once, again = self._answer(*copies), self._answer(*copies)
        if once is None or again is None:
            return False
        # a model that answers otherwise in each call is taken at its word
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
