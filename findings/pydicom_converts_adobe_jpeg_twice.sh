#!/usr/bin/env bash
# pydicom 3.0.2 with Pillow 13.0.0 converts the colors of a JPEG with Adobe's marker twice: from YCbCr to RGB, and again.
#
# A color JPEG says that it is YCbCr by a marker of JFIF or by one of Adobe (APP14, transform 1), as programs in Java and
# Photoshop write it; the DICOM file says YBR_FULL_422 in both cases. Of Adobe's, Pillow makes RGB as it decodes, and
# `pixel_array` takes this for YCbCr. The default `raw=False` and the usual reading of its documentation give colors that
# no file holds; without the marker, or with PhotometricInterpretation RGB, they are right.
#
# Versions: pydicom 3.0.2, Pillow 13.0.0, numpy 2.4.6 (Python 3.11)
# Seen: of the color 200, 40, 90 with JFIF's marker 201, 40, 90, with Adobe's 148, 255, 45.
# What we do: lightning_spx/formats/dicom_frame.py looks for the marker, and takes what Pillow returns as RGB.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pydicom==3.0.2 pillow==13.0.0 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGBaseline8Bit

warnings.simplefilter("error")
color = np.full((16, 16, 3), (200, 40, 90), np.uint8)
stream = BytesIO()
Image.fromarray(color).save(stream, "JPEG", quality=100)
jfif = stream.getvalue()
length = 2 + int.from_bytes(jfif[4:6], "big")
marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01"
adobe = jfif[:2] + marker + jfif[2 + length :]
for content in (jfif, adobe):
    assert abs(np.asarray(Image.open(BytesIO(content))).astype(int) - color).max() <= 1, "both are the same picture"


def first_pixel(content):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    image.Rows, image.Columns, image.SamplesPerPixel, image.PlanarConfiguration = 16, 16, 3, 0
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.PhotometricInterpretation = "YBR_FULL_422"
    image.PixelData = encapsulate([content])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    return pixel_array(image)[0, 0].tolist()


found = {"JFIF": first_pixel(jfif), "Adobe": first_pixel(adobe)}
print("color 200, 40, 90 by marker:", found)
assert np.abs(np.subtract(found["JFIF"], color[0, 0])).max() <= 1
assert np.abs(np.subtract(found["Adobe"], color[0, 0])).max() > 100, "Adobe's marker is heeded now"
print("as written above")
PYTHON
