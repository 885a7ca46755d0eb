#!/usr/bin/env bash
# XRAI of saliency 0.2.1, the authors' package, ranks and segments what has no contrast by rounding errors, silently.
#
# - Regions of equal density are ranked by the rounding of their means: a constant attribution of 0.1 ranks four rows
#   2, 1, 4, 3; one of 0.5, whose sums are exact, ranks them 1, 2, 3, 4.
# - A constant image is divided by its range, zero: felzenszwalb then makes 170 segments of NaN in each of six scales.
# - A region with fewer than 50 new pixels is dropped at any image size: on 14 x 14 pixels, four quarters of 49 leave a
#   map that is constant.
# - A NaN in the attribution raises "KeyError: None".
# - The largest of the channels is ranked, so that the map's sum is not that of the attribution: 400 for 0.
#
# Seen: ranks [2, 1, 4, 3] and [1, 2, 3, 4]; 1020 masks and "invalid value encountered in divide"; 1 value; KeyError: None;
# sums 0.0 and 400.0.
# What we do: attribution/xrai_regions.py sums whole numbers, so that equal means are equal and the first region wins; a
# constant image is one segment; `min_new_pixels` is a setting; NaN is refused with the image's position. The largest
# channel is ranked as there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet saliency==0.2.1 scikit-image==0.26.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import numpy as np
from saliency.core import xrai


def explained(attribution, masks):
    settings = xrai.XRAIParameters(return_xrai_segments=True)
    return xrai.XRAI().GetMaskWithDetails(
        attribution, None, base_attribution=attribution, segments=masks, extra_parameters=settings
    )


starts = (0, 7, 15, 18)
rows = [np.zeros((30, 30), bool) for _ in starts]
for mask, low, high in zip(rows, starts, (*starts[1:], 30)):
    mask[low:high] = True
ranks = [[int(explained(np.full((30, 30), value), rows).segments[y, 0]) for y in starts] for value in (0.1, 0.5)]
print("ranks of rows of 0.1", ranks[0], "and of 0.5", ranks[1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    masks = xrai._get_segments_felzenszwalb(np.full((224, 224, 3), 0.5))
print("a constant image:", len(masks), "masks,", caught[0].message)
noise = np.random.default_rng(0).normal(size=(14, 14))
quarters = [np.kron(each, np.ones((7, 7), bool)) for each in np.eye(4, dtype=bool).reshape(4, 2, 2)]
values = len(np.unique(explained(noise, quarters).attribution_mask))
print("four quarters of 49 pixels:", values, "value")
whole = np.ones((20, 20), bool)
noise = np.ones((20, 20))
noise[0, 0] = np.nan
try:
    explained(noise, [whole])
    raise AssertionError("a NaN is explained now")
except KeyError as error:
    print("a NaN: KeyError:", error)
channels = np.stack([np.full((20, 20), each) for each in (1.0, -1.0, 0.0)], -1)
sums = float(channels.sum()), float(explained(channels, [whole]).attribution_mask.sum())
print("sums of attribution and map", *sums)
assert ranks == [[2, 1, 4, 3], [1, 2, 3, 4]], "equal densities are ranked otherwise now"
assert len(masks) == 1020, "a constant image has other segments now"
assert values == 1, "small regions count now"
assert sums == (0.0, 400.0), "channels are summed now"
print("as written above")
PYTHON
