"""What the columns of a table are, and how their cells are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lightning_spx.data.table_labels import Uncertain, Unmentioned

Unlabelled = Literal["refuse", "skip"]


@dataclass(frozen=True)
class TableSettings:
    """What the columns of a table are, and how their cells are read; the arguments of `TableDataModule`."""

    table: Path
    root: Path
    path: str
    label: str | list[str]
    group: str | None
    split: str | None
    mask: str | None
    box: list[str] | str | None
    frame: str | None
    suffix: str
    columns: list[str] | None
    delimiter: str | None
    threshold: float | None
    separator: str | None
    no_finding: str | None
    uncertain: Uncertain
    unmentioned: Unmentioned
    unlabelled: Unlabelled
    test_fraction: float
    strict: bool

    @property
    def has_findings(self) -> bool:
        """Return whether an image has several labels."""
        return isinstance(self.label, list) or self.separator is not None

    def wanted(self) -> dict[str, list[str]]:
        """Return the columns that each setting names."""
        named = {
            **{"path": self.path, "label": self.label, "group": self.group, "split": self.split},
            **{"mask": self.mask, "box": self.box, "frame": self.frame},
        }
        return {setting: [name] if isinstance(name, str) else name for setting, name in named.items() if name}
