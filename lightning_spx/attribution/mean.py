"""The mean of several methods, such as integrated gradients from several baselines."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_spx.attribution.finite import inside
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.targets import Target


@dataclass(frozen=True)
class MeanAttribution(Attribution):
    """The mean of the attributions of several methods.

    Source: Kapishnikov et al., XRAI: Better Attributions Through Regions, ICCV 2019, section 3.2: integrated gradients
    from a black and from a white baseline.

    Args:
        methods: The methods, at least one; each sets its own precision and chunk size.

    Raises:
        TypeError: If `methods` is no tuple or list of methods.
        ValueError: If there is none.

    Example:
        >>> from lightning_spx.attribution import IntegratedGradients
        >>> both = MeanAttribution((IntegratedGradients(2), IntegratedGradients(2, baseline=(1.0,))))
        >>> both.attribute(lambda x: 4 * x.flatten(1), torch.tensor([[[[0.25, 0.75]]]]), torch.tensor([1]))
        tensor([[[[0., 1.]]]])
    """

    methods: tuple[Attribution, ...]

    def __post_init__(self) -> None:
        """Check the settings."""
        given: object = self.methods
        if not isinstance(given, tuple | list) or not all(isinstance(each, Attribution) for each in given):
            raise TypeError(f"Expected `methods` to be a tuple of Attributions, such as (Gradient(),), got {given!r}.")
        if not given:
            raise ValueError("Expected `methods` to hold at least one Attribution, got none.")
        # a list, as from YAML, would not equal the same settings from Python
        object.__setattr__(self, "methods", tuple(self.methods))

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return the mean of what the methods return, `(N, C, H, W)`."""
        inputs, target = checked(inputs, target)
        total = torch.zeros_like(inputs, dtype=torch.float32)
        with inside("MeanAttribution"):
            for method in self.methods:
                total += method.attribute(model, inputs, target)
        return total / len(self.methods)
