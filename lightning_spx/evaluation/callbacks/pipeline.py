"""The stages of an evaluation: images are chosen, restored, segmented, explained and compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import torch
from lightning import LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.evaluation.callbacks.agreement import (
    PREVIOUS,
    agreement_scalars,
    comparable,
    compare_with,
    localization,
)
from lightning_spx.evaluation.callbacks.chosen_images import ChosenImages, ImageChooser
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.callbacks.finding_names import name_targets
from lightning_spx.evaluation.callbacks.named_batch import name_batch
from lightning_spx.evaluation.callbacks.restored_images import restore
from lightning_spx.evaluation.callbacks.settings import Settings
from lightning_spx.evaluation.maps.model_maps import ModelMaps, explain_findings, explain_model
from lightning_spx.evaluation.maps.references import read_reference


@dataclass(frozen=True)
class Outcome:
    """What one evaluation found.

    Args:
        maps: maps of the evaluated model.
        others: maps of the models that it was compared with, by name.
        per_image: rows of `compare_with`; None if there was nothing to compare with.
        scalars: numbers by name, without the stage.
    """

    maps: ModelMaps
    others: Mapping[str, ModelMaps]
    per_image: pd.DataFrame | None
    scalars: Mapping[str, float]


@dataclass
class EvaluationPipeline:
    """Evaluates one module on the same images of one loader; segments and references' maps are computed once.

    Args:
        settings: of the callback.
        explained: the chosen images; None until they are chosen.
        check_labels: refuses labels without a logit of the module; None while their number is unknown.
        findings: names of the findings, once they are known; empty unless the module has several.
        image_name: the loader's name of the images, once it is known.
    """

    settings: Settings
    explained: ExplainedImages | None = None
    check_labels: Callable[[Tensor], None] | None = None
    findings: tuple[str, ...] = ()
    image_name: str | None = None
    _chooser: ImageChooser = field(init=False)
    _references: dict[str, ModelMaps] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without images."""
        # every process needs a chooser, even one that never sees a batch, because all processes choose together
        self._chooser = ImageChooser(self.settings.num_images)

    def look_at(self, batch: object) -> None:
        """Choose images from the next batch, during the first pass through the loader."""
        if self.explained is None:
            self._chooser.add(name_batch(batch, self.settings.batch_to_images, self.settings.head))

    def has_images(self) -> bool:
        """Segment the chosen images once; return False, with a warning, if there are too few of them."""
        if self.explained is not None:
            return True
        chosen = self._chooser.chosen()
        self._chooser = ImageChooser(self.settings.num_images)
        if chosen is None or len(chosen.images) < 2:
            count = 0 if chosen is None else len(chosen.images)
            rank_zero_warn(
                f"SaliencyEvaluator needs at least 2 images and its loader gave {count}: nothing is evaluated."
            )
            return False
        if chosen.num_other_sizes:
            rank_zero_warn(
                f"SaliencyEvaluator explains images of one size, {tuple(chosen.images.shape[2:])} as the first one's: "
                f"{chosen.num_other_sizes} of other sizes were skipped."
            )
        if self.check_labels is not None:
            self.check_labels(chosen.label)
        explained = self.segment(chosen, restore(chosen.images, self.settings.preprocess_layer()))
        if explained.num_explained() < 2:
            rank_zero_warn(
                "SaliencyEvaluator needs at least 2 images with a finding to explain, and of "
                f"{len(explained.images)} {explained.num_explained()} have one (`targets`): nothing is evaluated."
            )
            return False
        self.explained = explained
        return True

    def segment(self, chosen: ChosenImages, images: Tensor) -> ExplainedImages:
        """Segment the chosen images, restored to [0, 1], and note which findings are explained on them."""
        settings = self.settings
        explained = ExplainedImages.segment(
            chosen, images, settings.superpixels, settings.batch_size, settings.seed, settings.to_rgb, settings.head
        )
        if not self.findings:
            return explained
        return explained.with_findings(self.findings, name_targets(settings.targets, self.findings))

    def explain(
        self,
        module: LightningModule,
        methods: Mapping[str, Attribution],
        number: int,
        state: Mapping[str, Any] | None = None,
    ) -> ModelMaps | None:
        """Explain the images with a module; return None if its outputs or gradients are not finite.

        Args:
            module: on its device.
            methods: by their names.
            number: number of the explanation; it seeds the noise, after the numbers of the references.
            state: weights and buffers that replace the module's own.
        """
        return self._explain(module, methods, len(self.settings.checkpoints) + number, state)

    def _explain(
        self,
        module: LightningModule,
        methods: Mapping[str, Attribution],
        noise: int,
        state: Mapping[str, Any] | None,
    ) -> ModelMaps | None:
        if self.explained is None:
            raise RuntimeError("Expected the images to be chosen before they are explained.")
        model = self.settings.model(module, state, self.image_name)
        how = {"batch_size": self.settings.batch_size, "seed_offset": noise}
        if self.explained.findings:
            return explain_findings(
                model, methods, self.explained.images, self.explained.items, device=module.device, **how
            )
        label = self.explained.label if self.settings.target == "label" else None
        return explain_model(model, methods, self.explained.images, label, device=module.device, **how)

    def evaluate(
        self,
        module: LightningModule,
        methods: Mapping[str, Attribution],
        number: int,
        previous: ModelMaps | None,
        controls: bool = False,
    ) -> Outcome | None:
        """Explain the images with the module and compare its maps with the references' and its previous state's.

        Args:
            module: on its device.
            methods: by their names.
            number: of the evaluation.
            previous: maps of the module's previous state to compare with.
            controls: whether to compare the controls too.

        Returns:
            The outcome, or None if the module's outputs or gradients are not finite.
        """
        maps = self.explain(module, methods, number)
        if maps is None:
            rank_zero_warn("SaliencyEvaluator: an output or gradient of the model is NaN or infinite: not evaluated.")
            return None
        return self.compare(module, maps, methods, previous, controls)

    def compare(
        self,
        module: LightningModule,
        maps: ModelMaps,
        methods: Mapping[str, Attribution],
        previous: ModelMaps | None,
        controls: bool,
    ) -> Outcome:
        """Compare a module's maps with those of the references and of its previous state; see `evaluate`."""
        others = self._explain_references(module, methods)
        for name, other in others.items():
            _warn_of_itself(name, maps, other)
        if previous is not None:
            others[PREVIOUS] = previous
        return self.compare_with_others(others, maps, methods, controls)

    def compare_with_others(
        self, others: Mapping[str, ModelMaps], maps: ModelMaps, methods: Mapping[str, Attribution], controls: bool
    ) -> Outcome:
        """Compare a model's maps with those of other models, under the methods that both have."""
        if self.explained is None:
            raise RuntimeError("Expected the images to be chosen before their maps are compared.")
        frames = []
        for name, other in others.items():
            common = {key: method for key, method in methods.items() if key in other.attributions}
            if common and comparable(maps, other):
                frames.append(
                    compare_with(
                        maps,
                        {name: other},
                        common,
                        self.explained,
                        magnitude=self.settings.magnitude,
                        distance=self.settings.distance,
                        controls=controls,
                    )
                )
        per_image = pd.concat(frames, ignore_index=True) if frames else None
        scalars = localization(maps, list(methods), self.explained, self.settings.magnitude)
        if per_image is not None:
            scalars |= agreement_scalars(per_image)
        return Outcome(maps, others, per_image, scalars)

    def _explain_references(self, module: LightningModule, methods: Mapping[str, Attribution]) -> dict[str, ModelMaps]:
        """Return the maps of the references; each reference is explained once under each method."""
        for number, (name, checkpoint) in enumerate(self.settings.checkpoints.items()):
            known = self._references.get(name)
            missing = {key: m for key, m in methods.items() if known is None or key not in known.attributions}
            if not missing:
                continue
            maps = self._explain(module, missing, number, read_reference(checkpoint, module))
            if maps is None:
                raise ValueError(f"Expected finite outputs and gradients of the reference {checkpoint}, got others.")
            earlier = {} if known is None else known.attributions
            self._references[name] = replace(maps, attributions={**earlier, **maps.attributions})
        return dict(self._references)


def _warn_of_itself(name: str, maps: ModelMaps, other: ModelMaps) -> None:
    """Warn if a reference is the model itself, or differs only in weights that its file does not hold."""
    common = maps.attributions.keys() & other.attributions.keys()
    blank = not any(bool(maps.attributions[key].any()) for key in common)
    if common and not blank and all(torch.equal(maps.attributions[key], other.attributions[key]) for key in common):
        rank_zero_warn(
            f"SaliencyEvaluator: the maps of the reference {name} equal the model's own bit for bit: it has the "
            "same weights, or `forward` uses others that its file does not contain."
        )
