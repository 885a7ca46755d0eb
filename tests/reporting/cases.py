"""Result rows as a study writes them, and the reader of a W&B offline file."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from wandb.proto import wandb_internal_pb2

NAN = float("nan")


def row(superpixels: str = "pixel", **changes: object) -> dict[str, object]:
    """One row of `results.csv`: SSIM of the Gradient, with the given changes."""
    pooled: dict[str, object] = {"best_control": f"control:grid({superpixels})", "magnitude": "after"}
    plain: dict[str, object] = {"best_control": NAN, "magnitude": "either"}
    return {
        "dataset": "birds",
        "models": "2 x SmallResNet",
        "pair": "all",
        "method": "Gradient",
        "superpixels": superpixels,
        "metric": "saliency_ssim",
        "setting": "",
        "value": 0.25,
        "ci_low": 0.125,
        "ci_high": 0.5,
        "interval": "over images, for these models",
        "num_images": 40,
        "num_dropped": 0,
        "floor": 0.0625,
        "excess": 0.2,
        "gain": NAN,
        "gain_low": NAN,
        "gain_high": NAN,
        "mean_segments": 56.4,
        **(plain if superpixels == "pixel" or superpixels.startswith("control:") else pooled),
        **changes,
    }


def table(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def offline_records(folder: Path) -> Iterator[Any]:
    """Read what an offline run keeps for its later upload: a LevelDB log in blocks of 32 KiB, after 7 bytes."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    content, place, parts = file.read_bytes(), 7, b""
    while place < len(content):
        left = 32768 - place % 32768
        if left < 7:  # too short for another header: zeros
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            # the class for the installed version of protobuf is chosen when wandb is imported
            yield vars(wandb_internal_pb2)["Record"].FromString(parts)
            parts = b""


def offline_history(folder: Path) -> dict[str, Any]:
    """Return every logged value of the run by its key; a table or picture is a dict of its own."""
    history: dict[str, Any] = {}
    for record in offline_records(folder):
        for item in record.history.item:
            name, *field = item.nested_key
            value = json.loads(item.value_json)
            if field:
                history.setdefault(name, {})[".".join(field)] = value
            else:
                history[name] = value
    return history


def offline_config(folder: Path) -> dict[str, Any]:
    """Return the settings of the run."""
    updates = [item for record in offline_records(folder) for item in record.config.update]
    return {item.key: json.loads(item.value_json) for item in updates}
