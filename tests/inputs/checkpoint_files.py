"""Files in the place of a checkpoint of a small classifier: none of them may run code, or pass for one."""

import functools
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lightning_spx.models import SmallResNet

TRACE = "trace"  # a file that running the code of a checkpoint would leave in the current folder


class Payload:
    """What a malicious file holds: reading it makes a folder."""

    def __init__(self, function: Callable[..., object] = os.mkdir, *arguments: object) -> None:
        self.call = (function, arguments or (TRACE,))

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def network() -> nn.Module:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return SmallResNet(num_classes=2, width=4)


def content() -> dict[str, Any]:
    """What Lightning writes for a trained `ImageClassifier` of the command line, less what its loops keep."""
    state = {f"network.{name}": value for name, value in network().state_dict().items()}
    state |= {"normalize.mean": torch.zeros(3, 1, 1), "normalize.std": torch.ones(3, 1, 1)}
    loops: dict[str, Any] = {name: {} for name in ("fit_loop", "validate_loop", "test_loop", "predict_loop")}
    settings = {
        "network": {"class_path": "lightning_spx.models.SmallResNet", "init_args": {"num_classes": 2, "width": 4}},
        "_class_path": "lightning_spx.models.ImageClassifier",
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
    }
    return {
        **{"pytorch-lightning_version": "2.5.0", "epoch": 1, "global_step": 2, "loops": loops, "callbacks": {}},
        **{"state_dict": state, "optimizer_states": [{}], "lr_schedulers": [{}], "hyper_parameters": settings},
    }


def saved(value: object, *, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def with_part(name: str, value: object) -> bytes:
    return saved({**content(), name: value})


def with_weight(value: object) -> bytes:
    state = content()["state_dict"]
    return with_part("state_dict", {**state, "network.head.weight": value})


def without(name: str) -> bytes:
    return saved({key: value for key, value in content().items() if key != name})


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, each in members.items():
            file.writestr(f"archive/{name.replace('_', '.')}", each)
    return stream.getvalue()


WHOLE = saved(content())
OLD = saved(content(), zipped=False)

# no checkpoint to anybody
BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"P",
    "text": b"no checkpoint",
    "noise": np.random.default_rng(0).bytes(3000),
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "a header of HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a header of safetensors": struct.pack("<Q", 10**12) + b"{}",
    "the beginning": WHOLE[:2000],
    "half": WHOLE[: len(WHOLE) // 2],
    "all but the end": WHOLE[:-30],
    "without the beginning": WHOLE[100:],
    "half of the old format": OLD[: len(OLD) // 2],
    "an archive of nothing": archive(),
    "an archive of another kind": archive(notes_txt=b"mine"),
    "an archive with an empty pickle": archive(data_pkl=b"", version=b"3"),
    "an archive with a broken pickle": archive(data_pkl=b"\x80\x02}q\x00(X\xff", version=b"3"),
    "a pickle that only stops": b"\x80\x02.",
    "a pickle of a dict": pickle.dumps({"state_dict": {}}, protocol=2),
    "a pickle that runs code": pickle.dumps(Payload(), protocol=2),
    "a pickle of a model": pickle.dumps({"state_dict": network()}, protocol=2),
    "code beside the weights": with_part("callbacks", {"x": Payload()}),
    "code in the weights": with_weight(Payload()),
    "code in the settings": with_part("hyper_parameters", {"network": Payload()}),
    "code in place of all": saved(Payload()),
    "code of the shell": saved(Payload(os.system, f"mkdir {TRACE}")),
    "code that is evaluated": saved(Payload(eval, f"__import__('os').mkdir('{TRACE}')")),
    "code in the old format": saved({**content(), "callbacks": Payload()}, zipped=False),
    "a partial": with_part("hyper_parameters", {"optimizer": functools.partial(torch.optim.SGD, lr=1.0)}),
    "a module": with_part("hyper_parameters", {"network": network()}),
    "a path": with_part("callbacks", {"x": Path("x")}),
    "a list": saved([1, 2]),
    "a tensor": saved(torch.zeros(3)),
    "a number": saved(7),
    "none": saved(None),
    "no weights": without("state_dict"),
    "a list of weights": with_part("state_dict", [torch.zeros(1)]),
    "a tensor of weights": with_part("state_dict", torch.zeros(9)),
    "numbered weights": with_part("state_dict", {0: torch.zeros(1)}),
}
# a checkpoint, and of another model
FOREIGN: dict[str, bytes] = {
    "of another architecture": with_part("state_dict", nn.Linear(3, 2).state_dict()),
    "of another width": with_weight(torch.zeros(2, 5)),
    "a weight less": with_part("state_dict", dict(list(content()["state_dict"].items())[1:])),
    "a weight more": with_part("state_dict", {**content()["state_dict"], "network.more": torch.zeros(1)}),
    "no weight at all": with_part("state_dict", {}),
    "words for weights": with_weight("many"),
    "none for a weight": with_weight(None),
    "a list for a weight": with_weight([[0.0] * 16] * 2),
}
# what its settings say cannot be built, or must not be
UNBUILDABLE: dict[str, bytes] = {
    "no settings": without("hyper_parameters"),
    "an unknown class": with_part(
        "hyper_parameters", {**content()["hyper_parameters"], "network": {"class_path": "a.B"}}
    ),
    "a command": with_part(
        "hyper_parameters",
        {
            **content()["hyper_parameters"],
            "network": {"class_path": "os.system", "init_args": {"command": f"mkdir {TRACE}"}},
        },
    ),
    "another instantiator": with_part(
        "hyper_parameters", {**content()["hyper_parameters"], "_instantiator": "os.system"}
    ),
    "another module": with_part("hyper_parameters", {**content()["hyper_parameters"], "_class_path": "os.system"}),
    "a number for a network": with_part("hyper_parameters", {**content()["hyper_parameters"], "network": 5}),
    "a word for a width": with_part(
        "hyper_parameters",
        {
            **content()["hyper_parameters"],
            "network": {"class_path": "lightning_spx.models.SmallResNet", "init_args": {"width": "wide"}},
        },
    ),
    "a list of settings": with_part("hyper_parameters", [1]),
}
# weights that a Trainer cannot go on from
NOT_RESUMABLE: dict[str, bytes] = {
    **{
        f"without {name}": without(name)
        for name in ("pytorch-lightning_version", "epoch", "global_step", "optimizer_states", "lr_schedulers")
    },
    **{
        f"{name} is a word": with_part(name, "many")
        for name in ("epoch", "global_step", "optimizer_states", "lr_schedulers", "loops", "callbacks")
    },
    "a number for an optimizer": with_part("optimizer_states", [5]),
    "a number for a loop": with_part("loops", {**content()["loops"], "fit_loop": 3}),
    "a loop less": with_part("loops", {"fit_loop": {}}),
}
