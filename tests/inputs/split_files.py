"""Files of splits that somebody has touched, with and without a right hash."""

import copy
import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lightning_spx.data.split_plan import make_split

LABELS = np.arange(24) % 3
SPLITS = [make_split(LABELS, "disjoint", 2, seed) for seed in (0, 1)]
Content = list[dict[str, Any]]


def content() -> Content:
    """What `save_splits` writes."""
    return [{**split.content(), "sha256": split.sha256} for split in SPLITS]


def edited(change: Callable[[dict[str, Any]], object], *, rehashed: bool = False) -> str:
    """The file with a change in its second split, and perhaps the hash that goes with it."""
    whole = content()
    entry = whole[1]
    change(entry)
    if rehashed:
        del entry["sha256"]
        entry["sha256"] = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    return json.dumps(whole)


def put(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda entry: entry.update({name: value})


def drop(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda entry: entry.pop(name)


def put_index(value: object, place: int = 0) -> Callable[[dict[str, Any]], object]:
    return lambda entry: entry["parts"][0].__setitem__(place, value)


KIND_OF_WRONG: dict[str, object] = {"a word": "many", "none": None, "a list": [1], "a table": {"a": 1}, "a half": 0.5}
WHOLE = json.dumps(content())
FIRST = copy.deepcopy(content()[1]["parts"][0])

SPLIT_FILES: dict[str, bytes] = {
    "nothing": b"",
    "text": b"no splits",
    "half": WHOLE[: len(WHOLE) // 2].encode(),
    "one bracket less": WHOLE[:-1].encode(),
    "bytes": bytes(range(256)),
    "another encoding": WHOLE.encode("utf-16"),
    "brackets": b"[" * 100_000,
    "no splits": b"[]",
    "a number": b"7",
    "null": b"null",
    "a table": json.dumps(content()[0]).encode(),
    "a list of words": b'["a"]',
    "a number too long to read": b"[" + b"9" * 5000 + b"]",
    **{
        f"{name} is {kind}": edited(put(name, value)).encode()
        for name in ("plan", "num_parts", "seed", "labels_hash", "num_images", "parts", "sha256")
        for kind, value in KIND_OF_WRONG.items()
    },
    **{
        f"without {name}": edited(drop(name)).encode()
        for name in ("plan", "num_parts", "seed", "labels_hash", "num_images", "parts", "sha256")
    },
    "another seed": edited(put("seed", 7)).encode(),
    "an index changed": edited(put_index(23)).encode(),
    "an index with a point": edited(put_index(FIRST[0] + 0.25)).encode(),
    "an index as a word": edited(put_index(str(FIRST[0]))).encode(),
    "an index that is true": edited(put_index(True)).encode(),
    "an index that is no number": edited(put_index(math.nan)).encode(),
    "an index beyond 64 bits": edited(put_index(10**30)).encode(),
    "an index twice": edited(lambda entry: entry["parts"][0].insert(0, FIRST[0])).encode(),
    "an index gone": edited(lambda entry: entry["parts"][0].pop()).encode(),
    "a part gone": edited(lambda entry: entry["parts"].pop()).encode(),
    "parts exchanged": edited(lambda entry: entry["parts"].reverse()).encode(),
    "another hash": edited(put("sha256", "0" * 64)).encode(),
    "the hash of the other split": edited(put("sha256", SPLITS[0].sha256)).encode(),
    "other labels": edited(put("labels_hash", "0" * 64), rehashed=True).encode(),
    "an index beyond the pool, hashed again": edited(put_index(24, -1), rehashed=True).encode(),
    "a negative index, hashed again": edited(put_index(-1), rehashed=True).encode(),
    "an image in both parts, hashed again": edited(
        lambda entry: entry["parts"].__setitem__(0, entry["parts"][1]), rehashed=True
    ).encode(),
    "an unsorted part, hashed again": edited(lambda entry: entry["parts"][0].reverse(), rehashed=True).encode(),
    "no parts, hashed again": edited(put("parts", []), rehashed=True).encode(),
    "an empty part, hashed again": edited(put("parts", [[], [1]]), rehashed=True).encode(),
    "more models than parts, hashed again": edited(put("num_parts", 3), rehashed=True).encode(),
    "an unknown plan, hashed again": edited(put("plan", "some"), rehashed=True).encode(),
    "folds that leave images out, hashed again": edited(
        lambda entry: entry.update(plan="folds", parts=[[0], [1]]), rehashed=True
    ).encode(),
    "another pool size, hashed again": edited(put("num_images", 25), rehashed=True).encode(),
}
