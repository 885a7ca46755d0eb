"""Finds the modules that a callable evaluates: those that it is, is bound to, encloses, or names."""

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from types import CodeType, FunctionType, MethodType, SimpleNamespace

from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset

# enough steps from a function to an object that holds a list of networks, and a few more
DEPTH = 6
# containers of networks have few entries, containers of images have many
LONGEST = 100
LEADING_EVERYWHERE = (Trainer, LightningDataModule, Logger, Callback, Dataset, DataLoader, Optimizer)
LIBRARIES = frozenset(
    [
        "builtins",
        "collections",
        "functools",
        "itertools",
        "logging",
        "types",
        "typing",
        "threading",
        "multiprocessing",
        "pathlib",
        "re",
        "enum",
        "weakref",
        "io",
        "contextlib",
        "dataclasses",
        "abc",
        "concurrent",
        "asyncio",
        "queue",
        "random",
        "lightning_spx",
        "torch",
        "torchvision",
        "torchmetrics",
        "lightning",
        "lightning_fabric",
        "lightning_utilities",
        "pytorch_lightning",
        "numpy",
        "scipy",
        "pandas",
        "PIL",
        "skimage",
        "sklearn",
        "matplotlib",
        "wandb",
        "tensorboard",
        "mlflow",
        "rich",
        "tqdm",
        "jsonargparse",
        "ray",
        "omegaconf",
    ]
)


def modules_behind(model: object) -> list[nn.Module]:
    """Return the modules that a model refers to and so may evaluate: the outermost ones, each once.

    The search follows methods, `functools.partial`, functions (their closures, defaults and the global names that they
    use), objects, and lists, tuples and dicts of these.

    Args:
        model: any callable.

    Example:
        >>> network = nn.ReLU()
        >>> modules_behind(lambda images: network(images)["logits"])
        [ReLU()]
    """
    found: list[nn.Module] = []
    waiting: deque[tuple[object, int]] = deque([(model, 0)])
    seen: dict[int, object] = {}  # holds the objects, so that no other object can get the same id
    while waiting:
        value, depth = waiting.popleft()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, nn.Module):
            found.append(value)
        elif depth < DEPTH:
            waiting.extend((each, depth + 1) for each in referred_to(value))
    return found


def referred_to(value: object) -> Iterator[object]:
    """Yield what a function, method, partial, container or plain object refers to; nothing for any other value."""
    if isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, FunctionType):
        yield from enclosed(value)
        yield from named_globals(value).values()
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from islice(value, LONGEST)
    elif isinstance(value, Mapping):
        yield from islice(value.values(), LONGEST)
    elif is_plain_object(value):
        yield from vars(value).values()
        if callable(value):
            yield type(value).__call__


def enclosed(function: FunctionType) -> Iterator[object]:
    """Yield the values that a function carries with it: its closure and its defaults."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # the name has no value yet
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    # the function that `functools.wraps` wrapped
    if hasattr(function, "__wrapped__"):
        yield function.__wrapped__


def named_globals(function: FunctionType) -> dict[str, object]:
    """Return the global values that a function, or a function defined inside it, uses by name."""
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
    return {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}


def is_plain_object(value: object) -> bool:
    """Return whether a value is an object of a user's class, whose attributes show what it holds.

    Excluded are objects of libraries, and objects that lead everywhere: a Trainer to its data, a logger to its files.
    """
    if isinstance(value, (type, *LEADING_EVERYWHERE)) or not hasattr(value, "__dict__"):
        return False
    if isinstance(value, SimpleNamespace):
        return True
    return type(value).__module__.partition(".")[0] not in LIBRARIES
