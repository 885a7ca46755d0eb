"""The learning rate of a run whose length is known."""

import math


def warmup_cosine(step: int, num_steps: int, warmup_fraction: float) -> float:
    """Return the factor of the learning rate at a step: a linear rise to 1, then half a cosine to 0 at the last step.

    Args:
        step: steps done, 0 or more.
        num_steps: steps of the whole run.
        warmup_fraction: share of the steps with a rising factor, in [0, 1).

    Example:
        >>> [round(warmup_cosine(step, num_steps=8, warmup_fraction=0.25), 2) for step in (0, 1, 2, 5, 8)]
        [0.33, 0.67, 1.0, 0.5, 0.0]
    """
    warmup_steps = round(warmup_fraction * num_steps)
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    # a trainer may be asked for more steps than it had estimated
    progress = min(1.0, (step - warmup_steps) / max(1, num_steps - warmup_steps))
    return 0.5 * (1.0 + math.cos(math.pi * progress))
