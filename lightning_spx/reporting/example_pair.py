"""Chooses the two maps that a page shows first: one photo, one method, two models."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightning_spx.reporting.gallery import Gallery, map_uri, photo_uri
from lightning_spx.reporting.rows import said_of


@dataclass(frozen=True)
class ExamplePair:
    """Two models' maps of one photo.

    Args:
        method: whose maps.
        said: what gives the maps their values, in words.
        pictures: captions of photo and maps, with their `data:` addresses.
        note: which photo it is, and how far its maps agree.
    """

    method: str
    said: str
    pictures: Sequence[tuple[str, str]]
    note: str


def example_pair(gallery: Gallery, sentence: str) -> ExamplePair | None:
    """Show the first two models' maps of the photo whose agreement is in the middle of all photos.

    Args:
        gallery: photos with maps.
        sentence: the first of the answer, which names the method to show; else the first method is shown.

    Returns:
        The maps; None if there are not two models, or no photo.

    Example:
        >>> from lightning_spx.reporting.gallery import MethodMaps
        >>> maps = MethodMaps(np.ones((2, 1, 4, 4), np.float32), {})
        >>> shown = Gallery(np.ones((1, 4, 4, 3), np.float32), {}, {"A": maps, "B": maps}, ["net", "other"])
        >>> pair = example_pair(shown, "Partly: B's maps agree.")
        >>> pair.method, pair.said, [caption for caption, _ in pair.pictures]
        ('B', 'by pixel', ['photo 1', 'net', 'other'])
    """
    if len(gallery.models) < 2 or not len(gallery.photos) or not gallery.maps:
        return None
    method = _named(list(gallery.maps), sentence)
    agreement = gallery.agreement_as_given(method)
    known = [] if agreement is None else [photo for photo in np.argsort(agreement) if not np.isnan(agreement[photo])]
    photo = int(known[len(known) // 2]) if known else 0
    note = ""
    if agreement is not None and known:
        pairs = "" if len(gallery.models) == 2 else f", as the mean over all pairs of {len(gallery.models)} models"
        note = f"SSIM {agreement[photo]:.2f}{pairs}: in the middle of the {len(known)} photos below."
    maps = gallery.maps[method].pixel
    pictures = [(f"photo {photo + 1}", photo_uri(gallery.photos[photo]))]
    pictures += [(name, map_uri(maps[model, photo])) for model, name in enumerate(gallery.models[:2])]
    return ExamplePair(method, said_of(gallery.maps[method].given), pictures, note)


def _named(methods: Sequence[str], sentence: str) -> str:
    """Return the method that a sentence names first; of two names that start together, the longer one."""
    places = {
        name: found.start() for name in methods if (found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sentence))
    }
    return min(places, key=lambda name: (places[name], -len(name)), default=methods[0])
