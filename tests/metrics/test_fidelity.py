import pytest
import torch

from lightning_spx.metrics import FidelityError, fidelity_error


def test_equals_the_distance_of_unit_vectors_in_a_loop() -> None:
    maps, others = torch.rand(2, 5, 6, 7, generator=torch.Generator().manual_seed(0)).unbind()
    for n, value in enumerate(fidelity_error(3 * maps, others).tolist()):
        norms = [sum(x * x for x in each[n].flatten().tolist()) ** 0.5 for each in (maps, others)]
        both = zip(maps[n].flatten().tolist(), others[n].flatten().tolist(), strict=True)
        assert value == pytest.approx(sum((a / norms[0] - b / norms[1]) ** 2 for a, b in both) ** 0.5, abs=1e-6)


def test_ends_of_the_range() -> None:
    one, other = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 4.0]]])
    assert fidelity_error(one, 2 * one).item() == 0
    assert fidelity_error(one, other).item() == pytest.approx(2**0.5)


def test_a_map_of_zeros_or_with_nan_has_no_value() -> None:
    maps = torch.rand(4, 3, 3, generator=torch.Generator().manual_seed(0))
    broken = maps.clone()
    broken[1] = 0
    broken[2, 0, 0] = torch.nan
    metric = FidelityError()
    metric.update(broken[:2], maps[:2])
    metric.update(broken[2:], maps[2:])
    assert metric.num_dropped == 2
    assert metric.compute().item() == 0
    with pytest.raises(ValueError, match="`reference`"):
        fidelity_error(maps, maps[:, :2])
