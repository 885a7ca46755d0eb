"""A history of translated images, which keeps a discriminator from forgetting its generator's older outputs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """Returns each new image, or an older one that it then replaces (Shrivastava et al., CVPR 2017).

    Args:
        size: number of images to keep; 0 always returns the new image.
        seed: seeds the draws, which do not depend on other random draws of the program.

    Raises:
        ValueError: if the size is negative.

    Example:
        >>> pool = ImagePool(size=2, seed=0)
        >>> pool.query(torch.tensor([[1.0], [2.0]])).tolist()  # the pool is filled first
        [[1.0], [2.0]]
        >>> set(pool.query(torch.tensor([[3.0]])).flatten().tolist()) <= {1.0, 2.0, 3.0}
        True
    """

    def __init__(self, size: int = 50, seed: int = 0) -> None:
        if size < 0:
            raise ValueError(f"Expected `size` to be at least 0, got {size}.")
        self.size = size
        self.images: list[Tensor] = []
        # NumPy's, because a torch generator cannot be sent to a spawned process together with tensors
        self.generator = np.random.default_rng(seed)

    def query(self, images: Tensor) -> Tensor:
        """Return as many images `(N, ...)`, detached; once the pool is full, half of them come from the pool."""
        chosen = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image.clone())
                chosen.append(image)
            elif self.size and self.generator.random() < 0.5:
                place = int(self.generator.integers(self.size))
                chosen.append(self.images[place].to(image))
                self.images[place] = image.clone()
            else:
                chosen.append(image)
        return torch.stack(chosen)

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint: tensors on the CPU, and plain values."""
        return {"images": [image.cpu() for image in self.images], "generator": self.generator.bit_generator.state}

    def load(self, state: dict[str, Any], device: torch.device) -> None:
        """Restore what `state` returned."""
        self.images = [image.to(device) for image in state["images"][: self.size]]
        self.generator.bit_generator.state = state["generator"]
