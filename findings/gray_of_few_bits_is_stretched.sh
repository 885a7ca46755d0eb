#!/usr/bin/env bash
# Class numbers in a grey PNG of 2 or 4 bits come back multiplied by 85 or 17, and those of a palette do not.
#
# - A map of the classes 0, 1, 2, 3 as grey of 2 bits is 0, 85, 170, 255 for Pillow 13.0.0 and for OpenCV 5.0.0: both
#   stretch grey to 8 bits, which is right for brightness. Nothing in the array tells it from 8 bits.
# - The same numbers as a palette of 2 bits are 0, 1, 2, 3 for Pillow, and colors for OpenCV.
#
# Seen: [0, 85, 170, 255] by both; [0, 1, 2, 3] of the palette by Pillow.
# What we do: formats/label_map.py reads the number of bits from the file's header and divides.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6 pypng==0.20220715.0
cd "$folder"
env/bin/python - <<'PYTHON'
import cv2
import numpy as np
import png
from PIL import Image

classes = [[0, 1, 2, 3]]
with open("grey.png", "wb") as file:
    png.Writer(4, 1, greyscale=True, bitdepth=2).write(file, classes)
with open("palette.png", "wb") as file:
    png.Writer(4, 1, palette=[(9, 9, 9), (99, 9, 9), (9, 99, 9), (9, 9, 99)], bitdepth=2).write(file, classes)
pillow = np.asarray(Image.open("grey.png")).tolist()[0]
opencv = cv2.imread("grey.png", cv2.IMREAD_UNCHANGED).tolist()[0]
palette = np.asarray(Image.open("palette.png")).tolist()[0]
print("grey of 2 bits:", pillow, opencv, "palette:", palette)
assert pillow == opencv == [0, 85, 170, 255], "grey of 2 bits is not stretched any more"
assert palette == [0, 1, 2, 3], "a palette is read otherwise now"
print("as written above")
PYTHON
