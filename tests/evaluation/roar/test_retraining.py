"""Retrainings are shared among units."""

import pytest

from lightning_spx.evaluation.roar.orders import Order
from lightning_spx.evaluation.roar.retraining import list_retrainings
from lightning_spx.runs.launch import share_of


def test_shares_are_a_partition() -> None:
    units = list_retrainings([Order("random", "pixel", "either")], [10, 50, 90], 3)
    shares = [share_of(units, f"{number}/5") for number in range(1, 6)]
    assert sorted(unit.name for share in shares for unit in share) == sorted(unit.name for unit in units)
    for wrong in ("0/2", "3/2", "1", "a/b", "1/2/3"):
        with pytest.raises(ValueError, match="`unit` to be a share"):
            share_of(units, wrong)
