#!/usr/bin/env bash
# pydicom 3.0.2: `apply_modality_lut` and `apply_voi_lut` return the pixels of an Enhanced CT or MR file as they are stored.
#
# Enhanced files say slope, intercept and window in their functional groups, once for all frames or for each. Both functions
# look only at the top level, find nothing and return the array unchanged, without a warning: a voxel of -24 Hounsfield
# units is 1000. Frames of a PET or MR file with slopes of their own cannot be compared, and nothing tells.
#
# Versions: pydicom 3.0.2, numpy 2.4.6 (Python 3.11)
# Seen: frames of slope 1 and 3 come back as 1000 and 1000 by both functions; by their groups they are -24 and 1976.
# What we do: lightning_spx/formats/dicom_gray.py takes the frame's own group, then the shared one, then the top level.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet pydicom==3.0.2 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

warnings.simplefilter("error")


def item(**elements):
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


frames = [
    item(
        PixelValueTransformationSequence=[item(RescaleSlope=slope, RescaleIntercept=-1024, RescaleType="HU")],
        FrameVOILUTSequence=[item(WindowCenter=40, WindowWidth=400)],
    )
    for slope in (1, 3)
]
image = item(
    SOPClassUID=EnhancedCTImageStorage, SOPInstanceUID="1.2.3", Rows=1, Columns=2, NumberOfFrames=2, SamplesPerPixel=1,
    PhotometricInterpretation="MONOCHROME2", BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=0,
    PerFrameFunctionalGroupsSequence=frames, PixelData=np.full((2, 1, 2), 1000, "<u2").tobytes(),
)
image["PixelData"].VR = "OW"
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
image.save_as("enhanced.dcm", enforce_file_format=True)

read = dcmread("enhanced.dcm")
for index, right in ((0, -24), (1, 1976)):
    stored = pixel_array(read, index=index)
    values = apply_modality_lut(stored, read)
    windowed = apply_voi_lut(values, read)
    print(f"frame {index}: {right} HU, and pydicom gives", values[0, 0], "and", windowed[0, 0])
    assert values[0, 0] == windowed[0, 0] == 1000, "functional groups are heeded now"
print("as written above")
PYTHON
