"""Makes a folder of classes from the package `elpv-dataset`: `python docs/make_cells.py elpv_dataset/data CELLS`."""

import csv
import shutil
import sys
from pathlib import Path

package, folder = Path(sys.argv[1]), Path(sys.argv[2])
with (package / "labels.csv").open() as file:
    # the columns are apart by spaces: name, probability of a defect, kind of cell
    rows = [" ".join(row).split() for row in csv.reader(file)]
for number, (name, probability, _) in enumerate(rows):
    split = "test" if number % 4 == 3 else "train"
    kind = "defective" if float(probability) > 0.5 else "sound"
    (folder / split / kind).mkdir(parents=True, exist_ok=True)
    shutil.copy(package / name, folder / split / kind)
