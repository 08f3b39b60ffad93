"""Layers on vectors, elementwise layers, and those that move numbers about."""

from __future__ import annotations

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.reference.given import Given, Still


def affine(given: Given) -> Array:
    """x W + b, of which b may be missing."""
    return np.asarray(given.x @ given.arrays["kernel"] + given.arrays.get("bias", 0.0))


def maxout(layer: layers.Maxout, given: Given) -> Array:
    columns = affine(given)
    pieces = [columns[:, p * layer.units : (p + 1) * layer.units] for p in range(layer.pieces)]
    return np.asarray(np.max(pieces, axis=0))


def max_pieces(layer: layers.MaxPieces, given: Given) -> Array:
    return np.asarray(np.max(np.split(given.x, layer.pieces, axis=-1), axis=0))


def pixel_shuffle(layer: layers.PixelShuffle, given: Given) -> Array:
    f, (n, height, width, channels) = layer.factor, given.x.shape
    c = channels // f**2
    out = np.zeros((n, height * f, width * f, c))
    for i in range(f):
        for j in range(f):
            first = (i * f + j) * c
            out[:, i::f, j::f] = given.x[..., first : first + c]
    return out


def reflection_pad(layer: layers.ReflectionPad, given: Given) -> Array:
    s = layer.size
    return np.pad(given.x, ((0, 0), (s, s), (s, s), (0, 0)), mode="reflect")


REFERENCES: dict[type[layers.Layer], Still] = {
    layers.Dense: lambda layer, given: affine(given),
    layers.Maxout: maxout,
    layers.MaxPieces: max_pieces,
    layers.Dropout: lambda layer, given: given.x,
    layers.Relu: lambda layer, given: np.maximum(given.x, 0),
    layers.LeakyRelu: lambda layer, given: np.where(given.x > 0, given.x, layer.slope * given.x),
    layers.Sigmoid: lambda layer, given: 1 / (1 + np.exp(-given.x)),
    layers.Tanh: lambda layer, given: np.tanh(given.x),
    layers.Flatten: lambda layer, given: given.x.reshape(len(given.x), -1),
    layers.Reshape: lambda layer, given: given.x.reshape(len(given.x), *layer.shape),
    layers.PixelShuffle: pixel_shuffle,
    layers.ReflectionPad: reflection_pad,
    layers.Bias: lambda layer, given: given.x + given.arrays["bias"],
    layers.Features: lambda layer, given: given.x,
}
"""Dropout is the identity here: what it does in training is another file's (`gankit.conformance.dropout`)."""
