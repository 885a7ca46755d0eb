"""Follows the tokens of a transformer: where they first appear, and up to which layer they see one another."""

from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightning_spx.attribution.alone import REFUSALS
from lightning_spx.attribution.layer_calls import call_hooked, in_place_of, only_tensor, python_layers


class TokenLayer(NamedTuple):
    """A layer that returns tokens: their number, and 0 for `(N, T, A)` or 1 for `(T, N, A)`."""

    name: str
    tokens: int
    batch_axis: int


class _Found(Exception):
    """Ends a forward pass early."""


def first_tokens(network: nn.Module, images: Tensor, layer: TokenLayer) -> Tensor | None:
    """Return the first tensor with as many tokens as a layer returns: what some layer was given, or returned.

    Returns:
        `(N, T, D)`; None if there is none.
    """
    found: list[Tensor] = []

    def look(value: Tensor | None, num_images: int) -> None:
        if value is not None and value.ndim == 3:
            tokens = value.movedim(layer.batch_axis, 0)
            if tokens.shape[:2] == (num_images, layer.tokens):
                found.append(tokens)
                raise _Found

    def evaluate(few: Tensor) -> None:
        with suppress(_Found):
            call_hooked(
                network,
                few,
                python_layers(network),
                lambda _, __, ___, output: look(only_tensor(output), len(few)),
                lambda given: look(given, len(few)),
            )

    try:
        evaluate(images)
    except REFUSALS:
        found.clear()
        for image in torch.split(images, 1):
            evaluate(image)
    tokens = torch.cat(found) if found else None
    return tokens if tokens is not None and len(tokens) == len(images) else None


def exchange_follows(network: nn.Module, image: Tensor, layer: TokenLayer) -> bool:
    """Return whether tokens still depend on one another after a layer: another one changes if only one is replaced."""
    place = layer.tokens // 2
    others = [token for token in range(layer.tokens) if token != place]

    def later(changed_call: int | None) -> tuple[list[Tensor], int]:
        calls, outputs = 0, list[Tensor]()

        def after(name: str, _: nn.Module, __: Tensor | None, output: object) -> object:
            nonlocal calls
            tensor = only_tensor(output)
            if tensor is None:
                return None
            if name == layer.name:
                calls += 1
                # what counts is the last call, whose output is explained
                outputs.clear()
                if calls != changed_call:
                    return None
                changed = tensor.movedim(layer.batch_axis, 0).clone()
                changed[:, place] = -changed[:, place] - 1
                return in_place_of(output, changed.movedim(0, layer.batch_axis))
            if calls and tensor.ndim == 3 and tensor.shape[1 - layer.batch_axis] == layer.tokens:
                outputs.append(tensor.movedim(layer.batch_axis, 0))
            return None

        call_hooked(network, image, python_layers(network), after)
        return outputs, calls

    before, calls = later(None)
    changed, _ = later(calls)
    return any(
        bool((one - other)[:, others].abs().max() > 1e-5 * one.abs().max())
        for one, other in zip(before, changed, strict=False)
    )
