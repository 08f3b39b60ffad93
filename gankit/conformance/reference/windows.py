"""Layers that look at windows of images, one window at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.reference.given import Given, Still


def conv(layer: layers.Conv, given: Given) -> Array:
    kernel, stride, size = given.arrays["kernel"], layer.stride, layer.size
    p = (size - 1) // 2 if layer.padding is None else layer.padding
    x = np.pad(given.x, ((0, 0), (p, p), (p, p), (0, 0)))
    rows, columns = ((side - size) // stride + 1 for side in x.shape[1:3])
    inside, outside = kernel.shape[2], layer.features // layer.groups
    out = np.zeros((len(x), rows, columns, layer.features))
    for group in range(layer.groups):
        read = slice(group * inside, (group + 1) * inside)
        written = slice(group * outside, (group + 1) * outside)
        for i in range(rows):
            for j in range(columns):
                window = x[:, i * stride : i * stride + size, j * stride : j * stride + size, read]
                out[:, i, j, written] = np.tensordot(window, kernel[..., written], 3)
    return np.asarray(out + given.arrays.get("bias", 0.0))


def conv_transpose(layer: layers.ConvTranspose, given: Given) -> Array:
    x, kernel, stride, size = given.x, given.arrays["kernel"], layer.stride, layer.size
    p = max(0, size - stride) // 2 if layer.padding is None else layer.padding
    n, rows, columns, _ = x.shape
    height, width = ((side - 1) * stride + size for side in (rows, columns))
    out = np.zeros((n, height, width, layer.features))
    for i in range(rows):
        for j in range(columns):
            patches = np.tensordot(x[:, i, j], kernel, (1, 2))
            out[:, i * stride : i * stride + size, j * stride : j * stride + size] += patches
    return np.asarray(out[:, p : height - p, p : width - p] + given.arrays.get("bias", 0.0))


def conv1d(layer: layers.Conv1d, given: Given) -> Array:
    kernel, d = given.arrays["kernel"], layer.dilation
    p = d * (layer.size - 1) // 2 if layer.padding is None else layer.padding
    x = np.pad(given.x, ((0, 0), (p, p), (0, 0)))
    reach = d * (layer.size - 1) + 1
    starts = range(0, x.shape[1] - reach + 1, layer.stride)
    out = [sum(x[:, at + i * d] @ kernel[i] for i in range(layer.size)) for at in starts]
    return np.asarray(np.stack(out, axis=1) + given.arrays.get("bias", 0.0))


def max_pool(layer: layers.MaxPool, given: Given) -> Array:
    x = given.x

    def starts(side: int) -> Iterator[int]:
        """Windows follow each other until one of them holds the last pixel."""
        start = 0
        yield start
        while start + layer.size < side:
            start += layer.stride
            yield start

    pooled = [
        [x[:, i : i + layer.size, j : j + layer.size].max(axis=(1, 2)) for j in starts(x.shape[2])]
        for i in starts(x.shape[1])
    ]
    return np.moveaxis(np.array(pooled), 2, 0)


def avg_pool(layer: layers.AvgPool, given: Given) -> Array:
    size, x = layer.size, given.x
    shifted = [x[:, i::size, j::size] for i in range(size) for j in range(size)]
    return np.asarray(np.mean(shifted, axis=0))


def upsample(layer: layers.Upsample, given: Given) -> Array:
    if layer.method == "nearest":
        return given.x.repeat(layer.factor, axis=1).repeat(layer.factor, axis=2)
    height, width = given.x.shape[1:3]
    return bilinear(bilinear(given.x, 1, height * layer.factor), 2, width * layer.factor)


def downsample(layer: layers.Downsample, given: Given) -> Array:
    height, width = (side // layer.factor for side in given.x.shape[1:3])
    if layer.method == "nearest":
        upper_left = [np.arange(side) * layer.factor for side in (height, width)]
        return given.x[:, upper_left[0]][:, :, upper_left[1]]
    return bilinear(bilinear(given.x, 1, height), 2, width)


def bilinear(x: Array, axis: int, count: int) -> Array:
    """`count` points along an axis, each between the two pixels beside it; pixel i lies at i + 1/2."""
    side, lines = x.shape[axis], []
    for i in range(count):
        place = (i + 0.5) * side / count - 0.5
        left = int(np.floor(place))
        before, after = (np.clip(k, 0, side - 1) for k in (left, left + 1))
        lines.append((1 - (place - left)) * x.take(before, axis) + (place - left) * x.take(after, axis))
    return np.stack(lines, axis)


def global_pool(layer: layers.GlobalPool, given: Given) -> Array:
    total = given.x.sum(axis=(1, 2))
    return np.asarray(total if layer.kind == "sum" else total / (given.x.shape[1] * given.x.shape[2]))


REFERENCES: dict[type[layers.Layer], Still] = {
    layers.Conv: conv,
    layers.ConvTranspose: conv_transpose,
    layers.Conv1d: conv1d,
    layers.MaxPool: max_pool,
    layers.AvgPool: avg_pool,
    layers.GlobalPool: global_pool,
    layers.Upsample: upsample,
    layers.Downsample: downsample,
}
