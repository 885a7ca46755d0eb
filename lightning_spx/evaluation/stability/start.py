"""One start of a stability study, whatever its models: the run that it opens, and what it explains of it."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import Logger

from lightning_spx.evaluation.maps.shards import Shard
from lightning_spx.evaluation.stability.study import Study, StudySettings
from lightning_spx.runs.blocks import study_name
from lightning_spx.runs.folder import RunFolder, default_folder, open_run_folder
from lightning_spx.runs.launch import Launch
from lightning_spx.runs.processes import is_writer, say, wait_for_all
from lightning_spx.runs.record import RunRecord
from lightning_spx.runs.settings import important_settings


@dataclass(frozen=True)
class StudyStart:
    """What a start of a study is asked for, before its models are known.

    Args:
        settings: of the study.
        num_images: that are explained.
        shards: of these images.
        target: explain the label or each model's prediction.
        launch: what of the work is done here.
        loggers: of the Trainer.
        out: run folder, or None for the default one.
        config: complete settings.
    """

    settings: StudySettings
    num_images: int
    shards: Sequence[Shard]
    target: Literal["label", "prediction"]
    launch: Launch
    loggers: Sequence[Logger]
    out: str | None
    config: Mapping[str, Any]

    def open_run(self, dataset: str) -> RunFolder:
        """Open the run folder, made anew or taken up again.

        Args:
            dataset: name of the data set, of which a default folder is named.

        Raises:
            ValueError: the folder holds a run of other settings, or another start works on it.
        """
        folder = Path(self.out) if self.out else default_folder("stability", dataset, self.config)
        return open_run_folder(folder, self.config, shared=self.launch.shares)

    def identity(self, fingerprint: str, other: Mapping[str, object]) -> dict[str, object]:
        """Return what must be the same at every start of a study, plain values.

        Args:
            fingerprint: of the images.
            other: facts, such as the hashes of weights.
        """
        return {"command": "stability", "seed": self.settings.seed, "fingerprint": fingerprint, **other}

    def open_record(self, run: RunFolder, identity: Mapping[str, object]) -> RunRecord:
        """Start the run's record, or go on with that of an earlier start.

        Raises:
            ValueError: the earlier start had another identity.
        """
        return RunRecord.open(run, identity, shared=not self.launch.collects)

    def round_name(self, identity: Mapping[str, object], *weights: object) -> str:
        """Write what the numbers of a round depend on as one text; it is kept with the values."""
        return study_name(important_settings(self.config), identity, *weights)

    def explain(self, study: Study) -> bool:
        """Explain what this start has to, or has to hand out, and say whether it is to conclude the study.

        The one process that writes concludes it, of a start that collects.
        """
        shards = range(len(study.shards))
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
