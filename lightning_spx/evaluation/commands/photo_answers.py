"""What one model says of the photos of `spx explain`: its outputs for all of them, its maps for some at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.finite import NonFiniteError
from lightning_spx.evaluation.commands.class_names import class_index
from lightning_spx.evaluation.maps.model_maps import REPEATED, check_repeatable, evaluate_and_explain, finite_logits
from lightning_spx.evaluation.maps.readings import are_given, predicted, probability_of
from lightning_spx.evaluation.training.named_networks import RAISED_BY_MODEL
from lightning_spx.evaluation.trials.channels import check_channels_fit
from lightning_spx.models.image_model import EitherClass, ImageModel
from lightning_spx.models.preprocess import check_gradient


@dataclass(frozen=True)
class ExplainedPhotos:
    """Some photos as a model explains them.

    Args:
        target: (n,) the explained class.
        probability: (n,) of that class; of a discriminator its score.
        attributions: (n, C, H, W) of each method, by its name.
    """

    target: Tensor
    probability: Tensor
    attributions: Mapping[str, Tensor]


@dataclass(frozen=True)
class PhotoAnswers:
    """A model with its outputs for all photos.

    Args:
        name: of the model.
        model: in evaluation mode.
        images: (N, C, S, S) in [0, 1].
        outputs: (N, K), or (N,) of a model with one output.
        given: whether the outputs are probabilities.
        batch_size: photos at a time.
    """

    name: str
    model: ImageModel
    images: Tensor
    outputs: Tensor
    given: bool
    batch_size: int

    @classmethod
    def ask(cls, name: str, model: ImageModel, images: Tensor, batch_size: int) -> Self:
        """Evaluate a model on all photos.

        Raises:
            ValueError: it takes no such photos, or an output is not finite.
        """
        check_channels_fit(model, images[:1])
        try:
            check_gradient(model.normalize, images[:1])
            finite_logits(model, images[:1])
            check_repeatable(model, images[:REPEATED])
            starts = range(0, len(images), batch_size)
            outputs = torch.cat([finite_logits(model, images[at : at + batch_size]) for at in starts])
        except NonFiniteError as error:
            raise ValueError(f"Expected finite outputs of {name} for every photo, got NaN or infinity.") from error
        except RAISED_BY_MODEL as error:
            side, kind = images.shape[-1], type(error).__name__
            raise ValueError(f"Expected {name} to take photos of `image_size` {side}, got {kind}: {error}") from error
        # all photos decide, as a single output may look like probabilities by chance; a score is none
        given = model.head != "scalar" and are_given(outputs, name)
        return cls(name, model, images, outputs, given, batch_size)

    def explain(
        self, here: slice, methods: Mapping[str, Attribution], target: str | None, classes: Sequence[str]
    ) -> ExplainedPhotos:
        """Explain some photos.

        Args:
            here: which.
            methods: by their names in tables.
            target: the class to explain, by its name or index; None explains each photo's prediction.
            classes: names of the classes; empty where they are not known.

        Raises:
            ValueError: there is no such class, `classes` are of another number, or a gradient is not finite.
        """
        images, outputs = self.images[here], self.outputs[here]
        num_classes = outputs.shape[1] if outputs.ndim == 2 else 2
        is_score = self.model.head == "scalar"
        if is_score and target is not None:
            raise ValueError(f"Expected no `target` for {self.name}, which gives one number, got {target}.")
        if classes and len(classes) != num_classes:
            raise ValueError(
                f"Expected `classes` to name the {num_classes} classes of {self.name}, got {len(classes)} names."
            )
        label = predicted(outputs, self.given)
        if target is not None:
            label = torch.full((len(images),), class_index(target, classes, num_classes))
        found = evaluate_and_explain(
            EitherClass(self.model) if outputs.ndim == 1 and not is_score else self.model,
            methods,
            images,
            None if is_score else label,
            batch_size=self.batch_size,
            device=torch.device("cpu"),
            seed_offset=0,
        )
        if found is None:
            raise ValueError(
                f"Expected finite outputs and gradients of {self.name} for every photo, got NaN or infinity."
            )
        # a score is not the logit of a probability
        probability = outputs if is_score else probability_of(outputs, label, self.given, self.model.head)
        return ExplainedPhotos(label, probability, found.attributions)
