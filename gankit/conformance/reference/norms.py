"""Normalisation of activations and of weights, and the spread within a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.reference.given import Given, Moving, Still


def batch_norm(layer: layers.BatchNorm, given: Given) -> tuple[Array, dict[str, Array]]:
    x, old = given.x, {name: given.arrays[name] for name in ("mean", "var")}
    columns = x.reshape(-1, x.shape[-1])
    mean, var, moved = old["mean"], old["var"], old
    if given.train:
        mean, var = columns.mean(axis=0), columns.var(axis=0)
        new = {"mean": mean, "var": columns.var(axis=0, ddof=1)}
        moved = {name: layer.momentum * old[name] + (1 - layer.momentum) * new[name] for name in old}
    normal = (x - mean) / np.sqrt(var + layer.eps)
    return np.asarray(normal * given.arrays.get("scale", 1.0) + given.arrays.get("bias", 0.0)), moved


def layer_norm(layer: layers.LayerNorm, given: Given) -> Array:
    normal = [(x - x.mean()) / np.sqrt(x.var() + layer.eps) for x in given.x]
    return np.asarray(np.array(normal) * given.arrays["scale"] + given.arrays["bias"])


def instance_norm(layer: layers.InstanceNorm, given: Given) -> Array:
    out = np.empty_like(given.x)
    for example, result in zip(given.x, out, strict=True):
        for c in range(example.shape[-1]):
            channel = example[..., c]
            result[..., c] = (channel - channel.mean()) / np.sqrt(channel.var() + layer.eps)
    return np.asarray(out * given.arrays.get("scale", 1.0) + given.arrays.get("bias", 0.0))


def minibatch_stddev(layer: layers.MinibatchStddev, given: Given) -> Array:
    x = given.x
    groups = len(x) // math.gcd(len(x), layer.group)
    out = np.concatenate([x, np.zeros((*x.shape[:-1], 1))], axis=-1)
    for i in range(groups):
        out[i::groups, ..., -1] = np.sqrt(x[i::groups].var(axis=0) + 1e-8).mean()
    return out


def divided_kernels(arrays: Mapping[str, Array], train: bool) -> tuple[dict[str, Array], dict[str, Array]]:
    """(what the layer inside a spectral norm computes with, the vectors u after it)."""
    inner = {name.removeprefix("layer/"): array for name, array in arrays.items() if name.startswith("layer/")}
    vectors = {}
    for name in [name for name in inner if f"{name}_u" in arrays]:
        matrix, u = inner[name].reshape(-1, inner[name].shape[-1]), unit(arrays[f"{name}_u"])
        v = unit(matrix @ u)
        if train:
            u = unit(matrix.T @ v)
        inner[name] = inner[name] / (v @ matrix @ u)
        vectors[f"{name}_u"] = u if train else arrays[f"{name}_u"]
    return inner, vectors


def unit(vector: Array) -> Array:
    """The vector at length 1."""
    return np.asarray(vector / np.linalg.norm(vector))


STILL: dict[type[layers.Layer], Still] = {
    layers.InstanceNorm: instance_norm,
    layers.LayerNorm: layer_norm,
    layers.MinibatchStddev: minibatch_stddev,
}
MOVING: dict[type[layers.Layer], Moving] = {layers.BatchNorm: batch_norm}
