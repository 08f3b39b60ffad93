"""Convolution and its transpose: native, and on the CPU as matrix products of patches.

Training runs inside a loop of one program, and there XLA's CPU convolutions fall back to plain loops of their own.
Forward and backward in such a loop, batch 64, two cores, native : patches, at the sizes of our networks: 4x4 stride 2,
6 to 69 times; 3x3, 2 to 59; 1x1, 2 to 115; 3x3 in groups of 16 channels, 17 to 28. A whole step of `dcgan` on MNIST
takes 1,556 ms natively and 205 ms by patches, one of `modern-small` 111 and 19. Outside of a loop native convolutions
are the faster ones, by up to 3 times, but not by enough to step from Python: 166 ms against 137 for `dcgan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from gankit import switches

LAYOUT = ("NHWC", "HWIO", "NHWC")
Pads = tuple[tuple[int, int], tuple[int, int]]


def chosen(device: jax.Device) -> bool:
    """Whether convolutions on that device go by patches; `GANKIT_WITHOUT=patches` leaves them to XLA."""
    # Not `lax.platform_dependent`: differentiated twice, its branches cost a fifth of the time and of the compilation.
    return device.platform == "cpu" and switches.on("patches")


def go_by_patches(module: nnx.Module) -> None:
    """Let every `nnx.Conv` in a module compute by `conv_general_dilated`, unless it was given a function of its own."""
    for _, node in nnx.iter_graph(module):
        if isinstance(node, nnx.Conv) and node.conv_general_dilated is lax.conv_general_dilated:
            node.conv_general_dilated = conv_general_dilated


def conv_general_dilated(
    x: Array,
    kernel: Array,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = LAYOUT,
    feature_group_count: int = 1,
    **options: Any,
) -> Array:
    """`lax.conv_general_dilated` to rounding; by patches, if it is one of images (N, h, w, c), undilated."""
    native = partial(
        lax.conv_general_dilated,
        window_strides=window_strides,
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        **options,
    )
    dilated = any(factor != 1 for factor in (*(lhs_dilation or ()), *(rhs_dilation or ())))
    numbers = [lax.conv_dimension_numbers(x.shape, kernel.shape, d) for d in (dimension_numbers, LAYOUT)]
    if x.ndim != 4 or dilated or numbers[0] != numbers[1]:
        return native(x, kernel)
    named = isinstance(padding, str)  # "SAME", "VALID"
    pads = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], window_strides, padding) if named else padding
    return by_patches(x, kernel, window_strides, pads, feature_group_count)


def conv_transpose(x: Array, kernel: Array, *, stride: int, padding: int, patches: bool) -> Array:
    """The transpose of the convolution with `kernel` (size, size, in, out): (N, h, w, in) -> (N, h', w', out).

    By patches they are products of pixels and kernel, spread and added.
    """
    size = kernel.shape[0]
    if patches:
        height, width = ((side - 1) * stride + size - 2 * padding for side in x.shape[1:3])
        image = jax.ShapeDtypeStruct((x.shape[0], height, width, kernel.shape[3]), x.dtype)
        pads = ((padding, padding), (padding, padding))
        conv = partial(by_patches, kernel=jnp.swapaxes(kernel, 2, 3), strides=(stride, stride), pads=pads)
        return jax.linear_transpose(conv, image)(x)[0]
    flipped = jnp.flip(kernel, (0, 1))
    around = [(size - 1 - padding, size - 1 - padding)] * 2
    return lax.conv_general_dilated(x, flipped, (1, 1), around, lhs_dilation=(stride, stride), dimension_numbers=LAYOUT)


def by_patches(x: Array, kernel: Array, strides: Sequence[int], pads: Pads, groups: int = 1) -> Array:
    """A convolution, kernel (height, width, in / groups, out), as one product of patches and kernel for each group."""
    n, channels, features = x.shape[0], x.shape[3], kernel.shape[3]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    counts = [
        (side - size) // stride + 1 for side, size, stride in zip(x.shape[1:3], kernel.shape, strides, strict=False)
    ]
    rows, columns = (
        [slice(i, i + (count - 1) * stride + 1, stride) for i in range(size)]
        for size, count, stride in zip(kernel.shape, counts, strides, strict=False)
    )
    if channels == features == groups:  # a product of numbers, not of matrices
        patches = jnp.stack([x[:, r, c] for r in rows for c in columns], axis=3)
        return jnp.sum(patches * kernel.reshape(-1, channels), axis=3)
    x = jnp.moveaxis(x.reshape(*x.shape[:3], groups, channels // groups), 3, 0) if groups > 1 else x[None]
    patches = jnp.concatenate([x[:, :, r, c] for r in rows for c in columns], axis=-1)
    matrices = jnp.moveaxis(kernel.reshape(patches.shape[-1], groups, -1), 1, 0)  # (groups, patch, out / groups)
    y = patches.reshape(groups, -1, patches.shape[-1]) @ matrices
    return jnp.moveaxis(y, 0, 1).reshape(n, *counts, features)
