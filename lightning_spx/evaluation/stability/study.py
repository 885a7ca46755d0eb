"""Runs each round of a study: every model explains the same images once, and every pair of a round is compared.

Images are worked on in shards that do not depend on one another. So memory holds one shard, however many images there
are, and any process on any machine can take any shard.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Literal

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from lightning_spx.attribution.reseed import is_random
from lightning_spx.evaluation.maps.attributions import predict, predict_findings
from lightning_spx.evaluation.maps.findings import Targets, check_items, list_items
from lightning_spx.evaluation.maps.model_free import baselines_of
from lightning_spx.evaluation.maps.pooling_lists import make_poolings, reference_poolings
from lightning_spx.evaluation.maps.sampled_images import SampledImages
from lightning_spx.evaluation.maps.segmented_images import SegmentedImages
from lightning_spx.evaluation.maps.shards import Shard
from lightning_spx.evaluation.maps.ways import has_one_order, num_maps, ways_of
from lightning_spx.evaluation.stability.explaining import Explaining
from lightning_spx.evaluation.stability.rounds import Round
from lightning_spx.evaluation.stability.seen_maps import (
    ModelMaps,
    SeenMaps,
    checked_for_sanity,
    compared,
    localized,
    maps_of_model,
)
from lightning_spx.evaluation.stability.settings import StudySettings
from lightning_spx.evaluation.stability.shard_images import ShardImages
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.residuals import References
from lightning_spx.evaluation.training.study_models import StudyModel
from lightning_spx.runs.blocks import Block
from lightning_spx.runs.example_maps import Examples
from lightning_spx.runs.folder import RunFolder
from lightning_spx.runs.processes import is_writer, num_processes, process_number
from lightning_spx.runs.record import RunRecord


@dataclass
class Study:
    """A study with its images and models.

    Args:
        run: receives the per-image values and the examples.
        record: receives the seconds of each stage.
        drawn: the images.
        shards: the shards of these images.
        rounds: the rounds, plan after plan and repeat after repeat.
        settings: the study's settings.
        target: explain the label, each model's prediction, or the one output that each model has; of no effect if the
            images have findings.
        threshold: for models with one output; outputs above it mean class 1, all others class 0.
        localization_setting: entry of the localization rows in the column `setting`.
        targets: if the images have findings, which of them models explain: those that an image has (`present`), those
            that a model predicts (`predicted`), or these on every image. Two models are compared on a finding under
            `predicted` if both predict it.

    Raises:
        ValueError: targets do not fit the images' findings, or a shard has fewer than two images to explain.
    """

    run: RunFolder
    record: RunRecord
    drawn: SampledImages
    shards: Sequence[Shard]
    rounds: Sequence[Round]
    settings: StudySettings
    target: Literal["label", "prediction", "output"]
    threshold: float = 0.0
    localization_setting: str = ""
    targets: Targets = "present"
    _latest: dict[int, ShardImages] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the targets."""
        if self.drawn.findings:
            check_items(
                self.drawn.labels(torch.arange(len(self.drawn))), self.shards, self.drawn.findings, self.targets
            )
        elif self.targets != "present":
            raise ValueError(f"Expected `targets` with data that have findings, got {self.targets} for classes.")

    def blocks(self) -> list[Block]:
        """List all blocks, method by method in each round."""
        several = len({each.plan for each in self.rounds}) > 1
        return [
            Block(each.repeat, shard.number, method, each.plan if several else "")
            for each in self.rounds
            for method in self.settings.methods
            for shard in self.shards
        ]

    def round_of(self, block: Block) -> Round:
        """Return the round that a block belongs to."""
        return next(each for each in self.rounds if each.repeat == block.repeat and block.plan in ("", each.plan))

    def missing(self, shards: Sequence[int]) -> list[Block]:
        """List the blocks of some shards, given by number, that have yet to be made."""
        wanted = set(shards)
        return [block for block in self.blocks() if block.shard in wanted and block.is_missing(self.run)]

    def explain(self, shards: Sequence[int]) -> None:
        """Explain and compare the models on some shards, divided among the processes; finished blocks are kept."""
        methods = list(self.settings.methods)
        blocks = sorted(
            self.missing(shards[process_number() :: num_processes()]),
            key=lambda block: (block.repeat, block.shard, methods.index(block.method)),
        )
        with _progress() as progress:
            task = progress.add_task("explain", total=self._num_explained(blocks))
            for repeat, own in groupby(blocks, key=attrgetter("repeat")):
                # all of them, so that what one plan's models explain does not depend on which blocks are missing
                rounds = [each for each in self.rounds if each.repeat == repeat]
                loads = {member: each.load for each in rounds for member in each.members}
                networks = {member: load(member).to(self.settings.device) for member, load in loads.items()}
                for number, of_shard in groupby(own, key=attrgetter("shard")):
                    advance = partial(progress.advance, task)
                    self._explain_shard(self.shards[number], list(of_shard), networks, advance)
                    self.record.save()

    def _num_explained(self, blocks: Sequence[Block]) -> int:
        """Return how many maps the blocks take: a model explains a shard once, however many plans it serves."""
        of_blocks = [(block, member) for block in blocks for member in self.round_of(block).members]
        once = {(block.shard, block.method, member) for block, member in of_blocks}
        explained = [(shard, method) for shard, method, _ in once]
        explained += [(block.shard, block.method) for block, _ in of_blocks] * self.settings.sanity_stages
        methods = self.settings.methods
        count = sum(len(self.shards[shard].positions) * num_maps(methods[method]) for shard, method in explained)
        again = [shard for shard, method, _ in once if self._has_ceiling(method)]
        return count + sum(len(self.shards[shard].positions) for shard in again)

    def _has_ceiling(self, method: str) -> bool:
        return self.settings.ceiling and bool(is_random(self.settings.methods[method]))

    def _explain_shard(
        self,
        shard: Shard,
        blocks: Sequence[Block],
        networks: Mapping[StudyModel, nn.Module],
        advance: Callable[[float], object],
    ) -> None:
        here, models = self._read(shard), list(networks)
        rounds = [each for each in self.rounds if each.repeat == blocks[0].repeat]
        # several plans explain test images, which no model has seen
        known = self._facts(shard, here.images, networks, rounds[0].held_out)
        self.record.count("predict")
        for method, of_method in groupby(blocks, key=attrgetter("method")):
            ways = ways_of(self.settings.methods[method], here.poolings, here.segmented)
            attributions: dict[tuple[StudyModel, int], ModelMaps] = {}
            for block in of_method:
                members = self.round_of(block).members
                own = known if len(rounds) == 1 else known.of_models([models.index(member) for member in members])
                explaining = Explaining(self.settings, self.target, members, here.images, own, advance)
                seen = []
                for number, way in enumerate(ways):
                    for position, member in enumerate(members):
                        if (member, number) not in attributions:
                            # of a method's controls, nobody asks for the ceiling
                            attributions[member, number] = maps_of_model(
                                explaining, way, position, networks[member], number == 0 and self._has_ceiling(method)
                            )
                    of_members = [attributions[member, number] for member in members]
                    seen.append(SeenMaps.of(of_members, way, explaining))
                self.record.count(f"explain {method}")
                self._measure_block(block, here, {member: networks[member] for member in members}, own, seen)

    def _facts(
        self, shard: Shard, images: Tensor, networks: Mapping[StudyModel, nn.Module], held_out: Tensor | None
    ) -> ImageFacts:
        """Predict a shard's images with every model, and return what is known of them, or of their findings."""
        positions, findings = torch.from_numpy(shard.positions), self.drawn.findings
        index, label = self.drawn.index[positions], self.drawn.labels(positions)
        held_out = None if held_out is None else held_out[:, positions]
        size, device, numbers = self.settings.batch_size, self.settings.device, index.tolist()
        if findings:
            of_models = [
                predict_findings(network, images, len(findings), size, device, numbers) for network in networks.values()
            ]
            items = list_items(label, torch.stack(of_models), findings, self.targets)
            return ImageFacts.of_items(index, label, torch.stack(of_models), held_out, shard.permutation, items)
        preds = [predict(network, images, size, device, self.threshold, numbers) for network in networks.values()]
        return ImageFacts(index, label, torch.stack(preds), held_out, shard.permutation)

    def _measure_block(
        self,
        block: Block,
        here: ShardImages,
        networks: Mapping[StudyModel, nn.Module],
        known: ImageFacts,
        seen: Sequence[SeenMaps],
    ) -> None:
        """Compare the maps of one method on a shard, and write the block's files."""
        settings, study, environment = self.settings, self.round_of(block).name, self.record.environment
        numbered = {model.number: network for model, network in networks.items()}
        comparison = ComparisonSettings(
            magnitudes=settings.magnitudes,
            has_one_order=has_one_order(settings.methods[block.method]),
            seed=settings.seed,
            model_offset=next(iter(numbered)),
            ssim_presets=settings.ssim_presets,
            is_random=is_random(settings.methods[block.method]),
        )
        references = References.of(here.images, baselines_of(settings.methods[block.method]))
        values = compared(seen, known, comparison, settings.distances, references)
        # write `per_image` last: its presence says that all of the block's files exist
        if settings.sanity_stages:
            sanity = checked_for_sanity(seen, numbered, known, comparison, settings.sanity_stages)
            block.write(self.run, "sanity", sanity, study, environment)
            self.record.count(f"sanity {block.method}")
        if here.mask is not None:
            inside = localized(seen, known, here.mask, comparison, self.localization_setting)
            block.write(self.run, "localisation", inside, study, environment)
        if self.round_of(block) is self.rounds[0] and block.shard == 0:
            here.examples(seen[0].maps, seen[0].way.poolings, known.items, self.settings.to_rgb).save(
                Examples.path(self.run.path, block.method)
            )
        block.write(self.run, "per_image", values, study, environment)
        self.record.count(f"compare {block.method}")

    def _read(self, shard: Shard) -> ShardImages:
        """Read and segment the images of a shard, unless it is the one that was read last."""
        if shard.number not in self._latest:
            self._latest.clear()
            settings, index = self.settings, self.drawn.index[torch.from_numpy(shard.positions)]
            images, mask = self.drawn.read(shard.positions.tolist())
            segmented = SegmentedImages(
                images,
                index,
                shard.permutation,
                settings.seed,
                batch_size=settings.batch_size,
                device=settings.device,
                source=self.drawn.source,
                to_rgb=settings.to_rgb,
            )
            guides = segmented.guides(settings.superpixels)
            poolings = make_poolings(guides, index, shard.permutation, settings.seed)
            poolings += reference_poolings(images)
            self._latest[shard.number] = ShardImages(images, mask, poolings, segmented)
            self.record.count("segment")
        return self._latest[shard.number]


def _progress() -> Progress:
    """Return a bar with the number of finished images, times methods and models, and the time that is left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), transient=True, disable=not is_writer())
