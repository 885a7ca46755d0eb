"""Raises for NaN and infinity, naming method and images, without waiting for the device in every chunk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Check = Callable[[Tensor, str], None]


class NonFiniteError(ValueError):
    """A model's output or gradient is NaN or infinite.

    Args:
        method: Name of the attribution method.
        what: What is not finite, such as "model output".
        images: Positions of the images in the batch.
    """

    def __init__(self, method: str, what: str, images: list[int]) -> None:
        super().__init__(
            f"{method}: expected a finite {what}, got NaN or infinity for the images at positions {images}."
        )
        self.method = method
        self.what = what
        self.images = images


@contextmanager
def inside(method: str) -> Iterator[None]:
    """Let an error name the method that the user called and the one inside it.

    Example:
        >>> with inside("XRAI"):
        ...     raise NonFiniteError("Gradient", "gradient", [2])
        Traceback (most recent call last):
        lightning_spx.attribution.finite.NonFiniteError: XRAI(Gradient): expected a finite gradient, got NaN or ...
    """
    try:
        yield
    except NonFiniteError as error:
        raise NonFiniteError(f"{method}({error.method})", error.what, error.images) from None


def require_finite(values: Tensor, what: str) -> None:
    """Raise NonFiniteError with the rows of `values` `(N, ...)` that hold a NaN or an infinity."""
    # any NaN or infinity shows in the sum; because a sum may also overflow, each value is then checked
    if bool(values.sum().isfinite()):
        return
    finite = values.isfinite().flatten(1).all(dim=1)
    if not bool(finite.all()):
        raise NonFiniteError("attribution", what, torch.nonzero(~finite).flatten().tolist())


class FiniteCheck:
    """`require_finite` for the chunks of a stream; on a GPU the result is read once, when the stream ends.

    Reading it in every chunk would idle the GPU, which gets no new work while the program waits.

    Args:
        method: Name of the attribution method, for messages.
        at_once: Whether to raise immediately, as on a CPU, where it costs nothing.

    Example:
        >>> check = FiniteCheck("Gradient", at_once=False)
        >>> check(torch.tensor([[1.0], [torch.nan]]), "gradient")
        >>> check.belongs_to([7, 8])
        >>> try:
        ...     check.finish()
        ... except NonFiniteError as error:
        ...     error.what, error.images
        ('gradient', [8])
    """

    def __init__(self, method: str, at_once: bool) -> None:
        self.method = method
        self.at_once = at_once
        self._chunk: list[tuple[str, Tensor]] = []
        self._stream: list[tuple[str, list[int], Tensor]] = []

    def __call__(self, values: Tensor, what: str) -> None:
        """Check the rows of a chunk `(n, ...)`, now or later."""
        if self.at_once:
            require_finite(values, what)
        else:
            self._chunk.append((what, values.isfinite().flatten(1).all(dim=1)))

    def belongs_to(self, images: list[int]) -> None:
        """Say which images the rows checked since the last call belong to; none for an attempt that failed."""
        self._stream += [(what, images, finite) for what, finite in self._chunk if images]
        self._chunk = []

    def finish(self) -> None:
        """Look at what is left.

        Raises:
            NonFiniteError: If a row is not finite; it names the first kind of value that is not, with all its images.
        """
        if not self._stream:
            return
        finite = torch.cat([flags for _, _, flags in self._stream]).tolist()
        origin = [(what, image) for what, images, _ in self._stream for image in images]
        broken = [place for place, good in zip(origin, finite, strict=True) if not good]
        self._stream = []
        if broken:
            first = broken[0][0]
            raise NonFiniteError(self.method, first, sorted({image for what, image in broken if what == first}))
