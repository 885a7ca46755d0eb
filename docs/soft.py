"""Tabulates and draws what docs/soft.md says, from the runs of one or more data sets.

A data set has one run, whose intervals are over images, or runs of several seeds, each with its own split, trainings
and images: these are independent, so their numbers are averaged, with the t-interval of their mean.

    python docs/soft.py docs/images/soft.png "CIFAR-10=RUN,RUN,RUN" "birds=RUN,RUN,RUN" "photos=RUN"
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from lightning_spx.reporting.reference_rows import is_candidate
from lightning_spx.reporting.rows import PIXEL

METHODS = {"Gradient": "Gradient", "SmoothGrad": "SmoothGrad", "IntegratedGradients": "IG"}
REFERENCES = ("reference:edges", "reference:centre")
COLORS = {
    "pixel": "black",
    "SLIC": "tab:blue",
    "Felzenszwalb": "tab:cyan",
    "bilateral": "tab:red",
    "bilateral, default": "tab:pink",
    "guided": "tab:orange",
    "guided, default": "gold",
}
ROAD = ("road", "order=combined")
SSIM, LEFT = ("saliency_ssim", ""), ("residual_correlation", "")
MATCHED, OF_ORDER = ("matched_gain", "against=road"), ("matched_gain", "against=road;order=same")


@dataclass(frozen=True)
class Number:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the number as a cell of a table."""
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    @property
    def is_above_zero(self) -> bool:
        """Return whether the interval lies above zero."""
        return self.low > 0


@dataclass(frozen=True)
class DataSet:
    """The runs of a data set."""

    name: str
    results: list[pd.DataFrame]

    @classmethod
    def read(cls, argument: str) -> "DataSet":
        """Read the runs of an argument `name=RUN,RUN`."""
        name, _, runs = argument.partition("=")
        return cls(name, [_read(Path(run) / "results.csv") for run in runs.split(",")])

    def number(self, method: str, row: tuple[str, str], metric: tuple[str, str], column: str) -> Number:
        """Return a number of a row, over images or over runs."""
        rows = [_row(each, method, row, metric) for each in self.results]
        if len(rows) > 1:
            return over_runs(np.array([each[column] for each in rows], float))
        low, high = {"value": ("ci_low", "ci_high")}.get(column, (f"{column}_low", f"{column}_high"))
        return Number(float(rows[0][column]), float(rows[0][low]), float(rows[0][high]))

    def gain(self, method: str, row: tuple[str, str], metric: tuple[str, str]) -> Number:
        """Return a row's gain over its best control: over every control, the least favourable interval."""
        if len(self.results) == 1:
            return self.number(method, row, metric, "gain")
        column = "value" if metric == ROAD else "excess"
        controls = [name for name in self.rows(method)["superpixels"].unique() if name.endswith(f"({row[0]})")]
        own = np.array([_row(each, method, row, metric)[column] for each in self.results], float)
        other = {
            name: np.array([_row(each, method, (name, row[1]), metric)[column] for each in self.results], float)
            for name in controls
        }
        gains = [over_runs(own - values) for values in other.values()]
        return Number(*(min(getattr(each, part) for each in gains) for part in ("value", "low", "high")))

    def rows(self, method: str) -> pd.DataFrame:
        """Return the rows of a method in the first run."""
        return self.results[0][self.results[0]["method"] == method]

    def poolings(self, method: str) -> dict[str, str]:
        """Return what poolings are called here, by their names in the column `superpixels`."""
        names = self.rows(method)["superpixels"].unique()
        return {name: called(name) for name in names if is_candidate(name)}

    def orders(self, method: str, superpixels: str) -> list[str]:
        """List the orders in which a pooling has rows."""
        rows = self.rows(method)
        return list(rows[rows["superpixels"] == superpixels]["magnitude"].unique())


def called(superpixels: str) -> str:
    """Name a pooling as the page does: settings that are not a filter's default were chosen on other images."""
    kind = superpixels.partition("(")[0]
    short = {"Slic": "SLIC", "JointBilateral": "bilateral", "GuidedFilter": "guided"}.get(kind, kind)
    return f"{short}, default" if "None" in superpixels else short


def over_runs(values: np.ndarray) -> Number:
    """Return the mean over independent runs with its t-interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Number(values.mean(), values.mean() - half, values.mean() + half)


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, keep_default_na=True)
    table["setting"] = table["setting"].fillna("")
    return table[(table["pair"] == "all") & (table["condition"] == "all")]


def _row(table: pd.DataFrame, method: str, row: tuple[str, str], metric: tuple[str, str]) -> pd.Series:
    here = (table["method"] == method) & (table["superpixels"] == row[0]) & (table["magnitude"] == row[1])
    found = table[here & (table["metric"] == metric[0]) & (table["setting"] == metric[1])]
    if len(found) != 1:
        raise ValueError(f"Expected one row of {method}, {row}, {metric}, got {len(found)}.")
    return found.iloc[0]


def table_of(data: DataSet) -> str:
    """Return a data set's table as Markdown."""
    lines = [
        "| method | pooling | order | excess SSIM | gain over best control | ROAD | gain at equal ROAD "
        "| over blurs of its order | left | gain in left |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for method, short in METHODS.items():
        for superpixels, name in {**data.poolings(method), **{each: each for each in REFERENCES}}.items():
            for order in data.orders(method, superpixels):
                row = superpixels, order
                excess = data.number(method, row, SSIM, "excess")
                road = data.number(method, row, ROAD, "value")
                pooled = superpixels not in ("pixel", *REFERENCES)
                cells = [short, name, "" if order == "either" else order, f"{excess.value:.3f}"]
                cells += [str(data.gain(method, row, SSIM)) if pooled else ""]
                cells += [f"{road.value:.3f}"]
                cells += [
                    str(data.number(method, row, each, "value")) if pooled else "" for each in (MATCHED, OF_ORDER)
                ]
                cells += [str(data.number(method, row, LEFT, "excess")) if superpixels not in REFERENCES else ""]
                cells += [str(data.gain(method, row, LEFT)) if pooled else ""]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdict_of(data: DataSet) -> str:
    """Say which rows of a data set win: which intervals lie above zero, criterion by criterion, and in all of them."""
    rows = [
        (method, superpixels, order)
        for method in METHODS
        for superpixels in data.poolings(method)
        if superpixels != PIXEL
        for order in data.orders(method, superpixels)
    ]
    criteria = {
        "beat their own controls": [data.gain(method, (name, order), SSIM) for method, name, order in rows],
        "beat every blur at equal ROAD": [data.number(method, (name, o), MATCHED, "value") for method, name, o in rows],
        "beat their controls in what is left": [data.gain(method, (name, order), LEFT) for method, name, order in rows],
    }
    won = {
        words: {row for row, each in zip(rows, of, strict=True) if each.is_above_zero} for words, of in criteria.items()
    }
    won["all three"] = set.intersection(*won.values())
    lines = []
    for words, found in won.items():
        said = ", ".join(f"{METHODS[m]} {called(name)} {order}" for m, name, order in rows if (m, name, order) in found)
        lines.append(f"- {words}: {len(found)} of {len(rows)} rows{': ' if said else ''}{said}")
    return "\n".join(lines)


def draw(sets: list[DataSet], path: Path) -> None:
    """Draw excess against ROAD, a panel for each data set and method, with the blurs as a line."""
    size = (12, 1 + 3.4 * len(sets))
    figure, axes = plt.subplots(len(sets), len(METHODS), figsize=size, squeeze=False, layout="constrained")
    for data, line in zip(sets, axes, strict=True):
        for (method, short), axis in zip(METHODS.items(), line, strict=True):
            names = data.rows(method)["superpixels"].unique()
            blurs = ["pixel", *reversed([name for name in names if name.startswith("control:blur(sigma=")])]
            for order, style in (("before", "--"), ("after", ":")):
                points = [
                    [data.number(method, (name, "either" if name == "pixel" else order), *of).value for name in blurs]
                    for of in ((ROAD, "value"), (SSIM, "excess"))
                ]
                axis.plot(*points, style, color="gray", label=f"blurs, {order}", marker=".", zorder=1)
            for superpixels, name in data.poolings(method).items():
                for order in data.orders(method, superpixels):
                    x = data.number(method, (superpixels, order), ROAD, "value")
                    y = data.number(method, (superpixels, order), SSIM, "excess")
                    axis.plot(
                        x.value,
                        y.value,
                        "s" if order == "either" else "o" if order == "before" else "^",
                        color=COLORS[name],
                        label=f"{name}{'' if order == 'either' else f', {order}'}",
                    )
            for name, style in zip(REFERENCES, ("-", "-."), strict=True):
                x = data.number(method, (name, "either"), ROAD, "value")
                label = f"ROAD of {name[10:]} alone"
                axis.axvline(x.value, color="tab:green", linestyle=style, linewidth=1, label=label)
            axis.set_title(f"{data.name}, {short}")
            axis.set_xlabel("ROAD (faithful to the right)")
            axis.set_ylabel("excess SSIM between models")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    chosen = [DataSet.read(argument) for argument in sys.argv[2:]]
    for each in chosen:
        print(f"\n## {each.name}\n\n{verdict_of(each)}\n\n{table_of(each)}")
    draw(chosen, Path(sys.argv[1]))
