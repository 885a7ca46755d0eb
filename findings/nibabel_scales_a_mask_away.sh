#!/usr/bin/env bash
# nibabel 5.4.2: a mask of 0.0 and 1.0 that is saved with the header of a uint8 image holds no 1 when it is read.
#
# `Nifti1Image(array, affine, header)` takes the type on disk from the header, so that a float array is stored as integers
# with a scale, the finest that fits, even if all its values are integers that fit as they are. What comes back
# is 1.00000006, so `mask == 1` is empty. Of labels some come back below and some above the whole number:
# `astype(int)` makes another label of about half of them, and `get_fdata()` looks right when printed.
#
# Versions: nibabel 5.4.2, numpy 2.4.6 (Python 3.11)
# Seen: 4 ones before and 0 after; the labels 0 to 7 under the header of an int16 scan become 0, 0, 1, 2, 4, 5, 6, 6 as
# integers, for 1 comes back as 0.999985.
# What we do: lightning_spx/formats/nifti_labels.py reads the stored integers and their scale, and rounds within one step.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet nibabel==5.4.2 numpy==2.4.6
cd "$folder"
env/bin/python - <<'PYTHON'
import warnings

import nibabel
import numpy as np

warnings.simplefilter("error")


def back(values, kind):
    scan = nibabel.Nifti1Image(np.zeros((2, 2, 2), kind), np.eye(4))
    nibabel.save(nibabel.Nifti1Image(values, scan.affine, scan.header), "saved.nii")
    return nibabel.load("saved.nii").get_fdata()


mask = np.array([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
read = back(mask, np.uint8)
print("ones:", (mask == 1).sum(), "before,", (read == 1).sum(), "after; values", np.unique(read).tolist())
assert (mask == 1).sum() == 4
assert (read == 1).sum() == 0, "a mask stays as it is now"

labels = np.arange(8.0).reshape(2, 2, 2)
read = back(labels, np.int16)
print("labels 0 to 7 come back as", read.ravel().round(6).tolist(), "and as integers", read.astype(int).ravel().tolist())
assert np.abs(read - labels).max() < 1e-4
assert (read.astype(int) != labels).sum() == 4, "labels stay as they are now"
print("as written above")
PYTHON
