"""Sharing work over processes, and what a model that fails does."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.evaluation.maps.attributions import explain, explain_together, predict, predict_findings
from lightning_spx.runs.processes import own_share
from tests.processes import run_together

NUM_IMAGES = 7  # odd: the sampler of two processes repeats an image


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def images() -> Tensor:
    return torch.rand(NUM_IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def explain_all(method: Attribution) -> Tensor:
    target = torch.arange(NUM_IMAGES) % 5
    return explain_together(
        network(), method, images(), target, batch_size=2, device=torch.device("cpu"), description="explain"
    )


def work_together(rank: int, folder: str) -> None:
    share = own_share(NUM_IMAGES)
    result = {
        "share": share,
        "attribution": explain_all(Gradient()),
        "preds": predict(network(), images(), 2, torch.device("cpu")),
    }
    torch.save(result, f"{folder}/{rank}.pt")


def test_two_processes_count_each_of_an_odd_number_of_images_once(tmp_path: Path) -> None:
    run_together(work_together, str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert len(first["share"]) + len(second["share"]) == NUM_IMAGES + 1  # one image was worked on twice
    for result in (first, second):
        torch.testing.assert_close(result["attribution"], explain_all(Gradient()), atol=1e-6, rtol=1e-6)
        assert result["preds"].tolist() == predict(network(), images(), 4, torch.device("cpu")).tolist()


class NanForTheThird(nn.Module):
    def forward(self, batch: Tensor) -> Tensor:
        logits = batch.flatten(1)[:, :5].clone()
        logits[(batch == images()[2]).flatten(1).all(1)] = float("nan")
        return logits


def test_a_nan_in_the_output_names_the_image() -> None:
    with pytest.raises(ValueError, match=r"finite outputs of NanForTheThird, got NaN or infinity for images \[2\]"):
        predict(NanForTheThird(), images(), 2, torch.device("cpu"))


class Returns(nn.Module):
    """Return the same, whatever the images are."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, batch: Tensor) -> object:
        return self.output


@pytest.mark.parametrize(
    ("output", "error", "got"),
    [
        ((torch.zeros(2, 5),), TypeError, "floating point logits, got tuple"),
        (None, TypeError, "floating point logits, got NoneType"),
        (torch.zeros(2, 5, dtype=torch.bool), TypeError, r"floating point logits, got torch\.bool"),
        (torch.zeros(4, 5), ValueError, r"with N = 2, got \(4, 5\)"),
        (torch.zeros(2, 5, 1), ValueError, r"with N = 2, got \(2, 5, 1\)"),
        (torch.zeros(2, 1), ValueError, r"K at least 2, .* got \(2, 1\)"),
        (torch.zeros(()), ValueError, r"with N = 2, got \(\)"),
    ],
)
def test_what_is_no_logits_is_refused(output: object, error: type[Exception], got: str) -> None:
    with pytest.raises(error, match=f"Expected Returns to return .*{got}"):
        predict(Returns(output), images(), 2, torch.device("cpu"))


def test_findings_are_predicted_above_one_half_each_by_itself() -> None:
    with torch.no_grad():
        expected = (network()(images()).sigmoid() > 0.5).long()
    found = predict_findings(network(), images(), 5, 2, torch.device("cpu"))
    assert torch.equal(found, expected)
    assert 0 < expected.sum() < expected.numel()


def test_models_that_do_not_say_the_findings_as_logits_are_refused() -> None:
    cpu = torch.device("cpu")
    with pytest.raises(ValueError, match=r"Expected Sequential to return 3 logits, one for each finding, got 5\."):
        predict_findings(network(), images(), 3, 2, cpu)
    sure = Changed(lambda logits: (50 * logits).sigmoid())
    with pytest.raises(ValueError, match=r"got values that all lie in \[0, 1\].*: give the model without its sigmoid"):
        predict_findings(sure, images(), 5, 2, cpu)
    # too few, or too close together, to be more than a network that is barely trained
    assert predict_findings(sure, images()[:6], 5, 2, cpu).all()
    assert predict_findings(Changed(lambda logits: 0.3 + 0.4 * logits.sigmoid()), images(), 5, 2, cpu).all()
    with pytest.raises(ValueError, match=r"logits \(N, K\), one for each finding, with N = 2, got \(2,\)"):
        predict_findings(Changed(lambda logits: logits[:, 0]), images(), 1, 2, cpu)
    with pytest.raises(ValueError, match=r"Expected finite outputs of Changed, .* for images \[10, 11, 12, 13"):
        predict_findings(Changed(lambda logits: logits / 0), images(), 5, 7, cpu, range(10, 17))


class Changed(nn.Module):
    """The network with another end."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.change = network(), change

    def forward(self, inputs: Tensor) -> Tensor:
        return self.change(self.network(inputs))


@pytest.mark.parametrize("batch_size", [1, 2, 20])
def test_several_targets_of_an_image_are_explained_one_by_one(batch_size: int) -> None:
    image, target = torch.tensor([0, 0, 3, 6, 6, 6]), torch.tensor([1, 4, 0, 2, 3, 0])
    counts: list[int] = []
    cpu = torch.device("cpu")
    found = explain(
        network(), Gradient(), images(), target, batch_size=batch_size, device=cpu, advance=counts.append, image=image
    )
    for attribution, position, finding in zip(found, image, target, strict=True):
        one = images()[position][None].requires_grad_()
        (expected,) = torch.autograd.grad(network()(one)[0, finding], one)
        assert torch.allclose(attribution, expected[0], atol=1e-6)
    assert sum(counts) == 6
