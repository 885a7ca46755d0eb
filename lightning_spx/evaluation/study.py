"""What a study does for each repeat: every model explains the same images once, and every pair is compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import pandas as pd
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution
from lightning_spx.evaluation.blocks import Block
from lightning_spx.evaluation.comparison import Magnitude, StudyImages, compare
from lightning_spx.evaluation.drawn_images import DrawnImages
from lightning_spx.evaluation.examples import Examples, spread_positions
from lightning_spx.evaluation.localisation import localisation_file, localisation_values
from lightning_spx.evaluation.maps import explain, is_writer, predict
from lightning_spx.evaluation.members import Member
from lightning_spx.evaluation.names import reseed
from lightning_spx.evaluation.partitions import Partition, derangement, make_partitions, segment_images
from lightning_spx.evaluation.provenance import RunRecord
from lightning_spx.evaluation.run_folder import RunFolder, write_atomic
from lightning_spx.evaluation.sanity import sanity_file, sanity_values
from lightning_spx.metrics import Distance
from lightning_spx.superpixels import Segmenter


@dataclass(frozen=True)
class StudySettings:
    """What every kind of stability study is told.

    Args:
        methods: by their names in tables.
        segmenters: by their names in tables.
        magnitudes: orders of pooling and taking magnitudes.
        distances: of MeGe and ReCo.
        shared_noise: whether all models draw the same noise.
        batch_size: images at a time.
        device: of the models.
        seed: of the nulls and controls.
        sanity_stages: of the cascading randomisation; 0 for no sanity checks.
        num_resamples: of the bootstrap.
    """

    methods: Mapping[str, Attribution]
    segmenters: Mapping[str, Segmenter]
    magnitudes: Sequence[Magnitude]
    distances: Sequence[Distance]
    shared_noise: bool
    batch_size: int
    device: torch.device
    seed: int
    sanity_stages: int
    num_resamples: int


@dataclass
class Study:
    """A study with its images, and the segments that its repeats need only once.

    Args:
        run: receives the per-image values and the examples.
        record: receives the seconds of each stage.
        drawn: the images.
        settings: of the study.
        target: explain the label, each model's prediction, or the one output that each model has.
        threshold: between the two predictions of models with one output.
        localisation_setting: what rows of localisation have as their setting.
    """

    run: RunFolder
    record: RunRecord
    drawn: DrawnImages
    settings: StudySettings
    target: Literal["label", "prediction", "output"]
    threshold: float = 0.0
    localisation_setting: str = ""
    _segments: dict[str, Tensor] = field(default_factory=dict)
    _partitions: list[Partition] = field(default_factory=list)

    def explain_repeat(
        self, repeat: int, members: Sequence[Member], load: Callable[[Member], nn.Module], held_out: Tensor | None
    ) -> list[Block]:
        """Explain and compare the models of a repeat, method by method; a finished block is not done again.

        Args:
            repeat: its number.
            members: the models.
            load: gives a model, in evaluation mode; not called if nothing is left to do.
            held_out: (M, N) which model did not train on which image, or None if no model saw any.

        Returns:
            The repeat's blocks, all of them on disk.
        """
        blocks = [Block(repeat, name, len(members)) for name in self.settings.methods]
        missing = [block for block in blocks if self._is_missing(block)]
        if not missing:
            return blocks
        networks = {member: load(member).to(self.settings.device) for member in members}
        preds = torch.stack(
            [
                predict(network, self.drawn.images, self.settings.batch_size, self.settings.device, self.threshold)
                for network in networks.values()
            ]
        )
        permutation = derangement(len(self.drawn.images), self.settings.seed)
        images = StudyImages(self.drawn.index, self.drawn.label, preds, held_out, permutation)
        images.check_pairs()
        self.record.lap("predict")
        if not self._partitions:
            drawn = self.drawn
            self._segments = segment_images(
                self.settings.segmenters,
                drawn.images,
                self.settings.batch_size,
                self.settings.device,
                drawn.source,
                drawn.index,
            )
            self._partitions = make_partitions(self._segments, self.drawn.index, permutation, self.settings.seed)
            self.record.lap("segment")
        for block in missing:
            method = self.settings.methods[block.method]
            attributions = self._attributions(method, block.method, networks, preds)
            self.record.lap(f"explain {block.method}")
            values = compare(
                attributions,
                self._partitions,
                images,
                magnitudes=self.settings.magnitudes,
                distances=self.settings.distances,
                non_negative=method.non_negative,
                seed=self.settings.seed,
                model_offset=next(iter(networks)).number,
            )
            localised = self._localisation(method, block, attributions, images, next(iter(networks)).number)
            sanity = (
                self._sanity(method, block.method, networks, attributions, images)
                if self.settings.sanity_stages
                else None
            )
            if is_writer():
                # the others first: a block on disk says that all of its method's files are there
                if sanity is not None:
                    rows = sanity.assign(method=block.method, repeat=repeat)
                    write_atomic(sanity_file(self.run, repeat, block.method), partial(rows.to_parquet, index=False))
                if localised is not None:
                    rows = localised.assign(method=block.method, repeat=repeat)
                    path = localisation_file(self.run, repeat, block.method)
                    write_atomic(path, partial(rows.to_parquet, index=False))
                if repeat == 0:
                    self._examples(attributions).save(Examples.path(self.run, block.method))
                block.write(self.run, values)
            self.record.lap(f"compare {block.method}")
        return blocks

    def _is_missing(self, block: Block) -> bool:
        localised = self.drawn.mask is None or localisation_file(self.run, block.repeat, block.method).is_file()
        return block.is_missing(self.run) or not localised

    def _target(self, preds: Tensor) -> Tensor | None:
        """What a model with these predictions explains."""
        return None if self.target == "output" else self.drawn.label if self.target == "label" else preds

    def _localisation(
        self, method: Attribution, block: Block, attributions: Tensor, images: StudyImages, model_offset: int
    ) -> pd.DataFrame | None:
        """Measure where the maps lie, unless there are no masks or it is on disk."""
        if self.drawn.mask is None or localisation_file(self.run, block.repeat, block.method).is_file():
            return None
        return localisation_values(
            attributions,
            self._partitions,
            images,
            self.drawn.mask,
            magnitudes=self.settings.magnitudes,
            non_negative=method.non_negative,
            setting=self.localisation_setting,
            seed=self.settings.seed,
            model_offset=model_offset,
        )

    def _attributions(
        self, method: Attribution, name: str, networks: Mapping[Member, nn.Module], preds: Tensor
    ) -> Tensor:
        """Explain every image with every model: (M, N, 3, H, W), one gradient pass each, whatever is pooled later."""
        return torch.stack(
            [
                explain(
                    network,
                    method if self.settings.shared_noise else reseed(method, member.number),
                    self.drawn.images,
                    self._target(preds[position]),
                    batch_size=self.settings.batch_size,
                    device=self.settings.device,
                    description=f"{name}, {member.name}",
                )
                for position, (member, network) in enumerate(networks.items())
            ]
        )

    def _sanity(
        self,
        method: Attribution,
        name: str,
        networks: Mapping[Member, nn.Module],
        attributions: Tensor,
        images: StudyImages,
    ) -> pd.DataFrame:
        values = sanity_values(
            method,
            name,
            networks,
            attributions,
            self.drawn.images,
            [self._target(preds) for preds in images.preds],
            self._partitions,
            images,
            num_stages=self.settings.sanity_stages,
            magnitudes=self.settings.magnitudes,
            shared_noise=self.settings.shared_noise,
            batch_size=self.settings.batch_size,
            device=self.settings.device,
            seed=self.settings.seed,
        )
        self.record.lap(f"sanity {name}")
        return values

    def _examples(self, attributions: Tensor) -> Examples:
        chosen = spread_positions(len(self.drawn.images))
        segments = {name: segments[chosen] for name, segments in self._segments.items()}
        return Examples(self.drawn.images[chosen], segments, attributions[:, chosen])
