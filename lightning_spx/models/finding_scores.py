"""How well a network ranks images by each finding: the area under the ROC curve, and average precision."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_auroc, binary_average_precision


class FindingScores(Metric):
    """AUROC and average precision of each finding over all images where it is said to be present or absent.

    A finding that is present in all of these images or in none has no AUROC: both of its values are NaN.

    Example:
        >>> scores = FindingScores()
        >>> scores.update(torch.tensor([[0.3, 1.0], [-2.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, float("nan")]]))
        >>> scores.compute()["auroc"]
        tensor([1., nan])
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    scores: list[Tensor]
    labels: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, label: Tensor) -> None:
        """Add images.

        Args:
            logits: `(N, K)`.
            label: `(N, K)`: 1 for present, 0 for absent and NaN for not said.
        """
        # probabilities, because torchmetrics takes logits in [0, 1] for such; in double precision large ones differ,
        # which Apple's processors do not have
        dtype = torch.float32 if logits.device.type == "mps" else torch.float64
        score = logits.detach().to(dtype).sigmoid()
        # logits that are not finite are no prediction: such an image is ranked at the wrong end
        self.scores.append(score.where(logits.isfinite(), 1 - label.to(dtype)))
        self.labels.append(label)

    def compute(self) -> dict[str, Tensor]:
        """Return `auroc` and `average_precision`, `(K,)` each, or `()` if K is 1; without any image `(0,)`."""
        # between processes the list becomes one tensor
        if len(self.scores) == 0:
            return {"auroc": torch.empty(0), "average_precision": torch.empty(0)}
        scores, labels = (torch.cat(each) if isinstance(each, list) else each for each in (self.scores, self.labels))
        rows = [_auroc_and_precision(*each) for each in zip(scores.unbind(1), labels.unbind(1), strict=True)]
        auroc, precision = torch.stack(rows, 1)
        return {"auroc": auroc, "average_precision": precision}


def _auroc_and_precision(score: Tensor, label: Tensor) -> Tensor:
    said = ~label.isnan()
    score, present = score[said], label[said].long()
    if bool(present.all()) or not bool(present.any()):
        return torch.full((2,), torch.nan, device=label.device)
    return torch.stack([binary_auroc(score, present), binary_average_precision(score, present)]).to(torch.float32)


def keys_of(scores: dict[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """Return the values by the keys of a log: `auroc/<finding>`, `average_precision/<finding>` and the mean `auroc`.

    The mean is over the findings that have an AUROC.

    Args:
        scores: as `FindingScores` computes them.
        names: of the findings; a slash, which would split the key, becomes a dash.

    Example:
        >>> keys_of({"auroc": torch.tensor([0.5, torch.nan])}, ["left/right", "top"])
        {'auroc/left-right': tensor(0.5000), 'auroc/top': tensor(nan), 'auroc': tensor(0.5000)}
    """
    found = {
        f"{measure}/{name.replace('/', '-')}": value
        for measure, values in scores.items()
        for name, value in zip(names, values, strict=True)
    }
    return {**found, "auroc": scores["auroc"].nanmean()}


def finding_names(given: Sequence[str], num_findings: int) -> list[str]:
    """Return the names of findings, or numbers if there are no names.

    Args:
        given: names, or nothing.
        num_findings: number of outputs of the network.

    Raises:
        ValueError: there are not as many names, or two that are equal in keys of a log.

    Example:
        >>> finding_names([], 2)
        ['finding 0', 'finding 1']
    """
    if not given:
        return [f"finding {number}" for number in range(num_findings)]
    if len(given) != num_findings:
        raise ValueError(
            f"Expected the network to have {len(given)} outputs, one for each of the data's findings, got "
            f"{num_findings}."
        )
    if len({name.replace("/", "-") for name in given}) < len(given):
        raise ValueError(f"Expected `findings` to have names that differ when `/` is read as `-`, got {list(given)}.")
    return list(given)
