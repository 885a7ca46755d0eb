"""Bilateral sums over all pairs as loops over one image, compiled by numba into instructions on many pairs at once."""

import math

import numpy as np
from numpy.typing import NDArray

from lightning_spx.superpixels.pooling_compiled import compiled

# channels whose values share a weight, and channels of colors
LANES = 4
COLORS = 3
# rows are filled up to full registers
ROW = 8
# values are as large as float32 takes, and weights not below 1e-30: their products stay normal numbers, because
# processors take long for others
LARGEST = 2.0**100
LEAST_EXPONENT = np.float32(-100)
# adding it moves the whole part of a number into its last bits
TO_LAST_BITS = np.float32(1.5 * 2**23)
# 2 ** x for x from -1/2 to 1/2 by a polynomial that is off by 9.2e-8 at most, relatively, and not at zero
P0, P1, P2 = np.float32(1), np.float32(0.6931469775991556), np.float32(0.24022242085368917)
P3, P4, P5 = np.float32(0.05550733743264681), np.float32(0.009671512639930515), np.float32(0.0013264727193376335)

Singles = NDArray[np.float32]


def _power_of_two(exponent: np.float32) -> np.float32:
    # exponent float32; the exponential of NumPy is a call for each number, which compilers do not widen
    exponent = max(exponent, LEAST_EXPONENT)
    moved = exponent + TO_LAST_BITS
    part = exponent - (moved - TO_LAST_BITS)
    power = P4 + part * P5
    power = P3 + part * power
    power = P2 + part * power
    power = P1 + part * power
    power = P0 + part * power
    # the whole part is added to the bits of the exponent
    bits = (np.float32(moved).view(np.int32) << np.int32(23)) + np.float32(power).view(np.int32)
    return np.int32(bits).view(np.float32)


# sums in another order would take the moved numbers for what they were
power_of_two = compiled(_power_of_two)


def _add_pairs(
    values: Singles, colors: Singles, downs: Singles, acrosses: Singles, color: np.float32, sums: NDArray[np.float64]
) -> None:
    # values and sums (4, H, W), colors (3, H, W); exponents of two are downs (H,) and acrosses (2 W - 1,) for places,
    # and color (float32) times the squared distance of colors
    _, height, width = values.shape
    nothing = np.float32(0)
    ups, lows = np.empty((LANES, width), np.float32), np.empty((LANES, width), np.float32)
    l0, l1, l2, l3 = lows[0], lows[1], lows[2], lows[3]
    for upper in range(height):
        # a weight serves both of its pixels
        for lower in range(upper, height):
            lows[:] = nothing
            down = downs[lower - upper]
            r, g, b = colors[0, lower], colors[1, lower], colors[2, lower]
            v0, v1, v2, v3 = values[0, lower], values[1, lower], values[2, lower], values[3, lower]
            # two upper pixels at a time share what is read of the lower row
            for one in range(0, width, 2):
                two = one + 1
                a_one = acrosses[width - 1 - one : 2 * width - 1 - one]
                a_two = acrosses[width - 1 - two : 2 * width - 1 - two]
                r_one, g_one, b_one = colors[0, upper, one], colors[1, upper, one], colors[2, upper, one]
                r_two, g_two, b_two = colors[0, upper, two], colors[1, upper, two], colors[2, upper, two]
                m0, m1, m2, m3 = (
                    values[0, upper, one],
                    values[1, upper, one],
                    values[2, upper, one],
                    values[3, upper, one],
                )
                n0, n1, n2, n3 = (
                    values[0, upper, two],
                    values[1, upper, two],
                    values[2, upper, two],
                    values[3, upper, two],
                )
                s0, s1, s2, s3 = nothing, nothing, nothing, nothing
                t0, t1, t2, t3 = nothing, nothing, nothing, nothing
                for x in range(width):
                    x_r, x_g, x_b = r[x] - r_one, g[x] - g_one, b[x] - b_one
                    y_r, y_g, y_b = r[x] - r_two, g[x] - g_two, b[x] - b_two
                    w = power_of_two(down + a_one[x] + color * (x_r * x_r + x_g * x_g + x_b * x_b))
                    z = power_of_two(down + a_two[x] + color * (y_r * y_r + y_g * y_g + y_b * y_b))
                    s0 += w * v0[x]
                    s1 += w * v1[x]
                    s2 += w * v2[x]
                    s3 += w * v3[x]
                    t0 += z * v0[x]
                    t1 += z * v1[x]
                    t2 += z * v2[x]
                    t3 += z * v3[x]
                    l0[x] += w * m0 + z * n0
                    l1[x] += w * m1 + z * n1
                    l2[x] += w * m2 + z * n2
                    l3[x] += w * m3 + z * n3
                ups[0, one], ups[1, one], ups[2, one], ups[3, one] = s0, s1, s2, s3
                ups[0, two], ups[1, two], ups[2, two], ups[3, two] = t0, t1, t2, t3
            # float64 keeps the digits of sums over many rows
            for lane in range(LANES):
                for x in range(width):
                    sums[lane, lower, x] += lows[lane, x]
                if lower > upper:
                    for x in range(width):
                        sums[lane, upper, x] += ups[lane, x]


add_pairs = compiled(_add_pairs, may_reorder=True)


def sums_of_image(
    values: NDArray[np.float64], colors: Singles, sigma_color: float, sigma_spatial: float
) -> NDArray[np.float64]:
    """Return the sums of one image, as `pair_sums` does with tensors, in float32.

    A weight of 2 ** -e is off by about e roundings, and weights far below one hardly count.

    Args:
        values: (C, H, W).
        colors: (G, H, W) of one to three channels.
        sigma_color: standard deviation of the colors' distance.
        sigma_spatial: standard deviation of the places' distance in pixels.

    Returns:
        (C, H, W).
    """
    if values.shape[1] > values.shape[2]:
        turned = sums_of_image(values.swapaxes(1, 2), colors.swapaxes(1, 2), sigma_color, sigma_spatial)
        return turned.swapaxes(1, 2)
    channels, height, width = values.shape
    # what fills up has values of zero, and so no part in any sum
    groups, wide = -(-channels // LANES), -(-width // ROW) * ROW
    largest = np.abs(values).max((1, 2), keepdims=True)
    largest[~np.isfinite(largest) | (largest == 0)] = LARGEST
    filled = np.zeros((groups * LANES, height, wide), np.float32)
    # what is smaller than the largest value by 1e38 counts as zero, and what is too large beside infinity as infinity
    scaled = values / largest
    with np.errstate(over="ignore"):
        filled[:channels, :, :width] = np.where(np.abs(scaled) < np.finfo(np.float32).tiny, 0, scaled) * LARGEST
    guide = np.zeros((COLORS, height, wide), np.float32)
    guide[: len(colors), :, :width] = colors
    color, place = (-0.5 / math.log(2) / sigma / sigma for sigma in (sigma_color, sigma_spatial))
    downs, acrosses = (
        (place * np.arange(first, size) ** 2.0).astype(np.float32) for first, size in ((0, height), (1 - wide, wide))
    )
    sums = np.zeros(filled.shape)
    for start in range(0, len(sums), LANES):
        some = slice(start, start + LANES)
        add_pairs(filled[some], guide, downs, acrosses, np.float32(color), sums[some])
    found: NDArray[np.float64] = sums[:channels, :, :width] / LARGEST * largest
    return found
