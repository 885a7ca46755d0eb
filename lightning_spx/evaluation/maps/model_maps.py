"""Predicts and explains the chosen images with one model, by every method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, distributed

from lightning_spx.attribution import Attribution
from lightning_spx.attribution.alone import Neighbors
from lightning_spx.attribution.finite import NonFiniteError, require_finite
from lightning_spx.attribution.guards import explaining
from lightning_spx.attribution.reseed import reseed
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.evaluation.maps.readings import are_given, check_logits, predicted, probability_of
from lightning_spx.models.image_model import EitherClass, Head, ImageModel
from lightning_spx.models.network_name import network_name
from lightning_spx.runs.processes import gather_images, num_processes, own_share

# images evaluated twice
REPEATED = 2
# tolerance of their answers, relative to the largest logit
REPEATABLE = 1e-3


@dataclass(frozen=True)
class ModelMaps:
    """One model's predictions and attributions for the images, on the CPU and the same on every process.

    Args:
        preds: predicted classes, (N,) int64; of several findings (N, K) int64, 1 for a predicted one.
        probability: probability of each image's explained class, (N,), or of each item's finding, (I,); of a model with
            one number per image that number.
        attributions: each method's attributions, (N, C, H, W), by its name; for a model with one output they explain
            that output, whichever class is asked for. Of several findings those of the items, (I, C, H, W).
        items: the findings that are explained, each on an image; None unless the model has several.
    """

    preds: Tensor
    probability: Tensor
    attributions: Mapping[str, Tensor]
    items: Items | None = None


@dataclass(frozen=True)
class OutputsAndMaps:
    """One model's outputs and attributions, before the outputs are read as classes and probabilities.

    Args:
        outputs: (N, K), or (N,) for a model with one output.
        attributions: each method's attributions, (N, C, H, W), by its name, as in `ModelMaps`.
    """

    outputs: Tensor
    attributions: Mapping[str, Tensor]


def explain_model(
    model: ImageModel | EitherClass,
    methods: Mapping[str, Attribution],
    images: Tensor,
    label: Tensor | None,
    *,
    batch_size: int,
    device: torch.device,
    seed_offset: int,
) -> ModelMaps | None:
    """Predict and explain the images; each process takes a share of them.

    The outputs of all images together decide whether they are logits or probabilities.

    Args:
        model: the model, on `device`; it is left as it was.
        methods: attribution methods by their names in tables.
        images: (N, C, H, W) in [0, 1].
        label: (N,) the classes to explain; None explains each prediction.
        batch_size: number of images explained at a time.
        device: the model's device.
        seed_offset: added to the seed of random methods, so that two models never share their noise.

    Returns:
        The maps, or None if an output or gradient of the model is NaN or infinite, as after a training that diverged.

    Raises:
        TypeError: the model returns no logits.
        ValueError: the logits have a wrong shape, change from call to call, or depend on the rest of the batch.
    """
    found = evaluate_and_explain(
        model, methods, images, label, batch_size=batch_size, device=device, seed_offset=seed_offset
    )
    if found is None:
        return None
    if head_of(model) == "scalar":
        return ModelMaps(torch.zeros(len(images), dtype=torch.long), found.outputs, found.attributions)
    # a single row of logits may look like probabilities by chance
    given = are_given(found.outputs, network_name(model))
    preds = predicted(found.outputs, given)
    probability = probability_of(found.outputs, preds if label is None else label.cpu(), given)
    return ModelMaps(preds, probability, found.attributions)


def explain_findings(
    model: ImageModel,
    methods: Mapping[str, Attribution],
    images: Tensor,
    items_of: Callable[[Tensor], Items],
    *,
    batch_size: int,
    device: torch.device,
    seed_offset: int,
) -> ModelMaps | None:
    """Predict and explain the images with a model of several findings, each with a logit of its own.

    Args:
        model: the model, whose head is `multi_label`.
        methods: attribution methods by their names in tables.
        images: (N, C, H, W) in [0, 1].
        items_of: lists what to explain, given predictions (N, K).
        batch_size: number of images, and of items, at a time.
        device: the model's device.
        seed_offset: as in `explain_model`.

    Returns:
        The maps of the items, or None if an output or gradient of the model is NaN or infinite.

    Raises:
        TypeError: as in `explain_model`.
        ValueError: as in `explain_model`.
    """
    run = partial(evaluate_and_explain, batch_size=batch_size, device=device, seed_offset=seed_offset)
    known = run(model, {}, images, None)
    if known is None:
        return None
    given = are_given(known.outputs, network_name(model))
    preds = predicted(known.outputs, given, "multi_label")
    items = items_of(preds)
    attributions: Mapping[str, Tensor] = dict.fromkeys(methods, images[items.image])
    if len(items):
        found = run(model, methods, images[items.image], items.finding)
        if found is None:
            return None
        attributions = found.attributions
    probability = probability_of(known.outputs[items.image], items.finding, given, "multi_label")
    return ModelMaps(preds, probability, attributions, items)


def evaluate_and_explain(
    model: ImageModel | EitherClass,
    methods: Mapping[str, Attribution],
    images: Tensor,
    label: Tensor | None,
    *,
    batch_size: int,
    device: torch.device,
    seed_offset: int,
) -> OutputsAndMaps | None:
    """Predict and explain as `explain_model` does, but return the raw outputs."""
    share = own_share(len(images))
    parts: dict[str, list[Tensor]] = {}
    finite = True
    try:
        for start in range(0, len(share), batch_size):
            positions = share[start : start + batch_size]
            batch = images[positions].to(device)
            chosen = None if label is None else label[positions].to(device)
            logits = finite_logits(model, batch)
            if start == 0:
                check_repeatable(model, batch[:REPEATED])
                # this package's own methods check this themselves
                if not any(type(method).__module__.startswith("lightning_spx.") for method in methods.values()):
                    check_alone(model, batch[:REPEATED], logits[:REPEATED])
            binary = logits.ndim == 1
            target = None if binary else logits.argmax(1) if chosen is None else chosen
            parts.setdefault("outputs", []).append(logits.cpu())
            for name, method in methods.items():
                attribution = reseed(method, seed_offset).attribute(model, batch, target)
                parts.setdefault(f"method {name}", []).append(attribution.cpu())
    except NonFiniteError:
        finite = False
    # decide together before gathering, or a process would wait forever for one that has given up
    if not _all_processes(finite, device):
        return None
    whole = {key: gather_images(torch.cat(values).to(device), share).cpu() for key, values in parts.items()}
    return OutputsAndMaps(whole["outputs"], {name: whole[f"method {name}"] for name in methods})


def finite_logits(model: ImageModel | EitherClass, images: Tensor) -> Tensor:
    """Return the model's logits (N, K) or (N,), in evaluation mode and full precision.

    Raises:
        TypeError: the logits are not floating point.
        ValueError: the logits have another shape.
        NonFiniteError: a logit is NaN or infinite.
    """
    with explaining(model, images.device, "fp32") as explained, torch.no_grad():
        # pass a copy, because a model may write to its input (`x.sub_(mean)`)
        logits = check_logits(explained(images.clone()), network_name(model), len(images), head_of(model))
    require_finite(logits[:, None], "model output")
    return logits.float()


def head_of(model: ImageModel | EitherClass) -> Head:
    """Return what a model's outputs mean."""
    return model.head if isinstance(model, ImageModel) else "single_label"


def check_repeatable(model: ImageModel | EitherClass, images: Tensor) -> None:
    """Refuse a model whose logits for the same images change between calls, as they do if it draws random numbers.

    Args:
        model: the model; it is left as it was.
        images: a few images, (N, C, H, W) in [0, 1].

    Raises:
        ValueError: two answers differ by more than a thousandth of the largest logit, or in shape.
    """
    with explaining(model, images.device, "fp32") as explained, torch.no_grad():
        first, second = explained(images.clone()), explained(images.clone())
    name = network_name(model)
    if first.shape != second.shape:
        raise ValueError(
            f"Expected {name} to return the same shape in every call, got {tuple(first.shape)}, {tuple(second.shape)}."
        )
    apart = (first - second).abs().max().item() if first.numel() else 0.0
    # a GPU may add in another order each time, hence the tolerance; other checks refuse a NaN
    if apart > REPEATABLE * first.abs().max().item():
        raise ValueError(
            f"Expected {name} to give the same images the same logits in every call, got ones {apart:.3g} apart: "
            "switch off in evaluation mode what draws random numbers."
        )


def check_alone(model: ImageModel | EitherClass, images: Tensor, logits: Tensor) -> None:
    """Refuse a model whose answer to an image depends on the other images of the batch.

    Args:
        model: the model; it is left as it was.
        images: a few images, (N, C, H, W) in [0, 1].
        logits: the model's logits for these images within their batch, (N, K) or (N,).

    Raises:
        ValueError: the model gives an image other logits when it is alone.
    """
    target = None if logits.ndim == 1 else logits.argmax(1)
    chosen = logits if target is None else logits.gather(1, target[:, None])[:, 0]
    Neighbors(model, "fp32", at_once=True).look(images, None if target is None else target.cpu(), chosen)


def _all_processes(good: bool, device: torch.device) -> bool:
    if num_processes() == 1:
        return good
    flag = torch.tensor(int(good), device=device)
    distributed.all_reduce(flag, distributed.ReduceOp.MIN)
    return bool(flag.item())
