"""One start of a stability study, for models of any kind: it opens the run and explains its share of the images."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import Logger

from lightning_spx.evaluation.maps.findings import Targets
from lightning_spx.evaluation.maps.shards import Shard
from lightning_spx.evaluation.stability.settings import StudySettings
from lightning_spx.evaluation.stability.study import Study
from lightning_spx.runs.blocks import study_name
from lightning_spx.runs.folder import RunFolder, default_folder, open_run_folder
from lightning_spx.runs.launch import Launch
from lightning_spx.runs.processes import is_writer, say, wait_for_all
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import important_settings


@dataclass(frozen=True)
class StudyStart:
    """What a start of a study is asked to do, before its models are known.

    Args:
        settings: the study's settings.
        num_images: number of images to explain.
        shards: the shards of these images.
        target: explain the label or each model's prediction.
        targets: which findings are explained if the images have findings.
        launch: which part of the work this start does.
        loggers: the Trainer's loggers.
        tables: print all tables at the end.
        out: run folder, or None for the default one.
        config: complete settings.
    """

    settings: StudySettings
    num_images: int
    shards: Sequence[Shard]
    target: Literal["label", "prediction"]
    targets: Targets
    launch: Launch
    loggers: Sequence[Logger]
    tables: bool
    out: str | None
    config: Mapping[str, Any]

    def open_run(self, dataset: str) -> RunFolder:
        """Create the run folder, or open an existing one to resume its run.

        Args:
            dataset: name of the data set, after which a default folder is named.

        Raises:
            ValueError: the folder holds a run of other settings, or another start works on it.
        """
        folder = Path(self.out) if self.out else default_folder("stability", dataset, self.config)
        return open_run_folder(folder, self.config, shared=self.launch.shares)

    def identity(self, fingerprint: str, other: Mapping[str, object]) -> dict[str, object]:
        """Return the plain values that must be the same at every start of a study.

        Args:
            fingerprint: fingerprint of the images.
            other: further facts, such as the hashes of weights.
        """
        return {"command": "stability", "seed": self.settings.seed, "fingerprint": fingerprint, **other}

    def open_record(self, run: RunFolder, identity: Mapping[str, object]) -> RunRecord:
        """Begin the run's record, or continue the one of an earlier start.

        Raises:
            ValueError: the earlier start had another identity.
        """
        return RunRecord.open(run, identity, shared=not self.launch.collects)

    def round_name(self, identity: Mapping[str, object], *weights: object) -> str:
        """Write the facts that a round's numbers depend on as one text, which is kept with the values."""
        return study_name(important_settings(self.config), identity, *weights)

    def explain(self, study: Study) -> bool:
        """Explain this start's shards, or hand them out, and return whether this process is to conclude the study.

        Only the writing process of a start that collects concludes it.
        """
        shards = range(len(study.shards))
        if study.missing(shards):
            study.record.concluded = False
        self.launch.hand_out(shards, lambda number: bool(study.missing([number])))
        own = self.launch.own(shards)
        with ExitStack() as locks:
            for number in own:
                locks.enter_context(study.run.claim(f"shard {number}"))
            study.explain(own)
        wait_for_all()
        if not self.launch.collects:
            left = len(study.missing(shards))
            then = f"{left} of {len(study.blocks())} blocks are left to others" if left else "all blocks are there"
            say(
                f"Unit {self.launch.unit} is done; {then}. "
                "The same command without `unit` does what is left, and collects."
            )
            return False
        study.run.take_alone()
        return is_writer()
