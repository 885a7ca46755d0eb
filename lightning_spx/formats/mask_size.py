"""Compares the size that a file of masks states with that of its photo, before anything is decoded."""

MAX_SIDE = 20_000
# the limits of photos, which masks share
MAX_PIXELS = 2 * 89_478_485


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
    if min(found) < 1 or max(found) > MAX_SIDE or height * width > MAX_PIXELS:
        raise ValueError(
            f"it is for {width} x {height} pixels, and the limits are {MAX_SIDE} px a side and {MAX_PIXELS} in all."
        )
    if size is None or found == size:
        return
    advice = "masks are read for the photo as it was annotated, so give that photo."
    if found == size[::-1]:
        advice = (
            "the sides are exchanged, because the photo's EXIF data turns it and the tool did not: save the photo "
            "upright and annotate it, or turn the masks."
        )
    raise ValueError(f"it is for a photo of {width} x {height} pixels, got one of {size[1]} x {size[0]}: {advice}")
