"""Convolution and its transpose: native, and on the CPU as matrix products of patches.

Training runs inside a loop of one program, and there XLA's CPU convolutions fall back to plain loops of their own.
Forward and backward in such a loop, batch 64, two cores, native : patches, at the sizes of our networks: 4x4 stride 2,
6 to 69 times; 3x3, 2 to 59; 1x1, 2 to 115; 3x3 in groups of 16 channels, 17 to 28. A whole step of `dcgan` on MNIST
takes 1,556 ms natively and 205 ms by patches, one of `modern-small` 111 and 19; strides taken in blocks of pixels, and
transposes gathered, came later and made `dcgan` 1.6 times as fast again. Outside of a loop native convolutions
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

    By patches it gathers or spreads, whichever makes fewer numbers on the way.
    """
    size = kernel.shape[0]
    if not patches:
        flipped, around = jnp.flip(kernel, (0, 1)), [(size - 1 - padding, size - 1 - padding)] * 2
        dilated = {"lhs_dilation": (stride, stride), "dimension_numbers": LAYOUT}
        return lax.conv_general_dilated(x, flipped, (1, 1), around, **dilated)
    transposed = jnp.swapaxes(kernel, 2, 3)
    height, width = ((side - 1) * stride + size - 2 * padding for side in x.shape[1:3])
    if size % stride == 0 and gathers_less(x.shape, kernel.shape, stride):
        return gathered(x, transposed, stride)[:, padding : padding + height, padding : padding + width]
    image = jax.ShapeDtypeStruct((x.shape[0], height, width, kernel.shape[3]), x.dtype)
    pads = ((padding, padding), (padding, padding))
    conv = partial(by_patches, kernel=transposed, strides=(stride, stride), pads=pads)
    return jax.linear_transpose(conv, image)(x)[0]


def gathers_less(image: Sequence[int], kernel: Sequence[int], stride: int) -> bool:
    """Whether patches of the image, as `gathered` takes them, are fewer numbers than its pixels times the kernel."""
    _, height, width, channels = image
    size, _, _, features = kernel
    reach = size // stride
    return (height + reach - 1) * (width + reach - 1) * reach**2 * channels < height * width * size**2 * features


def gathered(x: Array, kernel: Array, stride: int) -> Array:
    """The unpadded transpose of a convolution with kernel (size, size, out, in), size a multiple of the stride.

    It is a convolution that makes stride x stride pixels at a time from the pixels of x that reach them, size / stride
    along a side. Shi et al. 2016, "Is the deconvolution layer the same as a convolutional layer?".
    """
    blocks = folded_kernel(kernel, (stride, stride))
    pads = ((len(blocks) - 1,) * 2,) * 2
    y = by_patches(x, jnp.flip(jnp.swapaxes(blocks, 2, 3), (0, 1)), (1, 1), pads)
    n, height, width, _ = y.shape
    y = y.reshape(n, height, width, stride, stride, -1)
    return jnp.swapaxes(y, 2, 3).reshape(n, height * stride, width * stride, -1)


def by_patches(x: Array, kernel: Array, strides: Sequence[int], pads: Pads, groups: int = 1) -> Array:
    """A convolution, kernel (height, width, in / groups, out), as one product of patches and kernel for each group."""
    x, sizes = jnp.pad(x, ((0, 0), *pads, (0, 0))), kernel.shape[:2]
    windows = list(zip(x.shape[1:3], sizes, strides, strict=True))
    counts = [(side - size) // stride + 1 for side, size, stride in windows]
    if groups == 1 and max(strides) > 1 and all(size % stride == 0 for _, size, stride in windows):
        # Blocks of pixels, at a stride of one: a quarter of the slices at a stride of two, and in the gradient of x a
        # quarter of the images to be added up.
        height, width = ((count - 1) * stride + size for count, (_, size, stride) in zip(counts, windows, strict=True))
        x, kernel = folded(x[:, :height, :width], strides), folded_kernel(kernel, strides)
        strides = (1, 1)
    n, channels, features = x.shape[0], x.shape[3], kernel.shape[3]
    rows, columns = (
        [slice(i, i + (count - 1) * stride + 1, stride) for i in range(size)]
        for size, count, stride in zip(kernel.shape[:2], counts, strides, strict=True)
    )
    if channels == features == groups:  # a product of numbers, not of matrices
        patches = jnp.stack([x[:, r, c] for r in rows for c in columns], axis=3)
        return jnp.sum(patches * kernel.reshape(-1, channels), axis=3)
    if groups == 1:
        patches = jnp.concatenate([x[:, r, c] for r in rows for c in columns], axis=-1)
        y = product(patches.reshape(-1, patches.shape[-1]), kernel.reshape(-1, features))
        return y.reshape(n, *counts, features)
    x = jnp.moveaxis(x.reshape(*x.shape[:3], groups, channels // groups), 3, 0)
    patches = jnp.concatenate([x[:, :, r, c] for r in rows for c in columns], axis=-1)
    matrices = jnp.moveaxis(kernel.reshape(patches.shape[-1], groups, -1), 1, 0)  # (groups, patch, out / groups)
    y = patches.reshape(groups, -1, patches.shape[-1]) @ matrices
    return jnp.moveaxis(y, 0, 1).reshape(n, *counts, features)


def product(rows: Array, matrix: Array) -> Array:
    """rows @ matrix, whose gradient in the matrix is a product that turns over the narrower of its two factors.

    XLA turns over `rows` whatever their width, and on a CPU a product with the wide factor turned over takes twice as
    long: 24.7 ms against 11.4 for rows of 1,024 and a gradient of 128.
    """
    if rows.shape[1] <= matrix.shape[1]:
        return rows @ matrix
    turned = lax.optimization_barrier(matrix.T)  # else XLA sees that it is turned forth and back
    return lax.dot_general(rows, turned, (((1,), (1,)), ((), ())))


def folded(x: Array, block: Sequence[int]) -> Array:
    """(N, h, w, c) with each block of pixels as the channels of one: (N, h / block[0], w / block[1], blocks * c)."""
    n, height, width, channels = x.shape
    x = x.reshape(n, height // block[0], block[0], width // block[1], block[1], channels)
    return jnp.swapaxes(x, 2, 3).reshape(*x.shape[:2], x.shape[3], -1)


def folded_kernel(kernel: Array, block: Sequence[int]) -> Array:
    """The kernel that is to folded images what this one, in strides of a block, is to images."""
    return jnp.moveaxis(folded(jnp.moveaxis(kernel, 3, 0), block), 0, 3)
