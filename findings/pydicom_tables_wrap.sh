#!/usr/bin/env bash
# pydicom 3.0.2 looks numbers of more than 8 bits up in a table of 8-bit entries modulo 256, without an error or a warning.
#
# A table of 4,096 entries of 8 bits turns 12-bit numbers into gray or colors: DICOM allows it for VOI tables and palettes.
# `apply_voi_lut` and `apply_color_lut` keep the number of an entry in the type of the entries, so its upper bits are
# lost, and a ramp from black to white becomes sixteen times the darkest sixteenth. `apply_modality_lut` keeps it in the
# type of the pixels and is right.
#
# Versions: pydicom 3.0.2, numpy 2.4.6 (Python 3.11)
# Seen: of the numbers 0, 255, 256, 1000, 4095 the entries 0, 15, 0, 14, 15 by both; they are 0, 15, 16, 62, 255.
# What we do: lightning_spx/formats/dicom_table.py looks up by 64-bit integers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pydicom==3.0.2 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian

warnings.simplefilter("error")
ramp = [number // 16 for number in range(4096)]  # 12 bits to 8
pixels = np.array([0, 255, 256, 1000, 4095], np.uint16)
right = [ramp[number] for number in pixels]

table = Dataset()
table.add_new("LUTDescriptor", "US", [4096, 0, 8])
table.add_new("LUTData", "US", ramp)
image = Dataset()
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
image.PhotometricInterpretation, image.BitsStored, image.PixelRepresentation = "MONOCHROME2", 12, 0
image.VOILUTSequence = [table]
image.ModalityLUTSequence = [table]
for color in ("Red", "Green", "Blue"):
    setattr(image, f"{color}PaletteColorLookupTableDescriptor", [4096, 0, 8])
    setattr(image, f"{color}PaletteColorLookupTableData", bytes(ramp))

by_voi = apply_voi_lut(pixels, image).tolist()
by_palette = apply_color_lut(pixels, image)[:, 0].tolist()
by_modality = apply_modality_lut(pixels, image).tolist()
print("right", right, "| VOI", by_voi, "| palette", by_palette, "| modality", by_modality)
assert right == by_modality == [0, 15, 16, 62, 255]
assert by_voi == by_palette == [0, 15, 0, 14, 15], "the upper bits of an entry's number are kept now"
print("as written above")
PYTHON
