"""Layers that are given the labels, one example at a time, and D's heads."""

from __future__ import annotations

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.reference.given import Given, Still


def appended(x: Array, vectors: Array) -> Array:
    """(N, ..., c) with vectors (N, d) after the channels of every place."""
    out = np.zeros((*x.shape[:-1], x.shape[-1] + vectors.shape[-1]))
    out[..., : x.shape[-1]] = x
    for example, vector in zip(out, vectors, strict=True):
        example[..., x.shape[-1] :] = vector
    return out


def label_affine(layer: layers.LabelAffine, given: Given) -> Array:
    scale, bias = given.arrays["scale"], given.arrays["bias"]
    return np.array([x * scale[label] + bias[label] for x, label in zip(given.x, given.y, strict=True)])


def projection_head(layer: layers.ProjectionHead, given: Given) -> Array:
    a = given.arrays
    logits = [
        h @ a["kernel"][:, 0] + a["bias"][0] + h @ a["embedding"][y] for h, y in zip(given.x, given.y, strict=True)
    ]
    return np.array(logits)


def class_head(layer: layers.ClassHead, given: Given) -> dict[str, Array]:
    a = given.arrays
    return {
        "logits": given.x @ a["kernel"][:, 0] + a["bias"][0],
        "class_logits": given.x @ a["class_kernel"] + a["class_bias"],
    }


def classes_head(layer: layers.ClassesHead, given: Given) -> dict[str, Array]:
    logits = given.x @ given.arrays["kernel"] + given.arrays["bias"]
    return {"logits": np.logaddexp.reduce(logits, axis=1), "class_logits": logits}


REFERENCES: dict[type[layers.Layer], Still] = {
    layers.ConcatLabels: lambda layer, given: appended(given.x, np.eye(layer.num_classes)[given.y]),
    layers.ConcatEmbedding: lambda layer, given: appended(given.x, given.arrays["embedding"][given.y]),
    layers.LabelAffine: label_affine,
    layers.ProjectionHead: projection_head,
    layers.ClassHead: class_head,
    layers.ClassesHead: classes_head,
}
