"""Draws the README's picture from the folder of a finished demo: `python docs/draw_maps.py runs/stability-...`."""

import sys
from pathlib import Path

from PIL import Image

from lightning_spx.attribution import saliency_map
from lightning_spx.reporting import map_grid, outline_segments
from lightning_spx.runs.example_maps import Examples
from lightning_spx.superpixels import segment_pool

SHOWN = [0, 3, 5]

examples = Examples.load(Examples.path(Path(sys.argv[1]), "IntegratedGradients"))
images, segments = examples.images[SHOWN], next(iter(examples.segments.values()))[SHOWN]
first, second = examples.attributions[0, SHOWN], examples.attributions[1, SHOWN]
maps = [saliency_map(first), saliency_map(second)]
pooled = [saliency_map(segment_pool(each, segments)) for each in (first, second)]
columns = {
    "image": images,
    "model A": maps[0],
    "model B": maps[1],
    "disagreement |A - B|": (maps[0] - maps[1]).abs(),
    "super-pixels": outline_segments(images, segments),
    "model A, pooled": pooled[0],
    "model B, pooled": pooled[1],
    "disagreement, pooled": (pooled[0] - pooled[1]).abs(),
}
Image.fromarray(map_grid(columns)).save(Path(__file__).parent / "images" / "two_models.png", optimize=True)
