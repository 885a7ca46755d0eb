"""What the columns of a table are, and how their cells are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lightning_spx.data.table_labels import Uncertain, Unmentioned

Unlabelled = Literal["refuse", "skip"]


@dataclass(frozen=True)
class TableSettings:
    """What the columns of a table are, and how their cells are read; the arguments of `TableDataModule`.

    Raises:
        ValueError: a setting is out of its range, or contradicts another.
    """

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

    def __post_init__(self) -> None:
        """Check what does not need the table."""
        if isinstance(self.label, list) and not 0 < len(self.label) == len(set(self.label)):
            raise ValueError(f"Expected `label` to name columns, each once, got {self.label}.")
        if isinstance(self.box, list) and len(self.box) != 4:
            raise ValueError(f"Expected `box` to name four columns or one, got {self.box}.")
        if self.separator == "":
            raise ValueError("Expected `separator` to be what joins names, such as '|', got an empty text.")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ValueError(f"Expected `delimiter` to be one character, got {self.delimiter!r}.")
        if not 0 < self.test_fraction < 1:
            raise ValueError(f"Expected `test_fraction` to be in (0, 1), got {self.test_fraction}.")
        if self.has_findings and self.threshold is not None:
            raise ValueError("Expected `threshold` only with one column of numbers, got it with findings.")
        if isinstance(self.label, list) and self.separator is not None:
            raise ValueError("Expected `separator` only with one column of names, got it with several columns.")
        for name, value, known in (
            ("uncertain", self.uncertain, get_args(Uncertain)),
            ("unmentioned", self.unmentioned, get_args(Unmentioned)),
            ("unlabelled", self.unlabelled, get_args(Unlabelled)),
        ):
            if value not in known:
                raise ValueError(f"Expected `{name}` to be {' or '.join(map(repr, known))}, got {value!r}.")

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
