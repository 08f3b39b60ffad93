"""Derivatives by central differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gankit.arrays import Array


def central_differences(f: Callable[[Array], float], x: Array, h: float = 1e-6) -> Array:
    """The gradient of f at x, to about 1e-9 where f is smooth."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        direction = np.zeros_like(x)
        direction[index] = 1.0
        gradient[index] = along(f, x, direction, h)
    return gradient


def along(f: Callable[[Array], float], x: Array, direction: Array, h: float = 1e-6) -> float:
    """The derivative of f at x in a direction."""
    return (f(x + h * direction) - f(x - h * direction)) / (2 * h)
