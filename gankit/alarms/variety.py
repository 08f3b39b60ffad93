"""How varied samples are beside the data: two numbers that fall to 0 when G collapses, for any data, without a network.

Measured in model units, in which features weigh alike. Both are ratios to a sample of the data of the same size, so 1
is what a perfect G has.
"""

from __future__ import annotations

import numpy as np

from gankit.arrays import Array


class Variety:
    """Samples against a reference of real examples, (n, ...) in model units; keep n small, distances are n^2."""

    def __init__(self, real: Array) -> None:
        self._spread, self._nearest = spread_and_nearest(real)

    def __call__(self, samples: Array) -> tuple[float | None, float | None]:
        """(spread, distance to the nearest other) of as many samples, each divided by the data's.

        The first falls to 0 when all samples become one, the second also when they become a few. None where the data
        itself has none: it is constant, or most of its examples come twice.
        """
        spread, nearest = spread_and_nearest(samples)
        return _ratio(spread, self._spread), _ratio(nearest, self._nearest)


def spread_and_nearest(x: Array) -> tuple[float, float]:
    """Of (n, ...) with n >= 2: how far its rows lie from their mean, and each from the nearest other.

    The first is the root mean squared distance, up to sqrt 2 the mean distance of pairs; the second the median.
    """
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    x = x - x.mean(axis=0)  # far from 0 the squares would swallow the distances
    products = x @ x.T
    squares = products.diagonal()
    distances = squares[:, None] + squares[None, :] - 2.0 * products
    np.fill_diagonal(distances, np.inf)
    closest = distances.min(axis=1)
    # Of equal rows the differences leave rounding, positive or negative, where 0 is meant.
    closest[closest < 1e-12 * max(float(squares.max()), 1e-300)] = 0.0
    return float(np.sqrt(squares.mean())), float(np.sqrt(np.median(closest)))


def _ratio(of_samples: float, of_data: float) -> float | None:
    return of_samples / of_data if of_data > 0 else None
