"""Makes any attribution class of captum a method with this package's guarantees."""

import pickle
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from lightning_spx.attribution.alone import Neighbors
from lightning_spx.attribution.chunks import check_chunk_size, collected, in_chunks, one_each
from lightning_spx.attribution.conservation import NONSENSE, TOLERANCE_IN_LOW_PRECISION, broken_promise
from lightning_spx.attribution.finite import require_finite
from lightning_spx.attribution.guards import Precision, check_precision, explaining
from lightning_spx.attribution.logits import answer, explained_logits
from lightning_spx.attribution.memory import is_out_of_memory
from lightning_spx.attribution.method import Attribution, Model, checked
from lightning_spx.attribution.noise import image_generators
from lightning_spx.attribution.targets import Target
from lightning_spx.guard.layer_names import users_name
from lightning_spx.guard.model_output import LogitsOnly
from lightning_spx.guard.passes import uncounted


@dataclass(frozen=True)
class FromCaptum(Attribution):
    """The attribution of a captum method; captum is imported only when one of its classes is named.

    Source: Kokhlikyan et al., Captum, arXiv 2020, and the papers of its methods.

    Args:
        method: A class of `captum.attr` that needs only the model, in YAML its import path, such as
            `captum.attr.DeepLift`; or a function that maps the model to such an object.
        arguments: Additional keyword arguments of its `attribute`, such as `{"n_steps": 20}`, or a `feature_mask` made
            by `superpixels.feature_mask` of the segments of the images to explain.
        seed: Needed if the method draws random numbers: it then explains each image alone, with random numbers that
            depend only on the seed and the image. None for methods that draw none.
        precision: "fp32", also inside mixed-precision training, or "bf16" for bfloat16 autocast.
        chunk_size: Images given to captum at once; None chooses by their size. The number is halved when memory runs
            out. captum's own `internal_batch_size` decides how many points it evaluates at once.

    Example:
        >>> class Twice:
        ...     def __init__(self, model): ...
        ...     def attribute(self, inputs, target): return 2 * inputs
        >>> FromCaptum(Twice).attribute(lambda x: x.flatten(1), torch.ones(1, 1, 1, 2), torch.tensor([1]))
        tensor([[[[2., 2.]]]])
    """

    method: type[Any] | Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict, hash=False)
    seed: int | None = None
    precision: Precision = "fp32"
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if not callable(self.method):
            raise TypeError(f"Expected `method` to be a class of captum.attr, got {self.method!r}.")
        check_precision(self.precision)
        check_chunk_size(self.chunk_size)

    @property
    def baseline(self) -> float | Tensor:
        """Return what captum compares an image with: a number or a tensor, by default 0."""
        baselines = self.arguments.get("baselines")
        # captum takes a tuple with one entry for each input of a model
        first = baselines[0] if isinstance(baselines, tuple) and baselines else baselines
        return first if isinstance(first, Tensor) else float(first or 0)

    def attribute(self, model: Model, inputs: Tensor, target: Target) -> Tensor:
        """Return what captum's `attribute` returns, `(N, C, H, W)`, float32.

        Raises:
            TypeError: If captum returns no tensor, and as in `Attribution.attribute`.
            ValueError: If captum cannot explain the model, a logit depends on the batch, the model writes to its input,
                the result has another shape, `seed` is missing, and as in `Attribution.attribute`. Also if the model
                raises a RuntimeError when captum calls it but not when it was called directly before; that error is
                the cause.
        """
        inputs, target = checked(inputs, target)
        masks = self.arguments.get("feature_mask")
        if self.seed is not None and isinstance(masks, Tensor) and masks.ndim == 4 and len(masks) == len(inputs) > 1:
            return self._each_with_its_mask(model, inputs, target, masks)
        alone = Neighbors(model, self.precision, at_once=True)
        first = True

        def evaluate(images: Tensor, chosen: Tensor | None) -> Tensor:
            nonlocal first
            # LRP changes weights in place and writes the old ones back
            with explaining(model, images.device, self.precision, parameters=True) as network, isolate_rng():
                copy = images.clone()
                version = copy._version
                with torch.no_grad():
                    logits = explained_logits(network, copy, chosen)
                if copy._version != version:
                    raise ValueError(
                        f"Expected {users_name(network)} to leave its input as it is for {self._name}, got one that "
                        "writes to it, as `x.sub_(mean)` does."
                    )
                with uncounted():
                    only_logits = isinstance(answer(network, images[:1].clone()), Tensor)
                network = network if only_logits else LogitsOnly(network)
                method, result = self._captum(network, images, chosen)
                if first:
                    with uncounted():
                        self._check_sum(method, network, images, chosen, result)
            alone.look(images, chosen, logits)
            first = False
            return result

        # captum draws random numbers for a whole batch, so images with their own numbers go one at a time
        chunk_size = self.chunk_size if self.seed is None else 1
        return collected(in_chunks(f"FromCaptum({self._name})", evaluate, one_each(inputs), target, chunk_size), inputs)

    def _each_with_its_mask(self, model: Model, inputs: Tensor, target: Tensor | None, masks: Tensor) -> Tensor:
        # images with their own random numbers go one at a time, and each needs the mask of its own segments
        results = []
        for number in range(len(inputs)):
            here = slice(number, number + 1)
            alone = replace(self, arguments={**self.arguments, "feature_mask": masks[here]})
            results.append(alone.attribute(model, inputs[here], None if target is None else target[here]))
        return torch.cat(results)

    @property
    def _name(self) -> str:
        return getattr(self.method, "__name__", repr(self.method))

    def _check_sum(self, method: object, network: Model, images: Tensor, target: Tensor | None, result: Tensor) -> None:
        least = TOLERANCE_IN_LOW_PRECISION if self.precision == "bf16" else 0.0
        broken = broken_promise(method, self.arguments, network, images, target, result, least)
        if broken is None:
            return
        said = f"Expected {self._name} to return {broken.text}: captum does not explain {users_name(network)} rightly."
        if broken.off > NONSENSE:
            raise ValueError(said)
        warnings.warn(said, stacklevel=2)

    def _captum(self, network: Model, images: Tensor, target: Tensor | None) -> tuple[object, Tensor]:
        if self.seed is not None:
            _seed_all(next(image_generators(images[:1], self.seed)).initial_seed())
        state = _random_state(images.device)
        # an inference tensor becomes an ordinary one by cloning it outside inference mode
        variable, chosen = (
            images.clone().requires_grad_(),
            None if target is None else target.to(images.device, copy=True),
        )
        try:
            method = self.method(network)
            result = method.attribute(variable, target=chosen, **self.arguments)
        except (RuntimeError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            raise ValueError(f"Expected {self._name} to explain the model, got: {error}") from error
        if self.seed is None and _random_state(images.device) != state:
            raise ValueError(f"Expected `seed` to be an int for {self._name}, which draws random numbers, got None.")
        if not isinstance(result, Tensor):
            raise TypeError(f"Expected {self._name} to return a tensor, got {type(result).__name__}.")
        if result.shape != images.shape:
            shapes = tuple(images.shape), tuple(result.shape)
            raise ValueError(f"Expected {self._name} to return the shape of the inputs {shapes[0]}, got {shapes[1]}.")
        require_finite(result, "attribution")
        return method, result.detach().float()


def _seed_all(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def _random_state(device: torch.device) -> bytes:
    states = [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])
    return pickle.dumps(([state.tolist() for state in states], np.random.get_state(), random.getstate()))
