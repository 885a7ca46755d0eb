"""Finds problems that show only in all masks of a data set together, not in any single one."""

import warnings

import torch
from torch import Tensor


class MaskSurvey:
    """Counts masks as they are read, and warns of problems that no single mask shows.

    Example:
        >>> survey = MaskSurvey()
        >>> survey.add("jay.png", torch.ones(8, 8, dtype=torch.bool))
        >>> survey.said()
        ['In 1 masks ... as often as in the middle: if they are inverted, make the object 255 and all else 0.']
    """

    def __init__(self) -> None:
        self.num_masks = 0
        self.without: list[str] = []
        self.share = torch.zeros(())

    def add(self, name: str, mask: Tensor) -> None:
        """Count a mask `(S, S)` bool, as the models get it."""
        self.num_masks += 1
        self.share = self.share + mask.float()
        if not mask.any():
            self.without.append(name)

    def said(self) -> list[str]:
        """Return one line for each problem."""
        found = []
        if self.without:
            found.append(
                f"{len(self.without)} of {self.num_masks} masks have no object in the image, which is all background. "
                f"The first is that of {self.without[0]}."
            )
        if len(self.without) < self.num_masks:
            side = self.share.shape[-1]
            middle = self.share[side // 4 : -(side // 4), side // 4 : -(side // 4)]
            border = torch.cat([self.share[0], self.share[-1], self.share[:, 0], self.share[:, -1]])
            if border.mean() >= middle.mean():
                found.append(
                    f"In {self.num_masks} masks the object is at the border of the image as often as in the middle: "
                    "if they are inverted, make the object 255 and all else 0."
                )
        return found

    def warn(self) -> None:
        """Warn of each problem."""
        for line in self.said():
            warnings.warn(line, stacklevel=3)
