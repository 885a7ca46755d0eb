"""Reads `results.csv`: words stay words, numbers become numbers, and one line names what is damaged."""

from pathlib import Path

import pandas as pd

from lightning_spx.reporting.rows import KEYS, LATER, LATER_KEYS, PARTITION, VALUES
from lightning_spx.runs.reading import one_line

# columns of `VALUES` that hold words
WORDS = ("interval", "best_control")


def read_results(path: Path) -> pd.DataFrame:
    """Read `results.csv`, with words as they are and numbers as numbers.

    Returns:
        At least one row, with the columns `KEYS` and `VALUES`; the columns `LATER` are NaN, and `LATER_KEYS` have
        their one entry, where the file lacks them.

    Raises:
        ValueError: the file is damaged, or edited into something else; the error names the file and the column.
    """
    numbers = [name for name in VALUES if name not in WORDS]
    missing_values = {key: ["", "nan"] for key in (*VALUES, *PARTITION)}
    try:
        # a name may be a word that pandas would take for a missing value
        table = pd.read_csv(path, dtype=dict.fromkeys(KEYS, str), keep_default_na=False, na_values=missing_values)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"Expected {path} to hold a study's results, got damaged ones: {one_line(error)}.") from error
    missing = [name for name in (*KEYS, *VALUES) if name not in table and name not in (*LATER, *LATER_KEYS)]
    # if rows have more fields than the header, pandas takes their first fields for names of the rows
    if missing or not isinstance(table.index, pd.RangeIndex):
        what = f"no column {', '.join(missing)}" if missing else "rows with more fields than there are columns"
        raise ValueError(f"Expected {path} to hold a study's results, got damaged ones: {what}.")
    if table.empty or table["num_images"].isna().any():
        raise ValueError(f"Expected {path} to hold a study's results, got no rows, or one that is cut off.")
    table = table.reindex(columns=[*table.columns, *(name for name in LATER if name not in table)])
    table = table.assign(**{name: entry for name, entry in LATER_KEYS.items() if name not in table})
    for name in numbers:
        given = table[name].dropna().astype(str)
        wrong = given[pd.to_numeric(given, errors="coerce").isna()]
        if len(wrong):
            raise ValueError(f"Expected {path} to have numbers in the column {name}, got {wrong.iloc[0]!r}.")
    return table
