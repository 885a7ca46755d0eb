#!/usr/bin/env bash
# Pillow 13.0.0 reads two valid kinds of 16-bit TIFF as other pictures, without an error or a warning.
#
# - WhiteIsZero (PhotometricInterpretation 0) grey: of 8 bits it is turned round, so that 0 is black in the array, of 16
#   bits it is not: the same picture comes out as its negative. tifffile gives the stored numbers of both, with the tag.
# - RGB in planes (PlanarConfiguration 2) of 16 bits: the pixels are those of no plane of the file. Of 8 bits they are right.
#
# Seen: 8 bits [0, 85, 170, 255], 16 bits [255, 170, 85, 0]; planes of 16 bits differ from the file, of 8 bits they do not.
# What we do: lightning_spx/formats/tiff.py reads photos of more than 8 bits by tifffile; masks, which eight_bits.py reads by
# Pillow, are turned round or refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import numpy as np
import tifffile
from PIL import Image

warnings.simplefilter("error")
brightness = np.array([[0, 85, 170, 255]], np.uint8)  # what a viewer shows
tifffile.imwrite("white_8.tif", 255 - brightness, photometric="miniswhite")
tifffile.imwrite("white_16.tif", 65535 - brightness.astype(np.uint16) * 257, photometric="miniswhite")
of_8 = np.asarray(Image.open("white_8.tif")).tolist()[0]
of_16 = (np.asarray(Image.open("white_16.tif")) >> 8).tolist()[0]
print("WhiteIsZero: 8 bits", of_8, "16 bits", of_16)
assert of_8 == [0, 85, 170, 255], "8-bit WhiteIsZero is not turned round any more"
assert of_16 == [255, 170, 85, 0], "16-bit WhiteIsZero is turned round now"

ramp = np.arange(48, dtype=np.uint16).reshape(3, 4, 4)
right = {}
for bits, planes in ((8, ramp.astype(np.uint8) * 5), (16, ramp * 1300)):
    tifffile.imwrite(f"planes_{bits}.tif", planes, photometric="rgb", planarconfig="separate")
    read = np.asarray(Image.open(f"planes_{bits}.tif").convert("RGB"))
    right[bits] = bool(np.abs(read.astype(int) - np.moveaxis(planes >> (bits - 8), 0, -1).astype(int)).max() <= 1)
print("RGB in planes is read rightly:", right)
assert right == {8: True, 16: False}, "planes of 16 bits are read otherwise now"
print("as written above")
PYTHON
