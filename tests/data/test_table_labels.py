from typing import get_args

import numpy as np
import pandas as pd
import pytest

from lightning_spx.data.table_labels import Uncertain, read_classes, read_findings, read_joined_findings

NAN = float("nan")


def place(row: int) -> str:
    return f"row {row}"


@pytest.mark.parametrize(
    ("cells", "names", "labels"),
    [
        (["owl", "NA", "None", "nan"], ["NA", "None", "nan", "owl"], [3, 0, 1, 2]),
        (["10", "9", "10"], ["9", "10"], [1, 0, 1]),
        (["1.0", "1", "0.", "-1.00"], ["-1", "0", "1"], [2, 2, 1, 0]),
        (["00012", "00003"], ["00003", "00012"], [1, 0]),
        (["True", "False"], ["False", "True"], [1, 0]),
        # one of them is no number, so all are names
        (["10", "9", "9a"], ["10", "9", "9a"], [0, 1, 2]),
        (["0.5", "1", "x"], ["0.5", "1", "x"], [0, 1, 2]),
    ],
)
def test_classes_are_numbers_in_their_order_or_names(cells: list[str], names: list[str], labels: list[int]) -> None:
    found = read_classes(pd.Series(cells), place)
    assert found.names == names
    assert found.labels.tolist() == labels
    assert found.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["0", "0.333", "1"], r"got 3 numbers such as 0\.333 in row 1: set `threshold`"),
        (["0", "1e-3"], "such as 1e-3 in row 1"),
        (["0", "1", "nan"], "got 'nan' in row 2 among numbers"),
        (["0", "N/A"], "got 'N/A' in row 1 among numbers"),
        (["Owl", "jay", "owl"], "in one way, got 'Owl' and 'owl'"),
        (["01", "1"], "in one way, got '01' and '1'"),
        (["owl", "owl"], "two classes, got only 'owl'"),
    ],
)
def test_labels_that_are_no_classes_are_refused(cells: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_classes(pd.Series(cells), place)


def test_a_threshold_makes_two_classes_of_numbers() -> None:
    # the four probabilities of elpv-dataset
    cells = pd.Series(["0.0", "0.3333333333333333", "0.6666666666666666", "1.0", "0.5"])
    found = read_classes(cells, place, threshold=0.5)
    assert found.names == ["below 0.5", "from 0.5"]
    assert found.labels.tolist() == [0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match="part the labels, which are 0 to 1, got 2"):
        read_classes(cells, place, threshold=2.0)
    with pytest.raises(ValueError, match="numbers as labels, because `threshold` is set, got 'owl' in row 1"):
        read_classes(pd.Series(["0.5", "owl"]), place, threshold=0.5)


@pytest.mark.parametrize(
    ("uncertain", "value"), [("absent", 0.0), ("present", 1.0), ("unsaid", NAN)], ids=["U-Zeros", "U-Ones", "U-Ignore"]
)
@pytest.mark.parametrize(("unmentioned", "empty"), [("unsaid", NAN), ("absent", 0.0)])
def test_findings_follow_the_policies(uncertain: Uncertain, value: float, unmentioned: str, empty: float) -> None:
    assert uncertain in get_args(Uncertain)
    columns = {
        "Edema": pd.Series(["1.0", "0.0", "-1.0", "", "-1"]),
        "Mass": pd.Series(["yes", "No", "TRUE", "false", "1"]),
    }
    found = read_findings(columns, place, uncertain, "absent" if unmentioned == "absent" else "unsaid")
    assert found.names == ["Edema", "Mass"]
    np.testing.assert_array_equal(found.labels, [[1, 1], [0, 0], [value, 1], [empty, 0], [value, 1]])
    assert found.labels.dtype == np.float32


def test_findings_that_say_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'Edema' .* got '-1.0' in row 1: uncertain: set `uncertain` to absent \(U-Z"):
        read_findings({"Edema": pd.Series(["1.0", "-1.0"])}, place, "refuse", "unsaid")
    for wrong in ("2", "0.5", "maybe", "nan", "-1.5"):
        with pytest.raises(ValueError, match=f"'Edema' .* got '{wrong}' in row 2: 1, 0, -1 or an empty cell"):
            read_findings({"Edema": pd.Series(["1", "0", wrong])}, place, "absent", "unsaid")


def test_joined_findings_are_parted() -> None:
    cells = pd.Series(["Mass|Edema", "No Finding", "Edema", "Mass | Hernia", "Edema|Mass"])
    found = read_joined_findings(cells, place, "|", "No Finding")
    assert found.names == ["Edema", "Hernia", "Mass"]
    assert found.labels.tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1]]
    assert read_joined_findings(cells, place, "|", None).names == ["Edema", "Hernia", "Mass", "No Finding"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["Mass", "No Finding|Mass"], r"or 'No Finding' alone, got 'No Finding\|Mass' in row 1"),
        (["Mass", ""], "got '' in row 1"),
        (["Mass", "Edema||Mass"], "in row 1"),
        (["Mass", "mass"], "got 'Mass' and 'mass'"),
        (["Mass", "No finding"], "`no_finding` as the table writes it, got 'No Finding'"),
        (["No Finding"], "at least one finding, got only 'No Finding'"),
    ],
)
def test_joined_findings_that_contradict_are_refused(cells: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_joined_findings(pd.Series(cells), place, "|", "No Finding")
