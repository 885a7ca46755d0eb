"""Finds the parameter of a network's `forward` that takes images, and calls the network with them."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from lightning_spx.guard.layer_names import users_name

# the keyword of Hugging Face's vision models, also of those whose first parameter takes text
PIXEL_VALUES = "pixel_values"
# keywords that a `forward(**batch)` may read images from, most common first
USUAL = (PIXEL_VALUES, "image", "images", "inputs", "input", "x", "img", "imgs", "pixels", "data")
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
ANY_KEYWORD = "**"


def input_keyword(network: Callable[..., Any], input_name: str | None) -> str | None:
    """Return the keyword by which a network takes images, None if by position, `**` if one must be tried out.

    Args:
        network: a module, whose `forward` counts, or a callable.
        input_name: the user's choice; None decides by the signature.

    Raises:
        ValueError: `forward` has no such parameter, or takes no images alone; the message lists the parameters.

    Example:
        >>> input_keyword(lambda *, images: images, None), input_keyword(nn.ReLU(), None)
        ('images', None)
    """
    try:
        parameters = inspect.signature(network.forward if isinstance(network, nn.Module) else network).parameters
    except (TypeError, ValueError):
        # a builtin or compiled function tells nothing
        return input_name
    open_ended = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())
    names = [name for name, each in parameters.items() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    if input_name is not None:
        if input_name in names or open_ended:
            return input_name
        near = ", ".join(get_close_matches(input_name, names) or names) or "none"
        raise ValueError(
            f"Expected `input_name` to be a parameter of {users_name(network)}.forward, such as {near}, got "
            f"{input_name!r}."
        )
    if PIXEL_VALUES in names:
        return PIXEL_VALUES
    if any(each.kind in (*POSITIONAL, each.VAR_POSITIONAL) for each in parameters.values()):
        return None
    known = [name for name in USUAL if name in names]
    if known:
        return known[0]
    if open_ended:
        return ANY_KEYWORD
    raise ValueError(
        f"Expected {users_name(network)}.forward to take images, got the parameters {', '.join(names) or 'none'}: name "
        "the one for images as `input_name`."
    )


def call_with_images(network: Callable[..., Any], keyword: str | None, images: Tensor) -> object:
    """Call a network with images by position, by a keyword, or by the first usual keyword that it reads.

    Raises:
        TypeError: it reads none of the usual keywords.
    """
    if keyword is None:
        return network(images)
    if keyword != ANY_KEYWORD:
        return network(**{keyword: images})
    for name in USUAL:
        try:
            return network(**{name: images})
        except KeyError as error:
            missing = error.args[0] if error.args else None
            if missing == name:
                raise
            if missing not in USUAL:
                raise TypeError(
                    f"Expected {users_name(network)}.forward(**batch) to need images alone, but it reads {missing!r}: "
                    "name the keyword for images as `input_name`, and make everything else optional."
                ) from error
        except TypeError as error:
            # an inner call refuses a keyword that it does not know
            if f"unexpected keyword argument '{name}'" not in str(error):
                raise
    raise TypeError(
        f"Expected {users_name(network)}.forward(**batch) to read images from one of {', '.join(USUAL)}: name the "
        "keyword as `input_name`."
    )
