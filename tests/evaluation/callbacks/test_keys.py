"""No key of a number begins with another one and a slash: a store of folders, such as MLflow's, cannot keep both."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_spx.attribution import Attribution, Gradient, SmoothGrad
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.evaluation.callbacks.companions import logged_names
from lightning_spx.evaluation.callbacks.finding_names import finding_keys
from lightning_spx.evaluation.callbacks.output import NUMBERS
from lightning_spx.reporting.rows import with_finding
from lightning_spx.reporting.safe_keys import safe_key
from lightning_spx.reporting.scalars import scalars_of
from lightning_spx.superpixels import Grid, ImagePooling, Precomputed

# names that are parts of keys themselves, and names with slashes
FINDINGS = ["wing", "beak/bill", "beak", "value", "floor", "previous", "all", "gain", "a/value", "a", "50%", "肺炎"]


def clashes(names: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs of which one is a folder in the path of the other."""
    known = set(names)
    pairs = {(name[:place], name) for name in known for place, letter in enumerate(name) if letter == "/"}
    return {(folder, name) for folder, name in pairs if folder in known}


def test_the_old_names_clash() -> None:
    assert clashes(["val/X", "val/X/floor", "val/Xy"]) == {("val/X", "val/X/floor")}


@settings(max_examples=40, deadline=None)
@given(
    methods=st.lists(st.sampled_from([Gradient(), SmoothGrad(num_samples=2), SmoothGrad(num_samples=3)]), unique=True),
    superpixels=st.lists(
        st.sampled_from([Grid(4), Grid(9), Precomputed("a"), Precomputed("a/value"), Precomputed("a/value/b")]),
        unique=True,
    ),
    references=st.sampled_from([["a.ckpt"], ["previous"], ["a.ckpt", "previous"]]),
    name=st.sampled_from(["", "value", "previous", "other"]),
    findings=st.lists(st.sampled_from(FINDINGS), unique=True, min_size=2),
    several=st.booleans(),
)
def test_whatever_the_settings_no_key_of_the_callback_is_a_folder_of_another(
    methods: list[Attribution],
    superpixels: list[ImagePooling],
    references: list[str],
    name: str,
    findings: list[str],
    several: bool,
) -> None:
    head: dict[str, Any] = {"head": "multi_label"} if several else {}
    one = SaliencyEvaluator(methods=methods, superpixels=superpixels, references=references, name=name, **head)
    try:
        finding_keys(findings)
    except ValueError:  # a finding that is called like a part of keys is refused
        findings = []
    names = logged_names(one.settings, masks=True, findings=findings if several else ())
    assert len(set(names)) == len(names)
    # at the end each row has more numbers, and rows over references and the previous state together are new
    ends = {f"{key.rpartition('/')[0]}{kind}/{part}" for key in names for kind in ("", "/all") for part in NUMBERS}
    assert not clashes({*names, *ends})


ROW = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["Gradient", "SmoothGrad(num_samples=2)", "value"]),
        "superpixels": st.sampled_from(["pixel", "Slic", "Precomputed(root=a)", "Precomputed(root=a/value)"]),
        "metric": st.sampled_from(["saliency_ssim", "mege"]),
        "common": st.sampled_from(["", "distance=l2", "fraction=0.5;order=morf"]),
        "magnitude": st.sampled_from(["either", "after"]),
        "finding": st.sampled_from(["", *FINDINGS]),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30))
def test_no_key_of_a_study_is_a_folder_of_another(rows: list[dict[str, str]]) -> None:
    numbers = dict.fromkeys(("value", "floor", "excess", "gain"), 0.5)
    frame = pd.DataFrame([{**row, **numbers, "pair": "all"} for row in rows])
    frame["setting"] = [with_finding(row["common"], row["finding"]) for row in rows]
    scalars = {safe_key(name) for name in scalars_of(frame, "stability")}
    different = {tuple(sorted(row.items())) for row in rows}
    assert len(scalars) == 4 * len(different)
    assert not clashes(scalars)


def test_names_that_become_one_key_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"Expected `superpixels` whose names are different keys, got .*a/b.* and .*a-b"
    ):
        SaliencyEvaluator(superpixels=[Precomputed("a/b"), Precomputed("a-b")])
    with pytest.raises(ValueError, match="Expected `findings` whose names are different keys, got 'a' and 'a:'"):
        SaliencyEvaluator(head="multi_label", findings=["a", "a:"])
