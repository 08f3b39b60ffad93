"""Densities on a line."""

from __future__ import annotations

import numpy as np

from gankit.arrays import Array

MOST = 20_000
"""Points that an estimate is made from."""


def estimated(points: Array, at: Array) -> Array:
    """Gaussian kernel density estimate of points (n,) at places (m,): (m,) float64.

    The bandwidth is Silverman's, 0.9 min(deviation, interquartile range / 1.34) n^(-1/5) (Silverman 1986, eq. 3.31),
    and at least the distance of two places, so that points fallen together still show.
    """
    points = np.sort(np.asarray(points, np.float64).ravel())
    points = points[:: -(-len(points) // MOST)]
    quarter, three = np.quantile(points, [0.25, 0.75])
    spread = min(points.std(), (three - quarter) / 1.34) or points.std()
    width = max(0.9 * spread * len(points) ** -0.2, float(np.max(np.diff(at))))
    # Kernels further than 8 widths away are below 1e-14: only points near a place are summed.
    near = np.searchsorted(points, [at - 8 * width, at + 8 * width]).T
    kernels = (np.exp(-0.5 * np.square((points[a:b] - x) / width)) for x, (a, b) in zip(at, near, strict=True))
    sums = np.array([kernel.sum() for kernel in kernels], np.float64)
    return np.asarray(sums / (len(points) * width * np.sqrt(2 * np.pi)))
