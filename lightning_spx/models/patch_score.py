"""Makes a discriminator a model that can be explained: one score per image."""

from torch import Tensor, nn

Region = tuple[int, int, int, int]


class PatchScore(nn.Module):
    """Averages a discriminator's patch scores over all patches or a region of them, or takes a single one.

    Args:
        discriminator: maps images `(N, 3, H, W)` to patch scores `(N, 1, h, w)`.
        region: first row, first column, last row and last column of patches, counted from 0 and inclusive; for a single
            patch first and last are equal. None takes all patches.

    Raises:
        ValueError: if the region is empty.

    Example:
        >>> import torch
        >>> double = nn.Module()
        >>> double.forward = lambda images: 2 * images
        >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> PatchScore(double)(image).item(), PatchScore(double, region=(1, 0, 1, 0))(image).item()
        (5.0, 6.0)
    """

    def __init__(self, discriminator: nn.Module, region: Region | None = None) -> None:
        super().__init__()
        if region is not None and not (0 <= region[0] <= region[2] and 0 <= region[1] <= region[3]):
            raise ValueError(
                f"Expected `region` as first row, first column, last row, last column from 0, got {list(region)}."
            )
        self.discriminator = discriminator
        self.region = region

    def forward(self, images: Tensor) -> Tensor:
        """Return scores `(N,)` for images `(N, 3, H, W)` in [0, 1].

        Raises:
            ValueError: if the region exceeds the patches.
        """
        scores: Tensor = self.discriminator(images)
        if self.region is not None:
            top, left, bottom, right = self.region
            if bottom >= scores.shape[-2] or right >= scores.shape[-1]:
                raise ValueError(
                    f"Expected `region` within {scores.shape[-2]} x {scores.shape[-1]} patches, "
                    f"got {list(self.region)}."
                )
            scores = scores[..., top : bottom + 1, left : right + 1]
        return scores.flatten(1).mean(1)
