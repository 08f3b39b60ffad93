"""Convolutions on (N, h, w, c) as products of patches: XLA's own are slow on a CPU, slowest inside a loop.

On a GPU, `conv`, `grouped_conv` and `conv_transpose` are XLA's own.
"""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import linear_call

LAYOUT = ("NHWC", "HWIO", "NHWC")


def windows(x: Array, axis: int, size: int, pad: int) -> Array:
    """(..., side, ..., c) -> (..., side + 2 pad - size + 1, ..., size, c). The transpose is written out: JAX's own is a
    sum of padded arrays, which is slow inside a loop."""
    return linear_call(lambda _, x: _windows(x, axis, size, pad), lambda _, y: spread(y, axis, size, pad), (), x)


def spread(y: Array, axis: int, size: int, pad: int) -> Array:
    """The transpose of `windows`: (..., count, ..., size, c) -> (..., count + size - 1 - 2 pad, ..., c), sums."""
    return linear_call(lambda _, y: _spread(y, axis, size, pad), lambda _, x: windows(x, axis, size, pad), (), y)


def _windows(x: Array, axis: int, size: int, pad: int) -> Array:
    around = [(0, 0)] * x.ndim
    around[axis] = (pad, pad)
    x = jnp.pad(x, around)
    count = x.shape[axis] - size + 1
    return jnp.stack([lax.slice_in_dim(x, j, j + count, axis=axis) for j in range(size)], -2)


def _spread(y: Array, axis: int, size: int, pad: int) -> Array:
    count = y.shape[axis - 1]
    end = count + size - 1 - pad
    cuts = sorted({pad, end, *(at for at in (*range(size), *range(count, count + size)) if pad < at < end)})
    return jnp.concatenate(
        [
            sum(
                lax.slice_in_dim(y[..., j, :], start - j, stop - j, axis=axis)
                for j in range(size)
                if start >= j and stop <= count + j
            )
            for start, stop in pairwise(cuts)
        ],
        axis,
    )


def merged(x: Array) -> Array:
    return x.reshape(*x.shape[:-2], -1)


def patches(x: Array, size: int, pad: int) -> Array:
    """(N, h', w', size * size * c)."""
    return merged(windows(merged(windows(x, -2, size, pad)), -3, size, pad))


def by_rows(x: Array, kernel: Array, pad: int) -> Array:
    """x (groups, N, h, w, in), kernel (groups, size, size, in, out): windows of a row, a product, and rows added up."""
    groups, size, _, inside, out = kernel.shape
    rows = merged(windows(x, -2, size, pad))
    matrices = jnp.transpose(kernel[:, ::-1], (0, 2, 3, 1, 4)).reshape(groups, size * inside, size * out)
    y = rows.reshape(groups, -1, size * inside) @ matrices if groups > 1 else product(rows[0], matrices[0])
    return spread(y.reshape(*rows.shape[:-1], size, out), -3, size, size - 1 - pad)


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


def native() -> bool:
    """Whether XLA's own convolutions are the fast ones."""
    return jax.default_backend() != "cpu"


def conv(x: Array, kernel: Array, stride: int = 1, pad: int = 0) -> Array:
    """kernel (size, size, in, out); stride 2 on blocks of pixels, so its gradient adds up 4 images, not 16."""
    size, _, _, out = kernel.shape
    if native():
        return native_conv(x, kernel, stride, pad)
    if size == 1:
        return x @ kernel[0, 0]
    if stride == 2:
        x = halved(jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0))))
        kernel = jnp.moveaxis(halved(jnp.moveaxis(kernel, 3, 0)), 0, 3)
        size, pad = size // 2, 0
    if out < size * x.shape[-1]:
        return by_rows(x[None], kernel[None], pad)[0]
    return product(patches(x, size, pad), kernel.reshape(-1, out))


def grouped_conv(x: Array, kernel: Array, pad: int, groups: int) -> Array:
    """kernel (size, size, in / groups, out), stride 1; one batched product over the groups."""
    if native():
        return native_conv(x, kernel, 1, pad, groups)
    n, h, w, c = x.shape
    x = jnp.moveaxis(x.reshape(n, h, w, groups, c // groups), 3, 0)
    kernel = jnp.moveaxis(kernel.reshape(*kernel.shape[:3], groups, -1), 3, 0)
    y = by_rows(x, kernel, pad)
    return jnp.moveaxis(y, 0, 3).reshape(*y.shape[1:4], -1)


def conv_transpose(x: Array, kernel: Array) -> Array:
    """4x4, stride 2, padding 1: doubles the sides. kernel (4, 4, in, out)."""
    if native():
        return native_conv_transpose(x, kernel)
    n, h, w, _ = x.shape
    image = jax.ShapeDtypeStruct((n, 2 * h, 2 * w, kernel.shape[3]), x.dtype)
    return jax.linear_transpose(lambda y: conv(y, jnp.swapaxes(kernel, 2, 3), 2, 1), image)(x)[0]


def native_conv(x: Array, kernel: Array, stride: int = 1, pad: int = 0, groups: int = 1) -> Array:
    pads = [(pad, pad)] * 2
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, dimension_numbers=LAYOUT, feature_group_count=groups
    )


def native_conv_transpose(x: Array, kernel: Array) -> Array:
    pads = [(2, 2)] * 2
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=LAYOUT)
