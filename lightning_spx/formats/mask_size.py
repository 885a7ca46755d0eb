"""Compares the size that a file of masks states with that of its photo, before anything is decoded."""

from lightning_spx.formats.plane_size import check_size


def check_mask_size(found: tuple[int, int], size: tuple[int, int] | None) -> None:
    """Refuse a size that is not the photo's, or that is too large to be decoded.

    Args:
        found: height and width that the file states.
        size: height and width of the photo, upright; None where it is not known.

    Raises:
        ValueError: they differ; where one is the other turned, the message says so.

    Example:
        >>> check_mask_size((40, 30), (30, 40))
        Traceback (most recent call last):
        ...
        ValueError: it is for a photo of 30 x 40 pixels, got one of 40 x 30: the sides are exchanged, because ...
    """
    height, width = found
    check_size(width, height)
    if size is None or found == size:
        return
    advice = "masks are read for the photo as it was annotated, so give that photo."
    if found == size[::-1]:
        advice = (
            "the sides are exchanged, because the photo's EXIF data turns it and the tool did not: save the photo "
            "upright and annotate it, or turn the masks."
        )
    raise ValueError(f"it is for a photo of {width} x {height} pixels, got one of {size[1]} x {size[0]}: {advice}")
