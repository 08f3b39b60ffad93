"""What each layer record computes in evaluation, in float64 NumPy, and an example or more of each record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gankit import layers
from gankit.layers import Layer, Shape

Array = np.ndarray[Any, Any]

EXAMPLES: tuple[tuple[Layer, Shape], ...] = (
    (layers.Dense(5), (3,)),
    (layers.Dense(1), (7,)),
    (layers.Dense(4, bias=None), (1,)),
    (layers.Maxout(3, 2), (5,)),
    (layers.Maxout(2, 5, bias=None), (3,)),
    (layers.Maxout(4, 1), (3,)),
    (layers.Dropout(0.7), (6,)),
    (layers.Relu(), (3, 5, 2)),
    (layers.LeakyRelu(), (5,)),
    (layers.LeakyRelu(0.01), (1, 3)),
    (layers.Sigmoid(), (5,)),
    (layers.Tanh(), (3, 5, 2)),
    (layers.Flatten(), (3, 5, 2)),
    (layers.Flatten(), (7,)),
    (layers.Reshape((2, 3)), (6,)),
    (layers.Reshape((7, 1, 3)), (21,)),
    (layers.Reshape(()), (1,)),
    (layers.ConcatLabels(4), (3,)),
    (layers.ConcatLabels(1), (1,)),
)
"""(record, input shape), the odd sizes included."""

Reference = Callable[[Any, Mapping[str, Array], Array, Array], Array]


def dense(layer: layers.Dense, params: Mapping[str, Array], x: Array, y: Array) -> Array:
    return np.asarray(x @ params["kernel"] + params.get("bias", 0.0))


def maxout(layer: layers.Maxout, params: Mapping[str, Array], x: Array, y: Array) -> Array:
    affine = x @ params["kernel"] + params.get("bias", 0.0)
    pieces = [affine[:, p * layer.units : (p + 1) * layer.units] for p in range(layer.pieces)]
    return np.asarray(np.max(pieces, axis=0))


REFERENCES: dict[type[Layer], Reference] = {
    layers.Dense: dense,
    layers.Maxout: maxout,
    layers.Dropout: lambda layer, params, x, y: x,
    layers.Relu: lambda layer, params, x, y: np.maximum(x, 0),
    layers.LeakyRelu: lambda layer, params, x, y: np.where(x > 0, x, layer.slope * x),
    layers.Sigmoid: lambda layer, params, x, y: 1 / (1 + np.exp(-x)),
    layers.Tanh: lambda layer, params, x, y: np.tanh(x),
    layers.Flatten: lambda layer, params, x, y: x.reshape(len(x), -1),
    layers.Reshape: lambda layer, params, x, y: x.reshape(len(x), *layer.shape),
    layers.ConcatLabels: lambda layer, params, x, y: np.hstack([x, np.eye(layer.num_classes)[y]]),
}


def central_differences(f: Callable[[Array], float], x: Array, h: float = 1e-6) -> Array:
    """The gradient of f at x, to about 1e-9 where f is smooth."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        gradient[index] = (f(up) - f(down)) / (2 * h)
    return gradient
