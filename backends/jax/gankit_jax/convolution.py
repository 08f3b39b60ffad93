"""Convolution and its transpose: native, and on the CPU as matrix products of patches.

Training runs inside a loop of one program, and there XLA's CPU convolutions fall back to plain loops of their own.
Forward and backward in such a loop, batch 64, two cores, native : patches, at the sizes of our networks: 4x4 stride 2,
6 to 69 times; 3x3, 2 to 59; 1x1, 2 to 115; 3x3 in groups of 16 channels, 17 to 28. A whole step of `dcgan` on MNIST
takes 1,556 ms natively and 205 ms by patches, one of `modern-small` 111 and 19. What came later made these 1.8 and 1.4
times as fast again, and `modern` 1.8: strides taken in blocks of pixels, and windows gathered along one axis and spread
along the other. Outside of a loop native convolutions are the faster ones, by up to 3 times, but not by enough to step
from Python: 166 ms against 137 for `dcgan`, when it went by patches.
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
from gankit_jax.windows import spread, windows

LAYOUT = ("NHWC", "HWIO", "NHWC")
Pads = Sequence[tuple[int, int]]
NO_PADS: Pads = ((0, 0), (0, 0))


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
    return by_products(x, kernel, window_strides, pads, feature_group_count)


def conv_transpose(x: Array, kernel: Array, *, stride: int, padding: int, patches: bool) -> Array:
    """The transpose of the convolution with `kernel` (size, size, in, out): (N, h, w, in) -> (N, h', w', out)."""
    size = kernel.shape[0]
    if not patches:
        flipped, around = jnp.flip(kernel, (0, 1)), [(size - 1 - padding, size - 1 - padding)] * 2
        dilated = {"lhs_dilation": (stride, stride), "dimension_numbers": LAYOUT}
        return lax.conv_general_dilated(x, flipped, (1, 1), around, **dilated)
    height, width = ((side - 1) * stride + size - 2 * padding for side in x.shape[1:3])
    image = jax.ShapeDtypeStruct((x.shape[0], height, width, kernel.shape[3]), x.dtype)
    pads = ((padding, padding), (padding, padding))
    conv = partial(by_products, kernel=jnp.swapaxes(kernel, 2, 3), strides=(stride, stride), pads=pads)
    return jax.linear_transpose(conv, image)(x)[0]


def by_products(x: Array, kernel: Array, strides: Sequence[int], pads: Pads, groups: int = 1) -> Array:
    """A convolution, kernel (height, width, in / groups, out), as one matrix product for each group.

    Along an axis either the windows are gathered before the product, or what a pixel gives to each of its windows is
    added up after it. Both axes gathered are the usual patches. For a 3x3 kernel between like numbers of channels one
    of each makes 3 + 3 numbers a pixel on the way, where patches make 9 + 1, and is 1.3 to 2 times as fast.
    """
    n, channels, features = x.shape[0], x.shape[3], kernel.shape[3]
    if channels == features == groups:  # a product of numbers, not of matrices
        return depthwise(x, kernel, strides, pads)
    x = jnp.moveaxis(x.reshape(*x.shape[:3], groups, channels // groups), 3, 0)
    if max(strides) > 1:
        x, kernel, pads = in_blocks(x, kernel, strides, pads)
    elif not all(0 <= pad < size for size, sides in zip(kernel.shape, pads, strict=False) for pad in sides):
        x, pads = padded(x, pads), NO_PADS
    (high, wide, inside, _), outside = kernel.shape, features // groups
    gathered = axes_to_gather(high, wide, inside, outside)
    if gathered > 0:
        x = merged(windows(x, -2, wide, pads[1]))
    if gathered > 1:
        x = merged(windows(x, -3, high, pads[0]))
    spread_over = 2 - gathered
    kernel = jnp.flip(kernel.reshape(high, wide, inside, groups, outside), range(spread_over))
    before, after = (0, 1)[spread_over:], (0, 1)[:spread_over]
    matrices = jnp.transpose(kernel, (3, *before, 2, *after, 4)).reshape(groups, x.shape[-1], -1)
    y = product(x.reshape(groups, -1, x.shape[-1]), matrices).reshape(*x.shape[:-1], -1)
    if gathered < 2:
        y = spread(y.reshape(*y.shape[:-1], high, -1), -3, high, rest(high, pads[0]))
    if gathered < 1:
        y = spread(y.reshape(*y.shape[:-1], wide, -1), -2, wide, rest(wide, pads[1]))
    return jnp.moveaxis(y, 0, 3).reshape(n, *y.shape[2:4], features)


def rest(size: int, pads: tuple[int, int]) -> tuple[int, int]:
    """What is cut off at both ends of an axis that is spread, where the pads would be if it was gathered."""
    return size - 1 - pads[0], size - 1 - pads[1]


def axes_to_gather(high: int, wide: int, inside: int, outside: int) -> int:
    """0, 1 (the width) or 2: whichever makes the fewest numbers a pixel before and after the product."""
    numbers = {
        1: wide * inside + high * outside,
        2: high * wide * inside + outside,
        0: inside + high * wide * outside,
    }
    return min(numbers, key=numbers.__getitem__)


def depthwise(x: Array, kernel: Array, strides: Sequence[int], pads: Pads) -> Array:
    """A convolution of each channel by itself, kernel (height, width, 1, channels)."""
    rows = windows(x, -3, kernel.shape[0], pads[0])[:, :: strides[0]]  # (N, h', w, height, c)
    patches = windows(jnp.moveaxis(rows, -2, 0), -2, kernel.shape[1], pads[1])[:, :, :, :: strides[1]]
    return jnp.einsum("hnijwc,hwc->nijc", patches, kernel[:, :, 0])


def in_blocks(x: Array, kernel: Array, strides: Sequence[int], pads: Pads) -> tuple[Array, Array, Pads]:
    """(images, kernel, pads) of the same convolution at a stride of one: blocks of pixels as single ones.

    x: (groups, N, h, w, c). A quarter of the windows at a stride of two, and in the gradient of x a quarter of the
    images to be added up.
    """
    sizes = kernel.shape[:2]
    if max(sizes) == 1:  # most pixels are in no window
        return padded(x, pads)[:, :, :: strides[0], :: strides[1]], kernel, NO_PADS
    reaches = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    ends = []
    for side, size, stride, (before, after), reach in zip(x.shape[2:4], sizes, strides, pads, reaches, strict=True):
        count = (side + before + after - size) // stride + 1
        ends.append((before, (count + reach - 1) * stride - side - before))
    zeros = [(0, reach * stride - size) for size, stride, reach in zip(sizes, strides, reaches, strict=True)]
    kernel = jnp.moveaxis(jnp.pad(kernel, (*zeros, (0, 0), (0, 0))), 3, 0)
    return folded(padded(x, ends), strides), jnp.moveaxis(folded(kernel, strides), 0, 3), NO_PADS


def padded(x: Array, pads: Sequence[tuple[int, int]]) -> Array:
    """Images (groups, N, h, w, c) with zeros around, or cut where a pad is negative."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(*pad, 0) for pad in ((0, 0), (0, 0), *pads, (0, 0))])


def product(rows: Array, matrices: Array) -> Array:
    """rows @ matrices, (groups, n, in) and (groups, in, out).

    The gradient in the matrices is a product that turns over the narrower of its two factors.

    XLA turns over `rows` whatever their width, and on a CPU a product with the wide factor turned over takes twice as
    long: 24.7 ms against 11.4 for rows of 1,024 and a gradient of 128.
    """
    if rows.shape[2] <= matrices.shape[2]:
        return rows @ matrices
    turned = lax.optimization_barrier(jnp.swapaxes(matrices, 1, 2))  # else XLA sees that it is turned forth and back
    return lax.dot_general(rows, turned, (((2,), (2,)), ((0,), (0,))))


def folded(x: Array, block: Sequence[int]) -> Array:
    """(..., h, w, c) with each block of pixels as the channels of one: (..., h / block[0], w / block[1], block * c)."""
    *outer, height, width, channels = x.shape
    x = x.reshape(*outer, height // block[0], block[0], width // block[1], block[1], channels)
    return merged(merged(jnp.swapaxes(x, -4, -3)))


def merged(x: Array) -> Array:
    """(..., a, b) as (..., a * b)."""
    return x.reshape(*x.shape[:-2], -1)
