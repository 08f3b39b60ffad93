"""Layers of tables, one example and one choice at a time."""

from __future__ import annotations

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.reference.given import Given, Still

EVEN = 1e-6


def choose(layer: layers.Choose, given: Given) -> Array:
    out = given.x.astype(np.float64).copy()
    first = layer.choices[0].start
    for n, row in enumerate(given.x):
        for choice in layer.choices:
            slots = slice(choice.start, choice.stop)
            logits = row[slots].astype(np.float64)
            if layer.chance is not None:
                u = given.conditions[layer.chance][n, choice.start - first : choice.stop - first]
                logits = logits - np.log(-np.log(EVEN + u * (1 - 2 * EVEN)))
            e = np.exp((logits - logits.max()) / layer.temperature)
            out[n, slots] = e / e.sum()
            if choice.position is not None:
                out[n, choice.position] = row[choice.position] * out[n, slots][: choice.modes].sum()
    return out


def keep_column(layer: layers.KeepColumn, given: Given) -> Array:
    out, first = given.x.astype(np.float64).copy(), layer.choices[0].start
    for n, told in enumerate(given.conditions[layer.name]):
        for choice in layer.choices:
            own = told[choice.start - first : choice.stop - first]
            slots = slice(choice.start, choice.stop)
            out[n, slots] = own + (1 - own.sum()) * given.x[n, slots]
    return out


def pack(layer: layers.Pack, given: Given) -> Array:
    each = [given.x[i : i + layer.size].ravel() for i in range(0, len(given.x), layer.size)]
    return np.array(each)


def unpack(layer: layers.Unpack, given: Given) -> Array:
    return np.array([said for said in given.x for _ in range(layer.size)])


REFERENCES: dict[type[layers.Layer], Still] = {
    layers.Choose: choose,
    layers.KeepColumn: keep_column,
    layers.Pack: pack,
    layers.Unpack: unpack,
}
