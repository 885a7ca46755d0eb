"""Learning rates over a run of known length."""

import torch

from lightning_spx.models.schedule import linear_decay, warmup_cosine


def test_the_learning_rate_rises_by_equal_steps_and_falls_as_half_a_cosine() -> None:
    factors = torch.tensor([warmup_cosine(step, num_steps=100, warmup_fraction=0.2) for step in range(101)])
    torch.testing.assert_close(factors[:20], torch.arange(1, 21) / 21)
    expected = 0.5 + 0.5 * torch.cos(torch.linspace(0, torch.pi, 81))
    torch.testing.assert_close(factors[20:], expected, atol=1e-6, rtol=0)


def test_without_warm_up_the_learning_rate_starts_in_full_and_stays_zero_after_the_end() -> None:
    assert warmup_cosine(0, num_steps=10, warmup_fraction=0.0) == 1.0
    assert warmup_cosine(12, num_steps=10, warmup_fraction=0.0) == 0.0


def test_the_schedule_is_the_published_one() -> None:
    factors = [linear_decay(epoch, 200, 0.5) for epoch in range(200)]
    # networks.py of the authors: 1 - max(0, epoch + 1 - n_epochs) / (n_epochs_decay + 1)
    assert factors == [1 - max(0, epoch + 1 - 100) / 101 for epoch in range(200)]
    assert factors[99] == 1 > factors[100]
