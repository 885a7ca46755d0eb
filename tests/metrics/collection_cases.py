"""Metrics for a collection, each beside another of its class with other settings, and batches that all of them take."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_spx.metrics import (
    AUPRC,
    IROF,
    ROAD,
    Deletion,
    FidelityError,
    ImageMean,
    Insertion,
    MaskAUC,
    MassAccuracy,
    MeGe,
    PointingGame,
    ReCo,
    SaliencySSIM,
    TopKOverlap,
)

SIDE = 12
Batch = dict[str, object]


class Mean(ImageMean):
    """A user's own metric, whose setting its base class does not know."""

    higher_is_better = True

    def __init__(self, power: float) -> None:
        super().__init__()
        self.power = power

    def update(self, saliency: Tensor) -> None:
        self.accumulate(saliency.flatten(1).mean(1) ** self.power)


def answers(images: Tensor) -> Tensor:
    """Logits of a tiny network."""
    return 4 * torch.stack([images[:, 0, :6].mean((1, 2)), images[:, 1, 6:].mean((1, 2))], 1)


BUILD: dict[str, Callable[[], Metric]] = {
    "ssim": SaliencySSIM,
    "top 5 %": lambda: TopKOverlap(0.05),
    "top 20 %": lambda: TopKOverlap(0.2),
    "mege": lambda: MeGe("l1"),
    "mege l2": lambda: MeGe("l2"),
    "reco": lambda: ReCo("l1"),
    "reco l2": lambda: ReCo("l2"),
    "deletion": lambda: Deletion(num_steps=2),
    "deletion 3": lambda: Deletion(num_steps=3),
    "insertion": lambda: Insertion(num_steps=2),
    "irof": lambda: IROF((0.5, 0.5, 0.5)),
    "road": lambda: ROAD("morf", [0.5]),
    "road lerf": lambda: ROAD("lerf", [0.5]),
    "fidelity": FidelityError,
    "mass": MassAccuracy,
    "pointing": PointingGame,
    "auc": MaskAUC,
    "auprc": AUPRC,
    "mean": lambda: Mean(1.0),
    "mean of squares": lambda: Mean(2.0),
}


def batch(saliency: Tensor, reference: Tensor, seed: int = 0) -> Batch:
    """All that any of the metrics asks for, by the name it asks for it."""
    number, draw = len(saliency), torch.Generator().manual_seed(seed)
    mask = torch.zeros(number, SIDE, SIDE, dtype=torch.bool)
    mask[:, 3:9, 3:9] = True
    preds = torch.tensor([[0] * number, [0, 1, *[0] * number][:number]], dtype=torch.int64)
    return {
        "saliency": saliency,
        "reference": reference,
        "mask": mask,
        "model": answers,
        "images": torch.rand(number, 3, SIDE, SIDE, generator=draw),
        "target": torch.zeros(number, dtype=torch.int64),
        "segments": torch.arange(SIDE * SIDE).view(1, SIDE, SIDE).expand(number, -1, -1),
        "maps": torch.stack([saliency, reference]),
        "preds": preds,
        "label": torch.zeros(number, dtype=torch.int64),
    }


def drawn(number: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, number, SIDE, SIDE, generator=generator)
    return batch(first, second, seed)


def dot() -> Tensor:
    maps = torch.zeros(3, SIDE, SIDE)
    maps[:, 5, 5] = 1.0
    return maps


FIRST = {
    "blank": batch(*torch.zeros(2, 3, SIDE, SIDE)),
    "identical": batch(*torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)).expand(2, 3, -1, -1)),
    "one pixel": batch(dot(), dot()),
    "nan": batch(*torch.full((2, 3, SIDE, SIDE), torch.nan)),
    "none": batch(*torch.zeros(2, 0, SIDE, SIDE)),
    "any": drawn(3, 2),
}
LATER = drawn(4, 3)


def value(metric: Metric, *batches: Batch) -> Tensor:
    for each in batches:
        metric.update(**metric._filter_kwargs(**each))
    found = metric.compute()
    assert isinstance(found, Tensor)
    return found


def alone(*batches: Batch) -> dict[str, Tensor]:
    return {name: value(build(), *batches) for name, build in BUILD.items()}
