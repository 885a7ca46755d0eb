"""Names of references, and settings as plain values."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from lightning_spx.attribution import Gradient, SmoothGrad
from lightning_spx.evaluation.callbacks.settings import Settings, name_references
from lightning_spx.reporting.display_names import unique_names
from lightning_spx.superpixels import Grid, Slic


@pytest.mark.parametrize(
    ("references", "names"),
    [
        (["runs/part1.ckpt", "part2.ckpt"], ["part1", "part2"]),
        (["a/last.ckpt", "b/last.ckpt", "c/best.ckpt"], ["a/last.ckpt", "b/last.ckpt", "best"]),
        (["last.ckpt", "b/last.ckpt"], ["./last.ckpt", "b/last.ckpt"]),
        (["last.ckpt", "last.pt"], ["./last.ckpt", "./last.pt"]),
        (["previous"], []),
        (["previous", "runs/previous.ckpt"], ["runs/previous.ckpt"]),  # a file is not the model's own previous state
        (["previous.ckpt"], ["./previous.ckpt"]),
        (["all.ckpt", "b.ckpt"], ["./all.ckpt", "b"]),  # tables call the mean over references so
        (["all"], ["./all"]),
        ([], []),
    ],
)
def test_references_have_names_of_their_own(references: list[str], names: list[str]) -> None:
    named = name_references(references)
    assert list(named) == names
    assert list(named.values()) == [Path(reference) for reference in references if reference != "previous"]


def test_a_path_may_be_a_path() -> None:
    assert name_references([Path("a/last.ckpt"), Path("previous")]) == {
        "last": Path("a/last.ckpt"),
        "./previous": Path("previous"),
    }


@pytest.mark.parametrize("references", [["a/x.ckpt", "a/x.ckpt"], ["x.ckpt", Path("./x.ckpt")]])
def test_a_checkpoint_that_is_named_twice_is_refused(references: list[str | Path]) -> None:
    with pytest.raises(ValueError, match=r"Expected `references` to name each checkpoint once, got .*x\.ckpt twice"):
        name_references(references)


def test_settings_are_plain_values() -> None:
    named = unique_names([Gradient(), SmoothGrad(num_samples=4)])
    settings = Settings(
        methods={"Gradient": named["Gradient"]},
        final_methods=named,
        superpixels=unique_names([Slic(n_segments=50), Grid(16)]),
        checkpoints={"a": Path("runs/a.ckpt")},
        with_previous=True,
        num_images=64,
        mean=[*np.array([0.5])],
        std=[*np.array([0.25])],
        preprocess=None,
        output=None,
        input_name=None,
        head="single_label",
        batch_to_images=None,
        target="label",
        magnitude="after",
        distance="l2",
        batch_size=8,
        num_resamples=10,
        seed=3,
    )
    described = settings.describe()
    assert yaml.safe_load(yaml.safe_dump(described)) == described
    assert described["methods"] == [repr(Gradient())]
    assert described["final_methods"] == [repr(SmoothGrad(num_samples=4))]
    assert described["superpixels"] == [repr(Slic(n_segments=50)), repr(Grid(16))]
    assert described["references"] == ["runs/a.ckpt", "previous"]
    assert (described["mean"], described["std"]) == ([0.5], [0.25])
    plain = ("num_images", "target", "magnitude", "distance", "seed")
    assert [described[name] for name in plain] == [64, "label", "after", "l2", 3]
