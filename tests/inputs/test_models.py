"""Models of others: what they answer is refused by name, or explained as it is."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from lightning_spx.attribution import Attribution, Gradient
from lightning_spx.attribution.finite import NonFiniteError
from lightning_spx.evaluation import SaliencyEvaluator
from lightning_spx.evaluation.maps.model_maps import ModelMaps, explain_model
from lightning_spx.metrics import deletion, insertion, irof, road
from lightning_spx.metrics.probability import target_probability
from lightning_spx.models import ImageClassifier
from lightning_spx.models.image_model import ImageModel
from lightning_spx.superpixels import Grid
from tests.attribution.cases import METHODS, name_of, relative
from tests.evaluation.callbacks.evaluator_cases import QUIET, loader
from tests.inputs.models import (
    CHANGING,
    NAN_GRADIENT,
    NO_GRADIENT,
    NOT_FINITE,
    PACKED,
    PRECISE,
    RAISING,
    WRONG,
    Answer,
    Classifier,
    images,
    raising,
)
from tests.inputs.outcomes import refused

TARGET = torch.tensor([0, 1, 2, 0])
SALIENCY = torch.rand(4, 12, 12, generator=torch.Generator().manual_seed(2))
SEGMENTS = torch.arange(4).repeat_interleave(36).view(1, 12, 12).repeat(4, 1, 1)
Use = Callable[[Any], Any]


def attributed(method: Attribution) -> Use:
    return lambda model: method.attribute(model, images(), TARGET)


ATTRIBUTED: dict[str, Use] = {name_of(method): attributed(method) for method in METHODS}
# these evaluate the model and no gradient
FORWARD_ONLY = (
    "Occlusion",
    "RISE",
    "SegmentAttribution-FeatureAblation",
    "SegmentAttribution-KernelShap",
)
MEASURED: dict[str, Use] = {
    "probability": lambda model: target_probability(model, images(), TARGET, 2),
    "deletion": lambda model: deletion(model, images(), TARGET, SALIENCY, 4),
    "insertion": lambda model: insertion(model, images(), TARGET, SALIENCY, 4),
    "irof": lambda model: irof(model, images(), TARGET, SALIENCY, SEGMENTS, (0.0, 0.0, 0.0)),
    "road": lambda model: road(model, images(), TARGET, SALIENCY),
}


def evaluated(model: Classifier, target: Tensor | None = TARGET) -> ModelMaps | None:
    """The callback's and `spx explain`'s way to explain."""
    explained = ImageModel(model)
    return explain_model(
        explained, {"Gradient": Gradient()}, images(), target, batch_size=2, device=torch.device("cpu"), seed_offset=0
    )


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_logits_is_refused(name: str) -> None:
    for use in (ATTRIBUTED | MEASURED).values():
        refused(partial(use, Classifier(WRONG[name])), "Expected the model")
    refused(lambda: evaluated(Classifier(WRONG[name])), "to return")


@pytest.mark.parametrize("name", PACKED)
def test_logits_among_other_things_are_taken_out(name: str) -> None:
    for use in (ATTRIBUTED | MEASURED).values():
        assert torch.equal(use(Classifier(PACKED[name])), use(Classifier()))
    found, expected = evaluated(Classifier(PACKED[name])), evaluated(Classifier())
    assert found is not None
    assert expected is not None
    assert torch.equal(found.attributions["Gradient"], expected.attributions["Gradient"])


@pytest.mark.parametrize("name", NOT_FINITE)
def test_logits_that_are_not_finite_are_refused_with_the_images(name: str) -> None:
    answer, positions = NOT_FINITE[name]
    for function, use in ATTRIBUTED.items():
        with pytest.raises(NonFiniteError) as caught:
            use(Classifier(answer))
        assert set(caught.value.images) <= set(positions), function
        assert type(METHODS[list(ATTRIBUTED).index(function)]).__name__ in str(caught.value)
    for function, use in MEASURED.items():
        message = refused(partial(use, Classifier(answer)), "finite model output")
        if function != "irof":
            # one image at a time there
            assert str(positions[0]) in message
    assert evaluated(Classifier(answer)) is None


@pytest.mark.parametrize("name", NO_GRADIENT)
def test_a_model_without_a_gradient_is_refused_where_one_is_needed(name: str) -> None:
    for function, use in ATTRIBUTED.items():
        if function not in FORWARD_ONLY:
            refused(partial(use, Classifier(NO_GRADIENT[name])), "model")
    for use in [*MEASURED.values(), *(ATTRIBUTED[function] for function in FORWARD_ONLY)]:
        assert use(Classifier(NO_GRADIENT[name])).isfinite().all()


def test_a_gradient_that_is_not_finite_is_refused_with_method_and_images() -> None:
    for function, use in ATTRIBUTED.items():
        if function not in ("GradCAM", "GradCAMPlusPlus", "LayerCAM", *FORWARD_ONLY):
            # the first three look at the gradient of a layer
            message = refused(partial(use, Classifier(NAN_GRADIENT)), "finite")
            assert "[0, 1, 2, 3]" in message or "[0]" in message
    assert evaluated(Classifier(NAN_GRADIENT)) is None


@pytest.mark.parametrize("name", CHANGING)
def test_a_model_that_answers_otherwise_each_time_is_refused_by_the_callback_and_explain(name: str) -> None:
    refused(lambda: evaluated(Classifier(CHANGING[name])), "Classifier", "in every call")


def test_a_method_explains_the_answer_that_it_gets() -> None:
    expected = Gradient().attribute(Classifier(), images(), TARGET)
    # what is added has no gradient; what is multiplied is in it
    drawn = Gradient().attribute(Classifier(CHANGING["a draw of torch"]), images(), TARGET)
    counted = Gradient().attribute(Classifier(CHANGING["a count of its calls"]), images(), TARGET)
    assert relative(drawn, expected) < 1e-5
    assert relative(counted, 2 * expected) < 1e-5


@pytest.mark.parametrize("name", RAISING)
def test_an_error_of_the_model_itself_passes_through(name: str) -> None:
    error = RAISING[name]
    for function, use in (ATTRIBUTED | MEASURED | {"evaluated": evaluated}).items():
        model = Classifier(raising(error)).train()
        # in captum's hands an error of torch is one that captum met
        kind = (type(error), ValueError) if "Captum" in function else type(error)
        with pytest.raises(kind, match="boom"):
            use(model)
        assert all(part.training for part in model.modules())


@pytest.mark.parametrize("name", PRECISE)
def test_logits_of_another_precision_are_explained(name: str) -> None:
    expected = Gradient().attribute(Classifier(), images(), TARGET)
    found = Gradient().attribute(Classifier(PRECISE[name]), images(), TARGET)
    assert found.dtype == torch.float32
    assert relative(found, expected) < 0.01
    probability = target_probability(Classifier(PRECISE[name]), images(), TARGET)
    torch.testing.assert_close(probability, target_probability(Classifier(), images(), TARGET), rtol=0.02, atol=0.01)


def test_an_image_without_finite_logits_counts_as_misclassified(monkeypatch: pytest.MonkeyPatch) -> None:
    # the largest of NaN is the first, which would be a hit for class 0
    classifier = ImageClassifier(Classifier(NOT_FINITE["NaN for one image"][0]), mean=(0.0,) * 3, std=(1.0,) * 3)
    preds = Classifier()(images()).argmax(1)
    monkeypatch.setattr(classifier, "log", lambda *_, **__: None)
    classifier.test_step({"image": images(), "label": preds}, 0)
    assert classifier.test_accuracy.compute() == 0.75
    classifier.test_accuracy.reset()
    classifier.test_step({"image": images()[1:2], "label": torch.tensor([0])}, 0)
    assert classifier.test_accuracy.compute() == 0


def test_an_image_without_a_finite_logit_counts_as_misclassified_where_there_is_one_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logits = torch.tensor([[1.0], [torch.nan], [2.0], [torch.inf]])
    classifier = ImageClassifier(Classifier(lambda *_: logits), mean=(0.0,) * 3, std=(1.0,) * 3)
    monkeypatch.setattr(classifier, "log", lambda *_, **__: None)
    classifier.test_step({"image": images(), "label": torch.ones(4, dtype=torch.int64)}, 0)
    assert classifier.test_accuracy.compute() == 0.5


class Judged(LightningModule):
    """A model of anybody's in a Trainer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.classifier = Classifier(answer)

    def forward(self, batch: Tensor) -> object:
        answer: object = self.classifier(batch)
        return answer

    def test_step(self, batch: object, batch_idx: int) -> None:
        pass


def judge(answer: Answer, out: Path) -> None:
    evaluator = SaliencyEvaluator(superpixels=[Grid(4)], num_images=6, num_resamples=20, out=out)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        Trainer(**QUIET, callbacks=[evaluator]).test(Judged(answer), loader(normalize=False), verbose=False)


@pytest.mark.parametrize("name", ["none", "a row less", "another axis", "whole numbers"])
def test_the_callback_names_the_module_whose_answer_is_wrong(name: str, tmp_path: Path) -> None:
    message = refused(lambda: judge(WRONG[name], tmp_path), "return")
    assert "Judged" in message or "the model's `forward`" in message


def test_the_callback_warns_of_what_is_not_finite_and_evaluates_nothing(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="an output or gradient of the model is NaN or infinite: not evaluated"):
        judge(NOT_FINITE["NaN for all"][0], tmp_path)


def test_the_callback_names_a_module_that_answers_otherwise_each_time(tmp_path: Path) -> None:
    refused(lambda: judge(CHANGING["a draw of torch"], tmp_path), "Judged", "in every call")
