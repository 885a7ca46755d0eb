"""Keys that every logger takes as they are, whatever a user's classes, layers and findings are called."""

import posixpath
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_spx.reporting.safe_keys import safe_key

# what Lightning's MLflow logger leaves as it is; it removes all else, so that S(k=1) and Sk1 become one
KEPT = re.compile(r"[a-zA-Z0-9_/. -]+")
TEXTS = st.text(st.sampled_from("ab1_.- /()[]=,:%;'\"#é肺\n\x00🦉"), max_size=90) | st.text(max_size=12)


@settings(max_examples=50, deadline=None)
@given(TEXTS)
def test_a_safe_key_is_taken_by_every_logger(text: str) -> None:
    key = safe_key(text)
    assert KEPT.fullmatch(key)
    # as a path it names one file, below the folder of keys
    assert posixpath.normpath(key) == key
    assert not key.startswith(("/", ".."))
    assert all(0 < len(part) <= 60 for part in key.split("/"))
    assert safe_key(key) == key


@settings(max_examples=50, deadline=None)
@given(TEXTS)
def test_mlflow_itself_finds_no_fault(text: str) -> None:
    validation = pytest.importorskip("mlflow.utils.validation")
    validation._validate_metric_name(safe_key(text))


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=2, max_size=2, unique=True))
def test_names_in_any_script_stay_apart(names: list[str]) -> None:
    assert safe_key(names[0]) != safe_key(names[1])


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("val/saliency_ssim/Gradient/value", "val/saliency_ssim/Gradient/value"),
        ("S(k=1)", "S-k-1"),
        ("S(k=-1)", "S-k--1"),
        ("GradCAM(layer=layer4.1)", "GradCAM-layer-layer4.1"),
        ("Grid(n_segments=[4, 8])", "Grid-n_segments--4- 8"),
        ("red wing", "red wing"),
        ("50%", "50-x25"),
        ("肺炎", "-x80ba--x708e"),
        ("a//b/", "a/b"),
        ("", "-"),
        ("./..", "x2e/x2e2e"),
    ],
)
def test_what_becomes_of_a_name(text: str, key: str) -> None:
    assert safe_key(text) == key


def test_long_names_that_begin_alike_stay_apart() -> None:
    first, second = (safe_key(f"{'a' * 80}{ending}") for ending in "bc")
    assert first != second
    assert first[:51] == "a" * 51
