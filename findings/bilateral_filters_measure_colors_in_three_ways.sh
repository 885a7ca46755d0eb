#!/usr/bin/env bash
# A bilateral filter's `sigma_color` means something else in OpenCV, kornia and scikit-image as soon as there are channels.
#
# Two colors that are 0.1 apart in each of three channels are 0.173 apart (Tomasi and Manduchi: Euclidean). From the weights
# that the filters give them, with the same `sigma_color`, they are
# - 0.3 apart for OpenCV (opencv-contrib-python-headless 5.0.0.93), bilateralFilter and ximgproc.jointBilateralFilter: sums
#   of absolute differences; so also for kornia 0.9.0, whose `color_distance_type="l2"` is Euclidean;
# - 0.058 apart for scikit-image 0.26.0, denoise_bilateral: Euclidean, divided by the number of channels, as if `sigma_color`
#   were three times as large. Gray images are as expected, so that a color image of three equal channels is filtered
#   otherwise than its gray one.
# One setting thus spans a factor of five. Windows differ, too: a disk in OpenCV, a square in the others.
#
# Seen: OpenCV 0.300, joint 0.300; kornia 0.300, l2 0.173; scikit-image 0.058, gray 0.100.
# What we do: JointBilateral is Euclidean over all channels and has no window; docs/soft.md says what to set instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet opencv-contrib-python-headless==5.0.0.93 scikit-image==0.26.0 numpy==2.4.6 \
  kornia==0.9.0 torch==2.14.1
cd "$folder"
env/bin/python - <<'PYTHON'
from math import log, sqrt

import cv2
import kornia
import numpy as np
import torch
from skimage.restoration import denoise_bilateral

SIGMA, WIDE = 0.2, 1e4
guide = np.zeros((64, 64, 3), np.float32)
guide[:, 32:] = 0.1
halves = np.zeros((64, 64), np.float32)
halves[:, 32:] = 1


def apart(value, alike):
    # a pixel beside the border has `alike` pixels of its own color for each of the other
    weight = alike * value / (1 - value)
    return round(float(SIGMA * sqrt(-2 * log(weight))), 3)


def by_kornia(kind):
    tensors = torch.tensor(halves)[None, None], torch.tensor(guide).permute(2, 0, 1)[None]
    found = kornia.filters.joint_bilateral_blur(*tensors, 3, SIGMA, (WIDE, WIDE), color_distance_type=kind)
    return apart(found[0, 0, 32, 31], alike=2)


def by_scikit_image(image, axis):
    # many bins: its exponentials come from a table
    found = denoise_bilateral(image, 3, sigma_color=SIGMA, sigma_spatial=WIDE, bins=100_000, channel_axis=axis)
    return apart(found[32, 31].mean() / 0.1, alike=2)


joint = apart(cv2.ximgproc.jointBilateralFilter(guide, halves, 3, SIGMA, WIDE)[32, 31], alike=4)
alone = apart(cv2.bilateralFilter(guide, 3, SIGMA, WIDE)[32, 31, 0] / 0.1, alike=4)
default, euclidean = by_kornia("l1"), by_kornia("l2")
color, gray = by_scikit_image(guide.astype(float), -1), by_scikit_image(guide[..., 0].astype(float), None)
print("OpenCV", alone, "joint", joint, "| kornia", default, "l2", euclidean, "| scikit-image", color, "gray", gray)
assert alone == joint == 0.3, "OpenCV measures colors otherwise now"
assert (default, euclidean) == (0.3, 0.173), "kornia measures colors otherwise now"
assert (color, gray) == (0.058, 0.1), "scikit-image measures colors otherwise now"
assert kornia.filters.JointBilateralBlur(3, 0.1, (1, 1)).color_distance_type == "l1", "kornia has another default now"
print("as written above")
PYTHON
