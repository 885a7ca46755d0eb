"""Refuses poolings that have no segments, where segments are needed."""

from lightning_spx.superpixels.image_pooling import ImagePooling
from lightning_spx.superpixels.segmenter import Segmenter


def refuse_filters(superpixels: object, place: str) -> None:
    """Refuse a filter in the place of a segmenter; what is neither of the two passes.

    Args:
        superpixels: What was given: one pooling or a list of them.
        place: What needs segments, for the message.

    Raises:
        TypeError: If one of them is a filter.

    Example:
        >>> from lightning_spx.superpixels import GuidedFilter, Slic
        >>> refuse_filters([Slic()], "`spx segment`")
        >>> refuse_filters(GuidedFilter(), "`spx segment`")
        Traceback (most recent call last):
        ...
        TypeError: Expected a segmenter for `spx segment`, got GuidedFilter, which is a filter: it has no segments. ...
    """
    for each in superpixels if isinstance(superpixels, list | tuple) else [superpixels]:
        if isinstance(each, ImagePooling) and not isinstance(each, Segmenter):
            raise TypeError(
                f"Expected a segmenter for {place}, got {type(each).__name__}, which is a filter: it has no segments. "
                "Choose Slic or another super-pixel algorithm."
            )
