"""Photos and maps of a gallery, drawn from a seed."""

import numpy as np

from lightning_spx.reporting import Gallery, MethodMaps


def gallery(size: int = 8, photos: int = 2, models: int = 2, name: str = "IG", segmenter: str = "Slic") -> Gallery:
    draw = np.random.default_rng(0)
    ids = np.arange(size * size).reshape(size, size) // 3
    segments = np.stack([ids] * photos)
    values = draw.random((models, photos, ids.max() + 1)).astype(np.float32)
    return Gallery(
        photos=draw.random((photos, size, size, 3)).astype(np.float32),
        segments={segmenter: segments},
        maps={
            name: MethodMaps(
                draw.random((models, photos, size, size)).astype(np.float32), {(segmenter, "after"): values[..., ids]}
            )
        },
        models=[f"model {number}" for number in range(models)],
    )
