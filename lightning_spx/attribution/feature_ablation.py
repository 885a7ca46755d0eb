"""Values of segments by feature ablation, as captum computes it."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lightning_spx.attribution.perturbation import Logit, Perturbation, number_of, of_segments


@dataclass(frozen=True)
class FeatureAblation(Perturbation):
    """The change of the logit when one segment is replaced, for each segment.

    It takes one forward pass of the image and one for each segment, and draws no random numbers.

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2, with
    segments in place of squares.

    Example:
        >>> import torch
        >>> image, segments = torch.tensor([[[[1.0, 2.0, 4.0]]]]), torch.tensor([[[[0, 0, 1]]]])
        >>> FeatureAblation().values(lambda x: x.sum((1, 2, 3)), image, torch.zeros_like(image), segments, at_once=2)
        tensor([3., 4.])
    """

    packages: ClassVar[tuple[str, ...]] = ("captum",)

    def values(self, logit: Logit, image: Tensor, baseline: Tensor, segments: Tensor, at_once: int) -> Tensor:
        """Return `logit(image)` minus the logit without the segment, `(S,)`."""
        import captum.attr

        number = number_of(segments)
        # captum repeats the image as often as it is told, however few segments there are
        spread = captum.attr.FeatureAblation(logit).attribute(
            image, baseline, feature_mask=segments, perturbations_per_eval=min(at_once, number)
        )
        return of_segments(spread, segments, number)
