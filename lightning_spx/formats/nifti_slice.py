"""Takes one slice out of a NIfTI volume and turns it as radiologists look at it."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from lightning_spx.formats.plane_size import check_size

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

# number of the body's axis from inferior to superior; the others are left to right and posterior to anterior
UP = 2
COLORS = ("R", "G", "B")


def chosen_slice(image: "Nifti1Image", frame: int | None) -> NDArray[Any]:
    """Return the stored numbers of one slice, (H, W, 1) or (H, W, 3) of RGB, without rescaling.

    Args:
        image: opened by nibabel, of which only the slice is read.
        frame: number of the slice from the lowest, from 0; None for the only one.

    Raises:
        ValueError: there are several slices or volumes, the numbers are complex, or the orientation is not known.
    """
    from nibabel.arrayproxy import ArrayProxy

    shape: tuple[int, ...] = (*image.shape, 1, 1)[: max(3, len(image.shape))]
    size, others = shape[:3], shape[3:]
    if any(each != 1 for each in others):
        raise ValueError(f"it holds {' x '.join(str(each) for each in others)} volumes: save the one that is meant.")
    axes, signs = _orientation(image)
    # the axis of the only slice, else the one upwards
    single = [axis for axis in range(3) if size[axis] == 1]
    across = single[0] if len(single) == 1 else axes.index(UP)
    index = _chosen(size[across], frame)
    first, second = (axis for axis in range(3) if axis != across)
    check_size(size[first], size[second])
    place = index if signs[across] > 0 else size[across] - 1 - index
    # a file of two axes has no third one to choose from
    slicer = tuple(place if axis == across else slice(None) for axis in range(len(image.shape[:3])))
    slicer += (0,) * (len(image.shape) - len(slicer))
    # nibabel's own object would rescale
    offset = cast(ArrayProxy, image.dataobj).offset
    stored = ArrayProxy(image.file_map["image"].fileobj, (image.shape, image.get_data_dtype(), offset))
    plane = _colors(np.asarray(stored[slicer]).reshape(size[first], size[second]))
    # right, anterior and superior come first, and the lower one of the body's two axes becomes the columns
    plane = plane[:: -signs[first], :: -signs[second]]
    return np.ascontiguousarray(plane if axes[first] > axes[second] else plane.swapaxes(0, 1))


def _orientation(image: "Nifti1Image") -> tuple[list[int], list[int]]:
    """Return which of the body's axes is the nearest to each stored axis, and 1 or -1 for its direction."""
    from nibabel.orientations import io_orientation

    said = []
    for affine, code in (image.header.get_sform(coded=True), image.header.get_qform(coded=True)):
        if code:
            if not np.isfinite(affine).all():
                raise ValueError("its orientation is no finite matrix.")
            said.append(io_orientation(affine))
    if not said:
        raise ValueError(
            "it states no orientation (`sform_code` and `qform_code` are 0), so left and right are unknown."
        )
    if not np.isfinite(said[0]).all():
        raise ValueError("its orientation leaves out an axis.")
    if not all(np.array_equal(each, said[0]) for each in said):
        raise ValueError("its two orientations, `sform` and `qform`, contradict each other.")
    return [int(axis) for axis in said[0][:, 0]], [int(sign) for sign in said[0][:, 1]]


def _chosen(slices: int, frame: int | None) -> int:
    if frame is None and slices > 1:
        raise ValueError(f"it holds {slices} slices: choose one by `frame`, 0 to {slices - 1}.")
    index = frame or 0
    if not 0 <= index < slices:
        raise ValueError(f"its slices are 0 to {slices - 1}, and `frame` is {frame}.")
    return index


def _colors(plane: NDArray[Any]) -> NDArray[Any]:
    """Return one or three numbers for each pixel, native byte order; opacity is left out, as of photos."""
    if plane.dtype.names is not None:
        if plane.dtype.names[:3] != COLORS:
            raise ValueError(f"its pixels have the parts {', '.join(plane.dtype.names)}, and no colors.")
        return np.stack([plane[color] for color in COLORS], axis=2)
    if plane.dtype.kind not in "iuf":
        raise ValueError(f"its pixels are {plane.dtype}, which is no brightness.")
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)[..., None]
