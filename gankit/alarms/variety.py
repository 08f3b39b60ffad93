"""How varied samples are beside the data: two numbers that fall to 0 when G collapses, for any data, without a network.

Measured in model units, in which features weigh alike. Both are ratios to a sample of the data of the same size, so 1
is what a perfect G has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Variety:
    """Samples against a reference of real examples, (n, ...) in model units; keep n small, distances are n^2."""

    def __init__(self, real: Array) -> None:
        self._spread, self._nearest = spread(_flat(real)), nearest(_flat(real))

    def __call__(self, samples: Array) -> tuple[float | None, float | None]:
        """(spread, distance to the nearest other) of as many samples, each divided by the data's.

        The first falls to 0 when all samples become one, the second also when they become a few. None where the data
        itself has none: it is constant, or most of its examples come twice.
        """
        flat = _flat(samples)
        return _ratio(spread(flat), self._spread), _ratio(nearest(flat), self._nearest)


def spread(x: Array) -> float:
    """Root mean squared distance to the mean, of (n, features): the mean distance of pairs, up to sqrt 2."""
    return float(np.sqrt(x.var(axis=0).sum()))


def nearest(x: Array) -> float:
    """The median, over rows, of the distance to the nearest other row of (n, features), n >= 2."""
    x = x - x.mean(axis=0)  # far from 0 the squares would swallow the distances
    squares = (x * x).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * x @ x.T
    np.fill_diagonal(distances, np.inf)
    closest = distances.min(axis=1)
    # Of equal rows the differences leave rounding, positive or negative, where 0 is meant.
    closest[closest < 1e-12 * max(float(squares.max()), 1e-300)] = 0.0
    return float(np.sqrt(np.median(closest)))


def _flat(x: Array) -> Array:
    return np.asarray(x, np.float64).reshape(len(x), -1)


def _ratio(of_samples: float, of_data: float) -> float | None:
    return of_samples / of_data if of_data > 0 else None
