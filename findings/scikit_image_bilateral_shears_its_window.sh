#!/usr/bin/env bash
# The bilateral filter of scikit-image 0.26.0 does not look around a pixel: its weights of places are moved and sheared.
#
# With a `sigma_color` so large that colors do not matter, denoise_bilateral should be a Gaussian blur in a window. Its table
# of places has a row and a column too many, and is read as if it had not, so that each row of the window starts at another
# place than the one above. The default is an odd window (`win_size=None` makes 7 for `sigma_spatial=1`).
# - A single pixel of 1 under sigma 1 and a window of 5 leaves 0.0015 in its place, where a Gaussian leaves 0.16, and its
#   largest value, 0.23, two rows above and one column to the right.
# - A window of 4 is one of 3 by 3 pixels, in which 0.29 lies beside the pixel and 0.06 on it.
# With a wide `sigma_spatial`, where places do not matter, nothing is wrong.
#
# Seen: of an odd window: middle 0.0015, largest 0.2283 at (-2, 1); by scipy.ndimage.gaussian_filter 0.1621 in the middle.
# What we do: superpixels/ has its own bilateral filters, tested against loops over pixels and not against this one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet scikit-image==0.26.0 scipy==1.17.1 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.restoration import denoise_bilateral

image = np.zeros((31, 31))
image[15, 15] = 1
blurred = gaussian_filter(image, 1, radius=2)
filtered = denoise_bilateral(image, 5, sigma_color=1e6, sigma_spatial=1)
by_default = denoise_bilateral(image, sigma_color=1e6, sigma_spatial=1)
row, column = np.unravel_index(filtered.argmax(), filtered.shape)
middle, largest = round(float(filtered[15, 15]), 4), round(float(filtered.max()), 4)
print("middle", middle, "largest", largest, "at", (int(row) - 15, int(column) - 15), "Gaussian", round(blurred[15, 15], 4))
even = denoise_bilateral(image, 4, sigma_color=1e6, sigma_spatial=1)[14:17, 14:17].round(2).tolist()
print("a window of 4:", even)
assert even == [[0.1, 0.06, 0.29], [0.29, 0.06, 0.01], [0.1, 0.06, 0.01]], "even windows are others now"
assert round(float(blurred[15, 15]), 4) == 0.1621
assert (middle, largest) == (0.0015, 0.2283), "the window is another one now"
assert (row, column) == (13, 16), "the largest weight is elsewhere now"
assert by_default[15, 15] < by_default.max() / 10, "the default window is right now"
print("as written above")
PYTHON
