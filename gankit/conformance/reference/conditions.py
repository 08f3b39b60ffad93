"""Layers that are given a vector or an image, one example and one place at a time."""

from __future__ import annotations

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.reference.given import Given, Still
from gankit.conformance.reference.labels import appended


def concat_condition(layer: layers.ConcatCondition, given: Given) -> Array:
    x, c = given.x, given.conditions[layer.name]
    if x.ndim == 2 or c.ndim == 2:
        return appended(x, c.reshape(len(c), -1))
    out = np.zeros((*x.shape[:-1], x.shape[-1] + c.shape[-1]))
    out[..., : x.shape[-1]] = x
    for n, row, column in np.ndindex(x.shape[:-1]):
        rows, columns = covered(row, x.shape[1], c.shape[1]), covered(column, x.shape[2], c.shape[2])
        out[n, row, column, x.shape[-1] :] = c[n, rows, columns].mean(axis=(0, 1))
    return out


def covered(place: int, places: int, pixels: int) -> slice:
    """The pixels of a condition that lie under one place of what it goes beside."""
    if pixels >= places:
        each = pixels // places
        return slice(place * each, (place + 1) * each)
    own = place // (places // pixels)
    return slice(own, own + 1)


def condition_affine(layer: layers.ConditionAffine, given: Given) -> Array:
    scale, bias = given.arrays["scale"], given.arrays["bias"]
    vectors = given.conditions[layer.name]
    return np.array([x * (1 + v @ scale) + v @ bias for x, v in zip(given.x, vectors, strict=True)])


def keep_known(layer: layers.KeepKnown, given: Given) -> Array:
    c, m = given.conditions[layer.name], given.conditions[layer.mask]
    return np.array([known * own + (1 - known) * x for known, own, x in zip(m, c, given.x, strict=True)])


def take_condition(layer: layers.TakeCondition, given: Given) -> Array:
    c = given.conditions[layer.name]
    return appended(c, given.x) if layer.beside else c


REFERENCES: dict[type[layers.Layer], Still] = {
    layers.ConcatCondition: concat_condition,
    layers.ConditionAffine: condition_affine,
    layers.KeepKnown: keep_known,
    layers.TakeCondition: take_condition,
}
