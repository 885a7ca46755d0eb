"""Learning rate schedules for runs of known length."""

import math


def warmup_cosine(step: int, num_steps: int, warmup_fraction: float) -> float:
    """Return the factor of the learning rate at a step: a linear rise to 1, then half a cosine to 0 at the last step.

    Args:
        step: number of steps done, 0 or more.
        num_steps: number of steps of the whole run.
        warmup_fraction: fraction of the steps with a rising factor, in [0, 1).

    Example:
        >>> [round(warmup_cosine(step, num_steps=8, warmup_fraction=0.25), 2) for step in (0, 1, 2, 5, 8)]
        [0.33, 0.67, 1.0, 0.5, 0.0]
    """
    warmup_steps = round(warmup_fraction * num_steps)
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    # a trainer may take more steps than it estimated
    progress = min(1.0, (step - warmup_steps) / max(1, num_steps - warmup_steps))
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def linear_decay(epoch: int, num_epochs: int, decay_start: float) -> float:
    """Return the factor of the learning rate in an epoch: first 1, then falling linearly to zero (Zhu 2017).

    Args:
        epoch: number of the epoch, from 0.
        num_epochs: number of epochs of the whole run; the factor would be zero after the last.
        decay_start: fraction of the epochs with the full rate, in [0, 1].

    Example:
        >>> [round(linear_decay(epoch, num_epochs=6, decay_start=0.5), 2) for epoch in range(6)]
        [1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    constant = round(decay_start * num_epochs)
    return 1.0 - max(0, epoch + 1 - constant) / (num_epochs - constant + 1)
