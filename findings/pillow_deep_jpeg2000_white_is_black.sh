#!/usr/bin/env bash
# White becomes black when Pillow opens a JPEG 2000 file with colors of 10, 12 or 16 bits.
#
# - Pillow 13.0.0 opens such a file as RGB of 8 bits without a word (gray of as many bits keeps 16). It rounds each number
#   to its upper eight bits, and what rounds up to 256 is 0: the brightest half step of every channel is black.
# - The same bytes come back exactly from imagecodecs 2026.3.6, which wrote them.
#
# Seen, for the lowest number, two from the middle and four from the top: 0 128 128 255 255 0 0 with 10, 12 and 16 bits.
# What we do: formats/jpeg2000.py reads the number of bits from the file's header and refuses such colors.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import imagecodecs
import numpy as np
from PIL import Image

for bits in (10, 12, 16):
    top, half = 2**bits, 2 ** (bits - 9)
    numbers = np.array([0, top // 2 - 1, top // 2, top - 2 * half - 1, top - half - 1, top - half, top - 1], np.uint16)
    colors = np.tile(numbers[None, :, None], (8, 1, 3))
    with open("colors.jp2", "wb") as file:
        file.write(imagecodecs.jpeg2k_encode(colors, codecformat="jp2", level=0, reversible=True, bitspersample=bits, mct=False))
    with open("colors.jp2", "rb") as file:
        assert np.array_equal(imagecodecs.jpeg2k_decode(file.read()), colors)
    with Image.open("colors.jp2") as image:
        seen = np.asarray(image)[0, :, 0].tolist()
        print(bits, "bits:", numbers.tolist(), "become", seen, image.mode)
    assert seen == [0, 128, 128, 255, 255, 0, 0], "the brightest numbers are not black any more"
print("as written above")
PYTHON
