"""Shows the ceiling of methods with randomness, and where a value lies between its floor and its ceiling."""

import pandas as pd

# a method without randomness has the ceiling 1, up to rounding
HIGHEST = 1 - 1e-6
CEILING_TERMS = {
    "ceiling": "agreement of a model's map with its own under other noise",
    "normalised": "0 is the floor, 1 the ceiling",
}


def has_ceiling(rows: pd.DataFrame) -> bool:
    """Whether a table shows ceilings: some method has randomness, so that its own maps do not agree perfectly.

    Example:
        >>> [has_ceiling(pd.DataFrame({"ceiling": ceilings})) for ceilings in ([1.0, 0.8], [1.0, 1.0])]
        [True, False]
        >>> has_ceiling(pd.DataFrame({"value": [0.5]}))
        False
    """
    return "ceiling" in rows and bool((rows["ceiling"] < HIGHEST).any())


def ceiling_note() -> str:
    """Explain the columns of ceilings in a sentence."""
    return "".join(f" {name[0].upper()}{name[1:]}: {words}." for name, words in CEILING_TERMS.items())
