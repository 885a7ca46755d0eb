"""Limits on the size of a picture, checked before it is decoded."""

MAX_SIDE = 20_000
# the limit from which Pillow refuses a decompression bomb; it warns from half of it
MAX_PIXELS = 2 * 89_478_485
# the shorter side is resized to that of a batch's images, so a strip would become far larger than its file
MAX_RATIO = 100


def check_size(width: int, height: int) -> None:
    """Raise a ValueError for a picture that is empty, too large or too long to be decoded.

    Example:
        >>> check_size(20_001, 300)
        Traceback (most recent call last):
        ...
        ValueError: it is 20001 x 300 pixels, and the limits are 20000 px a side, ...
    """
    longer, shorter = max(width, height), min(width, height)
    if shorter < 1 or longer > MAX_SIDE or width * height > MAX_PIXELS or longer > MAX_RATIO * shorter:
        raise ValueError(
            f"it is {width} x {height} pixels, and the limits are {MAX_SIDE} px a side, {MAX_PIXELS} px in all and an "
            f"aspect ratio of {MAX_RATIO}."
        )
