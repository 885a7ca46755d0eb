"""What a study does for each repeat: every model explains the same images once, and every pair is compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from lightning import LightningModule
from torch import Tensor

from lightning_spx.attribution import Attribution
from lightning_spx.data import Split
from lightning_spx.evaluation.blocks import Block
from lightning_spx.evaluation.comparison import Magnitude, StudyImages, compare
from lightning_spx.evaluation.drawn_images import DrawnImages
from lightning_spx.evaluation.examples import Examples, spread_positions
from lightning_spx.evaluation.maps import explain, is_writer, predict
from lightning_spx.evaluation.members import Member, ModelFactory, load_checkpoint
from lightning_spx.evaluation.names import reseed
from lightning_spx.evaluation.partitions import Partition, derangement, make_partitions, segment_images
from lightning_spx.evaluation.provenance import RunRecord
from lightning_spx.evaluation.run_folder import RunFolder, write_atomic
from lightning_spx.evaluation.sanity import sanity_file, sanity_values
from lightning_spx.metrics import Distance
from lightning_spx.superpixels import Segmenter


@dataclass
class Study:
    """The settings that the repeats of a study share, and the segments that they need only once.

    Args:
        run: receives the per-image values and the examples.
        record: receives the seconds of each stage.
        drawn: the images.
        methods: by their names in tables.
        segmenters: by their names in tables.
        magnitudes: orders of pooling and taking magnitudes.
        distances: of MeGe and ReCo.
        target: explain the label or each model's prediction.
        shared_noise: whether all models draw the same noise.
        batch_size: images at a time.
        device: of the models.
        seed: of the nulls and controls.
        sanity_stages: of the cascading randomisation; 0 for no sanity checks.
    """

    run: RunFolder
    record: RunRecord
    drawn: DrawnImages
    methods: Mapping[str, Attribution]
    segmenters: Mapping[str, Segmenter]
    magnitudes: Sequence[Magnitude]
    distances: Sequence[Distance]
    target: Literal["label", "prediction"]
    shared_noise: bool
    batch_size: int
    device: torch.device
    seed: int
    sanity_stages: int = 0
    _segments: dict[str, Tensor] = field(default_factory=dict)
    _partitions: list[Partition] = field(default_factory=list)

    def explain_repeat(
        self, repeat: int, checkpoints: Mapping[Member, Path], split: Split, model: ModelFactory
    ) -> list[Block]:
        """Explain and compare the models of a repeat, method by method; a finished block is not done again.

        Returns:
            The repeat's blocks, all of them on disk.
        """
        blocks = [Block(repeat, name, len(checkpoints)) for name in self.methods]
        missing = [block for block in blocks if block.is_missing(self.run)]
        if not missing:
            return blocks
        networks = {member: load_checkpoint(path, model).to(self.device) for member, path in checkpoints.items()}
        preds = torch.stack(
            [predict(network, self.drawn.images, self.batch_size, self.device) for network in networks.values()]
        )
        permutation = derangement(len(self.drawn.images), self.seed)
        images = StudyImages(
            self.drawn.index, self.drawn.label, preds, self.drawn.held_out(split, len(networks)), permutation
        )
        images.check_pairs()
        self.record.lap("predict")
        if not self._partitions:
            self._segments = segment_images(self.segmenters, self.drawn.images, self.batch_size)
            self._partitions = make_partitions(self._segments, self.drawn.index, permutation, self.seed)
            self.record.lap("segment")
        for block in missing:
            method = self.methods[block.method]
            attributions = self._attributions(method, block.method, networks, preds)
            self.record.lap(f"explain {block.method}")
            values = compare(
                attributions,
                self._partitions,
                images,
                magnitudes=self.magnitudes,
                distances=self.distances,
                non_negative=method.non_negative,
                seed=self.seed,
                model_offset=next(iter(networks)).number,
            )
            sanity = self._sanity(method, block.method, networks, attributions, images) if self.sanity_stages else None
            if is_writer():
                # the others first: a block on disk says that all of its method's files are there
                if sanity is not None:
                    rows = sanity.assign(method=block.method, repeat=repeat)
                    write_atomic(sanity_file(self.run, repeat, block.method), partial(rows.to_parquet, index=False))
                if repeat == 0:
                    self._examples(attributions).save(Examples.path(self.run, block.method))
                block.write(self.run, values)
            self.record.lap(f"compare {block.method}")
        return blocks

    def _attributions(
        self, method: Attribution, name: str, networks: Mapping[Member, LightningModule], preds: Tensor
    ) -> Tensor:
        """Explain every image with every model: (M, N, 3, H, W), one gradient pass each, whatever is pooled later."""
        return torch.stack(
            [
                explain(
                    network,
                    method if self.shared_noise else reseed(method, member.number),
                    self.drawn.images,
                    self.drawn.label if self.target == "label" else preds[position],
                    batch_size=self.batch_size,
                    device=self.device,
                    description=f"{name}, {member.name}",
                )
                for position, (member, network) in enumerate(networks.items())
            ]
        )

    def _sanity(
        self,
        method: Attribution,
        name: str,
        networks: Mapping[Member, LightningModule],
        attributions: Tensor,
        images: StudyImages,
    ) -> pd.DataFrame:
        values = sanity_values(
            method,
            name,
            networks,
            attributions,
            self.drawn.images,
            [self.drawn.label if self.target == "label" else preds for preds in images.preds],
            self._partitions,
            images,
            num_stages=self.sanity_stages,
            magnitudes=self.magnitudes,
            shared_noise=self.shared_noise,
            batch_size=self.batch_size,
            device=self.device,
            seed=self.seed,
        )
        self.record.lap(f"sanity {name}")
        return values

    def _examples(self, attributions: Tensor) -> Examples:
        chosen = spread_positions(len(self.drawn.images))
        segments = {name: segments[chosen] for name, segments in self._segments.items()}
        return Examples(self.drawn.images[chosen], segments, attributions[:, chosen])
