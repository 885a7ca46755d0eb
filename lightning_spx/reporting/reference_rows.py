"""The rows that others are measured against: controls, and references, which are maps that no model has made."""

import pandas as pd

# in the column `superpixels`, the beginnings of the names of both
CONTROL = "control:"
REFERENCE = "reference:"


def reference_name(kind: str) -> str:
    """Name a map that no model has made in the column `superpixels`.

    Example:
        >>> reference_name("edges")
        'reference:edges'
    """
    return f"{REFERENCE}{kind}"


def is_reference(name: str) -> bool:
    """Whether a name in the column `superpixels` is that of a map that no model has made.

    Example:
        >>> is_reference("reference:edges"), is_reference("pixel")
        (True, False)
    """
    return name.startswith(REFERENCE)


def is_candidate(name: str) -> bool:
    """Whether a name in the column `superpixels` is that of a map that a study may recommend: no control, no reference.

    Example:
        >>> is_candidate("pixel"), is_candidate("control:grid(Slic)"), is_candidate("reference:edges")
        (True, False, False)
    """
    return not name.startswith((CONTROL, REFERENCE))


def with_references(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave the controls out, but not the references; these come last among the rows of their method.

    Example:
        >>> names = ["reference:edges", "pixel", "control:grid(Slic)"]
        >>> with_references(pd.DataFrame({"superpixels": names, "method": "Gradient"})).index.tolist()
        [1, 0]
    """
    shown = rows[~rows["superpixels"].str.startswith(CONTROL)]
    methods = list(shown["method"].unique())
    last = [
        (methods.index(method), is_reference(name))
        for method, name in zip(shown["method"], shown["superpixels"], strict=True)
    ]
    return shown.iloc[sorted(range(len(last)), key=last.__getitem__)]
