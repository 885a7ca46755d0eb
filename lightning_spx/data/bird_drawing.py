"""Draws one picture of a bird: its parts, their colors and the background."""

import colorsys
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_spx.data.bird_attributes import COLORS, CREST, TAIL_BAND, WING_BAR, attribute_shape
from lightning_spx.data.bird_background import background
from lightning_spx.data.bird_parts import Plane, Point, ellipse, limb

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Anatomy:
    """Measures of a bird that looks to the right, in half lengths of its body; y points down.

    Args:
        body: radii of the body.
        tilt: angle of the body in radians; a negative angle lifts the breast.
        head: center and radius of the head.
        neck: radii of the neck at the breast and at the head.
        beak: length and half width of the beak.
        legs: length and half width of the legs.
        tail: end of the tail and its half width there.
        spread: largest extent from the middle, which determines the scale.
        middle: middle of the whole bird.
    """

    body: Point
    tilt: float
    head: tuple[float, float, float]
    neck: Point
    beak: Point
    legs: Point
    tail: tuple[float, float, float]
    spread: float
    middle: Point


SHAPES = {
    "songbird": Anatomy(
        body=(0.78, 0.54),
        tilt=-0.45,
        head=(0.58, -0.52, 0.36),
        neck=(0.42, 0.34),
        beak=(0.30, 0.11),
        legs=(0.42, 0.05),
        tail=(-1.30, 0.52, 0.15),
        spread=1.2,
        middle=(-0.1, 0.0),
    ),
    "wader": Anatomy(
        body=(0.68, 0.36),
        tilt=-0.2,
        head=(0.84, -0.98, 0.21),
        neck=(0.17, 0.12),
        beak=(0.62, 0.07),
        legs=(1.0, 0.05),
        tail=(-0.86, 0.22, 0.10),
        spread=1.35,
        middle=(0.25, 0.1),
    ),
}
HUES = {"red": 0.99, "blue": 0.60, "yellow": 0.14, "green": 0.36, "purple": 0.80}


def draw_bird(
    shape: str, color: str, size: int, generator: np.random.Generator, attributes: Collection[str] = ()
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a picture `(size, size, 3)` uint8 and the mask `(size, size)` of its bird.

    Args:
        shape: a key of `SHAPES`.
        color: a key of `HUES`.
        size: side in pixels.
        generator: decides pose, shade, light and background.
        attributes: those of `ATTRIBUTES` that the bird has; they do not change what else is drawn.

    Example:
        >>> image, mask = draw_bird("wader", "blue", 32, np.random.default_rng(0))
        >>> image.shape, bool(mask.any())
        ((32, 32, 3), True)
    """
    anatomy = SHAPES[shape]
    x, y, pixel = _bird_coordinates(anatomy, size, generator)
    picture = background(size, generator)
    mask = np.zeros((size, size), np.float32)
    for distance, paint in _parts(anatomy, x, y, _palette(color, generator), attributes):
        cover = np.clip(0.5 - distance / pixel, 0, 1)
        picture += cover[..., None] * (paint - picture)
        mask = np.maximum(mask, cover)
    light, shadow = generator.uniform(0.75, 1.15), generator.uniform(-0.2, 0.2)
    picture *= (light + shadow * np.linspace(-1, 1, size, dtype=np.float32))[:, None, None]
    picture += np.float32(generator.uniform(0.01, 0.05)) * generator.standard_normal(picture.shape, np.float32)
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8), mask >= 0.5


def _bird_coordinates(anatomy: Anatomy, size: int, generator: np.random.Generator) -> tuple[Plane, Plane, float]:
    """Return the bird's own coordinates of every pixel, and the width of a pixel in them."""
    scale = generator.uniform(0.5, 0.78) / anatomy.spread
    room = 1 - scale * anatomy.spread
    center_x, center_y = generator.uniform(-room, room, 2)
    angle = generator.uniform(-0.3, 0.3)
    facing = generator.choice((-1, 1))
    line = ((np.arange(size, dtype=np.float32) + 0.5) / size) * 2 - 1
    right, down = np.meshgrid((line - center_x) * facing / scale, (line - center_y) / scale)
    cos, sin = np.cos(angle), np.sin(angle)
    x = right * cos + down * sin + anatomy.middle[0]
    y = down * cos - right * sin + anatomy.middle[1]
    return x.astype(np.float32), y.astype(np.float32), 2 / (size * scale)


def _palette(color: str, generator: np.random.Generator) -> dict[str, Color]:
    """Return the colors of the parts: shades of one jittered hue, and other colors for bill and legs."""
    hue = (HUES[color] + generator.normal(0, 0.025)) % 1
    saturation, value = generator.uniform(0.45, 0.95), generator.uniform(0.5, 0.95)

    def shade(more_saturation: float, more_value: float) -> Color:
        return colorsys.hsv_to_rgb(hue, min(1, saturation * more_saturation), min(1, value * more_value))

    bill = colorsys.hsv_to_rgb(generator.uniform(0.05, 0.13), generator.uniform(0.2, 0.9), generator.uniform(0.3, 0.9))
    return {
        "body": shade(1, 1),
        "belly": shade(0.45, 1.25),
        "wing": shade(1.1, 0.62),
        "feather": shade(0.9, 0.85),
        "bill": bill,
        "legs": (0.3 * bill[0], 0.3 * bill[1], 0.3 * bill[2]),
        "eye": (0.05, 0.05, 0.05),
        "glint": (0.95, 0.95, 0.9),
    }


def _parts(
    anatomy: Anatomy, x: Plane, y: Plane, palette: dict[str, Color], attributes: Collection[str]
) -> list[tuple[Plane, Plane]]:
    """Return distance and color of each part, from the back to the front."""
    length, height = anatomy.body
    head_x, head_y, head_radius = anatomy.head
    tail_x, tail_y, tail_width = anatomy.tail
    beak_length, beak_width = anatomy.beak
    leg_length, leg_width = anatomy.legs
    breast = (0.45 * length, -0.15 - 0.3 * height)
    foot = height * 0.8 + leg_length

    legs = [
        limb(x, y, (start, height * 0.6), (start - 0.06, foot), (leg_width, leg_width)) for start in (-0.08, 0.16)
    ] + [limb(x, y, (start - 0.06, foot), (start + 0.14, foot), (leg_width, leg_width)) for start in (-0.08, 0.16)]
    body = ellipse(x, y, (0.0, 0.0), anatomy.body, anatomy.tilt)
    wing = ellipse(x, y, (-0.22 * length, 0.02), (0.68 * length, 0.5 * height), anatomy.tilt - 0.25)
    quills = ellipse(x, y, (-0.30 * length, 0.10 * height), (0.45 * length, 0.22 * height), anatomy.tilt - 0.3)
    belly = ellipse(x, y, (0.2 * length, 0.5 * height), (0.6 * length, 0.5 * height), anatomy.tilt)
    eye_x, eye_y, eye_radius = head_x + 0.3 * head_radius, head_y - 0.15 * head_radius, 0.26 * head_radius
    beak_start = (head_x + 0.75 * head_radius, head_y + 0.12 * head_radius)
    beak_end = (head_x + 0.85 * head_radius + beak_length, head_y + 0.3 * head_radius)

    def mark(attribute: str) -> list[tuple[Plane, str]]:
        return [(attribute_shape(attribute, anatomy, x, y), attribute)] if attribute in attributes else []

    painted = [
        *((leg, "legs") for leg in legs),
        (limb(x, y, (-0.4 * length, 0.1), (tail_x, tail_y), (0.2, tail_width)), "wing"),
        *mark(TAIL_BAND),
        *mark(CREST),
        (limb(x, y, beak_start, beak_end, (beak_width, 0.02)), "bill"),
        (body, "body"),
        (limb(x, y, breast, (head_x, head_y), anatomy.neck), "body"),
        (ellipse(x, y, (head_x, head_y), (head_radius, 0.94 * head_radius)), "body"),
        # the belly ends where the body does
        (np.maximum(belly, body), "belly"),
        (wing, "wing"),
        (np.maximum(quills, wing), "feather"),
        *mark(WING_BAR),
        (ellipse(x, y, (eye_x, eye_y), (1.35 * eye_radius, 1.35 * eye_radius)), "glint"),
        (ellipse(x, y, (eye_x, eye_y), (eye_radius, eye_radius)), "eye"),
    ]
    colors = {**palette, **COLORS}
    return [(distance, np.asarray(colors[name], np.float32)) for distance, name in painted]
