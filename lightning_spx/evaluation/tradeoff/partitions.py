"""Measures segments without ground truth, on the images of a study: how much they explain, and how regular they are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lightning_spx.evaluation.maps.poolings import Pooling
from lightning_spx.evaluation.statistics.bootstrap import bootstrap_weights, weighted_mean
from lightning_spx.evaluation.statistics.trainings import Spread, interval
from lightning_spx.reporting.rows import PARTITION
from lightning_spx.runs.processes import gather_images, own_share
from lightning_spx.superpixels import explained_variation, global_regularity

COLUMNS = ("superpixels", "index", "num_segments", *PARTITION)


def measure_partitions(poolings: Sequence[Pooling], images: Tensor, index: Tensor) -> pd.DataFrame:
    """Measure the segments of every pooling over segments, controls included, on every image.

    Args:
        poolings: of the study; those by pixel, by filter and by blur have no segments.
        images: (N, C, H, W) in [0, 1], on the CPU like the segments.
        index: (N,) the images' numbers.

    Returns:
        One row for each (superpixels, index), with the columns `COLUMNS`; none if all poolings are filters.
    """
    here = own_share(len(images))
    rows = []
    for pooling in poolings:
        if pooling.kind == "segments":
            # image by image, because all at once would be as many numbers in double precision
            pairs = [(pooling.segments[[place]], images[[place]]) for place in here]
            values = [torch.cat([explained_variation(*pair), global_regularity(pair[0])]) for pair in pairs]
            gathered = gather_images(torch.stack(values), here).double().numpy()
            columns = dict(zip(PARTITION, gathered.T, strict=True))
            counts = pooling.num_segments().numpy()
            rows.append(
                pd.DataFrame({"superpixels": pooling.name, "index": index.numpy(), "num_segments": counts, **columns})
            )
    # filters have no segments
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[*COLUMNS])


def with_partitions(results: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Write beside each row the means over all images of what is known of its segments.

    Args:
        results: rows of `results.csv`.
        values: of `measure_partitions`; empty if no pooling has segments, or if an earlier version measured the study.

    Returns:
        The same rows in the same order, with two more columns; NaN for rows without segments.

    Example:
        >>> one = dict(superpixels="Slic", index=0, num_segments=9, explained_variation=0.8, global_regularity=0.4)
        >>> rows = pd.DataFrame({"superpixels": ["pixel", "Slic"]})
        >>> with_partitions(rows, pd.DataFrame([one]))["global_regularity"].tolist()
        [nan, 0.4]
    """
    if values.empty:
        return results
    return results.join(values.groupby("superpixels")[list(PARTITION)].mean(), on="superpixels")


def partition_table(values: pd.DataFrame, num_resamples: int, seed: int) -> pd.DataFrame:
    """Summarize partitions: means over images with their 95 % intervals.

    Args:
        values: of `measure_partitions`, not empty.
        num_resamples: number of bootstrap resamples.
        seed: seeds the bootstrap.

    Returns:
        One row for each partition; the `num_one_color` images of one color do not count for `explained_variation`.
    """
    weights = bootstrap_weights(values["index"].nunique(), num_resamples, seed)
    rows: list[dict[str, object]] = []
    for superpixels, own in values.groupby("superpixels", sort=False):
        row: dict[str, object] = {
            "superpixels": superpixels,
            "num_images": len(own),
            "num_one_color": int(own[PARTITION[0]].isna().sum()),
            "mean_segments": float(own["num_segments"].mean()),
        }
        for name in PARTITION:
            each = own[name].to_numpy(np.float64)
            draws = weighted_mean(each[None, None], weights)
            low, high = interval(draws, Spread(int(np.isfinite(each).sum())))
            row |= {name: float(draws[0]), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def partition_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of a table of `partition_table` for people.

    Example:
        >>> row = {"superpixels": "Slic", "mean_segments": 162.6}
        >>> for name in PARTITION:
        ...     row |= {name: 0.8, f"{name}_low": 0.75, f"{name}_high": 0.85}
        >>> partition_cells(pd.DataFrame([row])).iloc[0].tolist()
        ['Slic', '163', '0.800 [0.750, 0.850]', '0.800 [0.750, 0.850]']
    """
    cells = {"super-pixels": table["superpixels"], "segments": [f"{each:.0f}" for each in table["mean_segments"]]}
    for name in PARTITION:
        limits = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        cells[name.replace("_", " ")] = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in limits]
    return pd.DataFrame(cells)
