"""Maps of the evaluated model and of others -> how far they agree, with floors, and where they lie in the mask."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from lightning_spx.attribution import Attribution, saliency_map
from lightning_spx.attribution.saliency import Magnitude
from lightning_spx.evaluation.callbacks.explained_images import ExplainedImages
from lightning_spx.evaluation.callbacks.finding_names import finding_keys
from lightning_spx.evaluation.maps.findings import Items
from lightning_spx.evaluation.maps.model_maps import ModelMaps
from lightning_spx.evaluation.maps.shards import derangement
from lightning_spx.evaluation.statistics.comparison import ComparisonSettings, compare
from lightning_spx.evaluation.statistics.image_facts import ImageFacts
from lightning_spx.evaluation.statistics.localization import LOCALIZATION
from lightning_spx.evaluation.statistics.results import summarize
from lightning_spx.metrics import Distance
from lightning_spx.reporting.rows import ALL_PAIRS, PIXEL, finding_of, of_condition, without_controls

PREVIOUS = "previous"
# the last parts of keys: a folder store of a logger needs that no key begins with another one and a slash
PARTS = ("value", "floor", "excess")


def compare_with(
    model: ModelMaps,
    others: Mapping[str, ModelMaps],
    methods: Mapping[str, Attribution],
    explained: ExplainedImages,
    *,
    magnitude: Magnitude,
    distance: Distance,
    controls: bool,
) -> pd.DataFrame:
    """Compare one model's maps with those of each other model, image by image.

    Args:
        model: the evaluated model's maps.
        others: maps of other models under the same methods, by name; not empty.
        methods: by their names.
        explained: the images.
        magnitude: order of pooling and taking magnitudes.
        distance: of MeGe.
        controls: whether to pool by the controls, too.

    Returns:
        The rows of `compare` for each method and each other model, whose name is in the column `pair`. They do not
        depend on which other models there are. Models of findings are compared on those that both explain, and a number
        per image, without classes, has no rows for MeGe.

    Raises:
        ValueError: two models explain a finding of fewer than two images in common; see `comparable`.
    """
    permutation = derangement(len(explained.images), explained.seed)
    poolings = explained.poolings(controls)
    distances: list[Distance] = [] if explained.head == "scalar" else [distance]
    index = torch.arange(len(explained.images))
    frames = []
    for name, other in others.items():
        preds = torch.stack([model.preds, other.preds])
        if model.items is None or other.items is None:
            rows_of_maps = [index, index]
            images = ImageFacts(index, explained.label, preds, None, permutation)
        else:
            items, *rows_of_maps = common_items(model.items, other.items)
            images = ImageFacts.of_items(index, explained.label, preds, None, permutation, items)
        for method, settings in methods.items():
            both = torch.stack(
                [maps.attributions[method][rows] for maps, rows in zip((model, other), rows_of_maps, strict=True)]
            )
            comparison = ComparisonSettings([magnitude], settings.non_negative, explained.seed)
            rows = compare(both, poolings, images, comparison, distances)
            frames.append(rows.assign(pair=name, method=method, repeat=0))
    return pd.concat(frames, ignore_index=True)


def common_items(first: Items, second: Items) -> tuple[Items, Tensor, Tensor]:
    """Return the items that two models explain, and their rows among those of each.

    Example:
        >>> one = Items(torch.tensor([0, 0, 2]), torch.tensor([0, 1, 1]), ("wing", "crest"))
        >>> two = Items(torch.tensor([0, 1, 2]), torch.tensor([1, 1, 1]), ("wing", "crest"))
        >>> common_items(one, two)[1:]
        (tensor([1, 2]), tensor([0, 2]))
    """
    codes = [items.image * len(items.findings) + items.finding for items in (first, second)]
    rows = torch.isin(codes[0], codes[1]).nonzero().flatten()
    # both are sorted in the same way
    of_second = torch.isin(codes[1], codes[0]).nonzero().flatten()
    return Items(first.image[rows], first.finding[rows], first.findings), rows, of_second


def comparable(first: ModelMaps, second: ModelMaps) -> bool:
    """Return whether two models explain something of two images or more, which a comparison needs for its floor."""
    if first.items is None or second.items is None:
        return len(first.preds) > 1
    return len(set(common_items(first.items, second.items)[0].image.tolist())) > 1


def agreement_scalars(per_image: pd.DataFrame) -> dict[str, float]:
    """Average the rows of `compare_with` into the numbers of a dashboard.

    Returns:
        `saliency_ssim/<method>/value`, and the same of `topk_overlap` and `mege`, over all models that are not the
        previous state of the same one, each also with `/floor` and `/excess` in the place of `/value`; `<method>` is
        `Gradient` by pixel and `S-Gradient/Slic` pooled. Agreement with the previous state has these names if it is
        alone, and else `<method>/previous`. Numbers of one finding then have its key, before the last part. Left out is
        what has no value, as MeGe without an image that both models classify correctly, and the controls.
    """
    own = without_controls(per_image)
    kinds = {"": own[own["pair"] != PREVIOUS], f"/{PREVIOUS}": own[own["pair"] == PREVIOUS]}
    alone = sum(not rows.empty for rows in kinds.values()) == 1
    scalars: dict[str, float] = {}
    for ending, rows in kinds.items():
        if rows.empty:
            continue
        results = summarize(rows, dataset="", models="", num_resamples=0)
        for _, row in of_condition(results[results["pair"] == ALL_PAIRS]).iterrows():
            if row["metric"] == "reco" or pd.isna(row["value"]):
                continue
            name = f"{row['metric']}/{row_key(row['method'], row['superpixels'])}{'' if alone else ending}"
            name += finding_ending(row["setting"])
            scalars |= {f"{name}/{part}": float(row[part]) for part in PARTS if pd.notna(row[part])}
    return scalars


def localization(
    model: ModelMaps, methods: Sequence[str], explained: ExplainedImages, magnitude: Magnitude
) -> dict[str, float]:
    """Measure where the maps lie, in the object's mask or beside it.

    Args:
        model: the evaluated model's maps.
        methods: names of those to measure.
        explained: the images and their masks.
        magnitude: order of pooling and taking magnitudes.

    Returns:
        `mass_accuracy/<method>/value`, and the same of `pointing_game`, `mask_auc` and `mask_auprc`, means over the
        maps that have a value, and those of each finding; without masks nothing.
    """
    scalars: dict[str, float] = {}
    if explained.mask is None:
        return scalars
    image = slice(None) if model.items is None else model.items.image
    for method in methods:
        for name, maps in pooled_maps(model.attributions[method], explained, magnitude, model.items).items():
            for metric, function in LOCALIZATION.items():
                values = function(maps, explained.mask[image])
                for ending, own in _by_finding(values, model.items).items():
                    value = float(own.nanmean())
                    if not math.isnan(value):  # some image has an object
                        scalars[f"{metric}/{row_key(method, name)}{ending}/value"] = value
    return scalars


def _by_finding(values: Tensor, items: Items | None) -> dict[str, Tensor]:
    """Return the values of all maps, and of those of each finding that has one, by the ending of their names."""
    if items is None:
        return {"": values}
    keys = finding_keys(items.findings)
    own = {number: values[items.finding == number] for number in sorted(set(items.finding.tolist()))}
    return {"": values, **{f"/{keys[items.findings[number]]}": each for number, each in own.items()}}


def pooled_maps(
    attribution: Tensor, explained: ExplainedImages, magnitude: Magnitude, items: Items | None = None
) -> dict[str, Tensor]:
    """Return saliency maps by pixel and pooled by every segmenter.

    Args:
        attribution: (N, C, H, W) of all images, or (I, C, H, W) of items.
        explained: the images and their segments.
        magnitude: order of pooling and taking magnitudes.
        items: the items, or None for a map of each image.

    Returns:
        (N, H, W) or (I, H, W) in [0, 1] by the pooling's name, `pixel` first.
    """
    image = slice(None) if items is None else items.image
    poolings = explained.poolings(controls=False)
    return {pooling.name: saliency_map(pooling.pool(attribution, magnitude, image)) for pooling in poolings}


def row_name(method: str, superpixels: str) -> str:
    """Name a method by pixel, or pooled.

    Example:
        >>> row_name("Gradient", "pixel"), row_name("Gradient", "Slic")
        ('Gradient', 'S-Gradient/Slic')
    """
    return method if superpixels == PIXEL else f"S-{method}/{superpixels}"


def row_key(method: str, superpixels: str) -> str:
    """Name a row as a part of a key, where a slash in the text of a setting would begin another part.

    Example:
        >>> row_key("Gradient", "Precomputed(root=a/b)")
        'S-Gradient/Precomputed(root=a-b)'
    """
    return row_name(method.replace("/", "-"), superpixels.replace("/", "-"))


def finding_ending(setting: str) -> str:
    """Return what a row's key has before its last part: the key of its finding, if it is a row of one.

    Example:
        >>> finding_ending("distance=l2;finding=beak/bill"), finding_ending("distance=l2")
        ('/beak-bill', '')
    """
    finding = finding_of(setting)
    return f"/{finding_keys([finding])[finding]}" if finding else ""
