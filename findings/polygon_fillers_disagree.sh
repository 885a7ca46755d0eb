#!/usr/bin/env bash
# One polygon has 9 pixels for COCO and 16 for Pillow, OpenCV and scikit-image, which add the outline, silently.
#
# - The square from (1, 1) to (4, 4) has sides of three pixels. pycocotools 2.0.11 takes (0, 0) for the upper left corner of
#   the first pixel, as annotation tools draw it: 3 x 3 pixels. Pillow 13.0.0 (as labelme 6.3.1 calls it for its own
#   export), OpenCV 5.0.0 and scikit-image 0.26.0 take (0, 0) for the middle of that pixel and fill the outline too: 4 x 4.
# - Two neighbours that share an edge are apart for COCO, and share a column of pixels for the others.
# - A polygon that surrounds another in one annotation makes no hole for COCO: the parts are joined.
#
# Seen: 9, 16, 16, 16; shared pixels 0, 4, 4, 4; 36 pixels with and without the inner polygon.
# What we do: formats/shapes.py fills the pixels whose centers are inside; polygons of COCO are filled by pycocotools.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pycocotools==2.0.11 pillow==13.0.0 opencv-python-headless==5.0.0.93 scikit-image==0.26.0 \
  numpy==2.4.6
cd "$folder"
env/bin/python -W ignore::DeprecationWarning - <<'PYTHON'
import cv2
import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco
from skimage.draw import polygon2mask

SIDE = 8


def square(left, right):
    return [(left, 1), (right, 1), (right, 4), (left, 4)]


def by_coco(corners):
    return coco.decode(coco.frPyObjects([np.ravel(corners).tolist()], SIDE, SIDE))[..., 0] > 0


def by_pillow(corners):
    picture = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(picture).polygon(corners, outline=1, fill=1)
    return np.asarray(picture)


def by_opencv(corners):
    return cv2.fillPoly(np.zeros((SIDE, SIDE), np.uint8), [np.array(corners, np.int32)], 1) > 0


def by_skimage(corners):
    return polygon2mask((SIDE, SIDE), np.array(corners)[:, ::-1])


fillers = (by_coco, by_pillow, by_opencv, by_skimage)
areas = [int(fill(square(1, 4)).sum()) for fill in fillers]
shared = [int((fill(square(1, 4)) & fill(square(4, 7))).sum()) for fill in fillers]
print("pixels of the square:", *areas, "and those that it shares with its neighbour:", *shared)
outer, inner = [1, 1, 7, 1, 7, 7, 1, 7], [3, 3, 5, 3, 5, 5, 3, 5]
parts = coco.frPyObjects([outer, inner], SIDE, SIDE)
joined, alone = int(coco.area(coco.merge(parts))), int(coco.area(parts[0]))
print("pixels of two polygons, one inside the other:", joined, "and of the outer one:", alone)
assert areas == [9, 16, 16, 16], "the square has other pixels now"
assert shared == [0, 4, 4, 4], "neighbours share other pixels now"
assert joined == alone == 36, "a polygon inside another makes a hole now"
print("as written above")
PYTHON
