"""The answer of a study: the words that its console, page, loggers and `verdicts.json` share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

# stands beside the gain of a row that the answer does not confirm
DIFFERS = "gain*"
DIFFERS_NOTE = (
    "*: this row's own interval is above zero, but the answer does not confirm it:",
    "   it chooses rows on one half of the images, measures them on the other half,",
    "   and corrects for the number of methods",
)


@dataclass(frozen=True)
class Answer:
    """What a study answers, in plain words.

    Args:
        title: what was studied, in a line.
        sentences: the answer, the most important sentence first.
        models: a line about each model, above all its accuracy.
        warnings: why the answer may mean less than it seems to.
        notes: what the numbers are of, in the study's own words.
        unconfirmed: the methods whose gain the answer does not confirm, by metric, or by `plan/metric` in a study of
            several plans.

    Example:
        >>> answer = Answer("birds", ["No: it is chance."], unconfirmed={"mege": ["Gradient"]})
        >>> Answer.of(answer.content()) == answer
        True
    """

    title: str
    sentences: Sequence[str]
    models: Sequence[str] = field(default_factory=list)
    warnings: Sequence[str] = field(default_factory=list)
    notes: Sequence[str] = field(default_factory=list)
    unconfirmed: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def content(self) -> dict[str, object]:
        """Return the answer as plain values, for a file."""
        return {
            "title": self.title,
            "verdicts": list(self.sentences),
            "models": list(self.models),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "unconfirmed": {metric: list(methods) for metric, methods in self.unconfirmed.items()},
        }

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Read the plain values of `content`, or of an earlier version, which had only title and verdicts.

        Raises:
            ValueError: a part has another type.
        """
        title, unconfirmed = content.get("title"), content.get("unconfirmed", {})
        if not isinstance(title, str) or not isinstance(unconfirmed, Mapping) or "verdicts" not in content:
            raise ValueError("Expected a `title`, `verdicts`, and `unconfirmed` names by metric, got others.")
        return cls(
            title,
            sentences=_texts(content, "verdicts"),
            models=_texts(content, "models"),
            warnings=_texts(content, "warnings"),
            notes=_texts(content, "notes"),
            unconfirmed={str(metric): _texts(unconfirmed, metric) for metric in unconfirmed},
        )

    @property
    def text(self) -> str:
        """The answer and its warnings as one text."""
        return " ".join([*self.sentences, *(f"Warning: {warning}" for warning in self.warnings)])

    def said(self, metric: str, method: str, verdict: str, plan: str = "") -> str:
        """Mark the verdict of a row if the row shows a gain by itself that the answer does not confirm."""
        methods = self.unconfirmed.get(f"{plan}/{metric}", self.unconfirmed.get(metric, ()))
        return DIFFERS if verdict == "gain" and method in methods else verdict


def _texts(content: Mapping[str, Any], name: str) -> list[str]:
    texts = content.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"Expected `{name}` to be a list of texts, got another value.")
    return texts
