"""Convolutions on (N, h, w, c) as products of patches: XLA's own are slow on a CPU, slowest inside a loop."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

LAYOUT = ("NHWC", "HWIO", "NHWC")


def patches(x: Array, size: int, pad: int) -> Array:
    """(N, h', w', size * size * c)."""
    x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = (side - size + 1 for side in x.shape[1:3])
    return jnp.concatenate([x[:, i : i + height, j : j + width] for i in range(size) for j in range(size)], axis=-1)


def halved(x: Array) -> Array:
    """2x2 blocks of pixels as one pixel of four times the channels."""
    n, h, w, c = x.shape
    return jnp.swapaxes(x.reshape(n, h // 2, 2, w // 2, 2, c), 2, 3).reshape(n, h // 2, w // 2, 4 * c)


def product(rows: Array, matrix: Array) -> Array:
    """rows @ matrix; in its gradient the narrower factor is turned over, which is twice as fast on a CPU."""
    if rows.shape[-1] <= matrix.shape[1]:
        return rows @ matrix
    turned = lax.optimization_barrier(matrix.T)
    flat = lax.dot_general(rows.reshape(-1, rows.shape[-1]), turned, (((1,), (1,)), ((), ())))
    return flat.reshape(*rows.shape[:-1], -1)


def conv(x: Array, kernel: Array, stride: int = 1, pad: int = 0) -> Array:
    """kernel (size, size, in, out); stride 2 on blocks of pixels, so its gradient adds up 4 images, not 16."""
    size, _, _, out = kernel.shape
    if size == 1:
        return x @ kernel[0, 0]
    if stride == 2:
        x = halved(jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))))
        kernel = jnp.moveaxis(halved(jnp.moveaxis(kernel, 3, 0)), 0, 3)
        size, pad = size // 2, 0
    return product(patches(x, size, pad), kernel.reshape(-1, out))


def grouped_conv(x: Array, kernel: Array, pad: int, groups: int) -> Array:
    """kernel (size, size, in / groups, out), stride 1; one batched product over the groups."""
    n, h, w, c = x.shape
    x = jnp.moveaxis(x.reshape(n, h, w, groups, c // groups), 3, 0).reshape(groups * n, h, w, c // groups)
    rows = patches(x, kernel.shape[0], pad).reshape(groups, n * h * w, -1)
    matrices = jnp.moveaxis(kernel.reshape(rows.shape[-1], groups, -1), 1, 0)
    return jnp.moveaxis(rows @ matrices, 0, 1).reshape(n, h, w, -1)


def conv_transpose(x: Array, kernel: Array) -> Array:
    """4x4, stride 2, padding 1: doubles the sides. kernel (4, 4, in, out).

    Many channels: a 2x2 convolution that makes 2x2 pixels at a time. One: products of pixels and kernel, spread and
    added, which are fewer numbers then.
    """
    n, h, w, channels = x.shape
    kernel, out = jnp.swapaxes(kernel, 2, 3), kernel.shape[3]
    if out == 1:
        image = jax.ShapeDtypeStruct((n, 2 * h, 2 * w, out), x.dtype)
        return jax.linear_transpose(lambda y: conv(y, kernel, 2, 1), image)(x)[0]
    blocks = jnp.moveaxis(halved(jnp.moveaxis(kernel, 3, 0)), 0, 2)[::-1, ::-1]
    y = product(patches(x, 2, 1), blocks.reshape(4 * channels, 4 * out))
    y = jnp.swapaxes(y.reshape(n, h + 1, w + 1, 2, 2, out), 2, 3).reshape(n, 2 * h + 2, 2 * w + 2, out)
    return y[:, 1:-1, 1:-1]


def native_conv(x: Array, kernel: Array, stride: int = 1, pad: int = 0) -> Array:
    return lax.conv_general_dilated(x, kernel, (stride, stride), [(pad, pad)] * 2, dimension_numbers=LAYOUT)


def native_conv_transpose(x: Array, kernel: Array) -> Array:
    pads = [(2, 2)] * 2
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=LAYOUT)
