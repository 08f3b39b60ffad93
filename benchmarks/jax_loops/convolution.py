"""Convolutions on (N, h, w, c) as products of patches: XLA's own are slow on a CPU, slowest inside a loop."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

LAYOUT = ("NHWC", "HWIO", "NHWC")


def patches(x: Array, size: int, stride: int, pad: int) -> Array:
    """(N, h', w', size * size * c)."""
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = ((side - size) // stride + 1 for side in x.shape[1:3])
    rows, columns = ([slice(i, i + (n - 1) * stride + 1, stride) for i in range(size)] for n in (height, width))
    return jnp.concatenate([x[:, r, c] for r in rows for c in columns], axis=-1)


def conv(x: Array, kernel: Array, stride: int = 1, pad: int = 0) -> Array:
    """kernel (size, size, in, out)."""
    if kernel.shape[0] == 1:
        return x @ kernel[0, 0]
    return patches(x, kernel.shape[0], stride, pad) @ kernel.reshape(-1, kernel.shape[-1])


def grouped_conv(x: Array, kernel: Array, pad: int, groups: int) -> Array:
    """kernel (size, size, in / groups, out), stride 1; one batched product over the groups."""
    n, h, w, c = x.shape
    x = jnp.moveaxis(x.reshape(n, h, w, groups, c // groups), 3, 0).reshape(groups * n, h, w, c // groups)
    rows = patches(x, kernel.shape[0], 1, pad).reshape(groups, n * h * w, -1)
    matrices = jnp.moveaxis(kernel.reshape(rows.shape[-1], groups, -1), 1, 0)
    return jnp.moveaxis(rows @ matrices, 0, 1).reshape(n, h, w, -1)


def conv_transpose(x: Array, kernel: Array) -> Array:
    """4x4, stride 2, padding 1: doubles the sides. kernel (4, 4, in, out)."""
    n, h, w, _ = x.shape
    image = jax.ShapeDtypeStruct((n, 2 * h, 2 * w, kernel.shape[3]), x.dtype)
    return jax.linear_transpose(lambda y: conv(y, jnp.swapaxes(kernel, 2, 3), 2, 1), image)(x)[0]


def native_conv(x: Array, kernel: Array, stride: int = 1, pad: int = 0) -> Array:
    return lax.conv_general_dilated(x, kernel, (stride, stride), [(pad, pad)] * 2, dimension_numbers=LAYOUT)


def native_conv_transpose(x: Array, kernel: Array) -> Array:
    pads = [(2, 2)] * 2
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=LAYOUT)
