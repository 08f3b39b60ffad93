"""Windows along an axis, and their transpose, as two linear functions of which each is the other's derivative.

JAX would derive from slices that overlap a sum of padded arrays, and a padded array within a loop asks at every element
whether it is inside: a third of the time of a network of narrow convolutions. Written out, each is made of slices only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Pads = tuple[int, int]


def windows(x: Array, axis: int, size: int, pads: Pads) -> Array:
    """(..., side, ..., c) -> (..., side + pads - size + 1, ..., size, c): [..., i, ..., j, :] is padded x at i + j.

    axis: where the side is, counted from the end of x: -2 or before.
    """
    return _windows.bind(x, axis=axis, size=size, pads=pads)


def spread(x: Array, axis: int, size: int, pads: Pads) -> Array:
    """The transpose of `windows`: (..., count, ..., size, c) -> (..., count + size - 1 - pads, ..., c), sums.

    axis: where the side is, counted from the end of the result: -2 or before.
    """
    return _spread.bind(x, axis=axis, size=size, pads=pads)


def _gather(x: Array, *, axis: int, size: int, pads: Pads) -> Array:
    around = [(0, 0, 0)] * x.ndim
    around[axis] = (*pads, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), around)
    count = x.shape[axis] - size + 1
    return jnp.stack([lax.slice_in_dim(x, j, j + count, axis=axis) for j in range(size)], axis=-2)


def _add(x: Array, *, axis: int, size: int, pads: Pads) -> Array:
    count = x.shape[axis - 1]
    first, end = pads[0], count + size - 1 - pads[1]
    # Where a window begins or ends to reach: between two such places the same windows are added up.
    places = sorted({first, end, *(p for p in (*range(1, size), *range(count, count + size - 1)) if first < p < end)})
    pieces = [
        sum(
            lax.slice_in_dim(lax.index_in_dim(x, j, -2, keepdims=False), start - j, stop - j, axis=axis)
            for j in range(size)
            if start >= j and stop <= count + j
        )
        for start, stop in pairwise(places)
    ]
    return jnp.concatenate(pieces, axis=axis)


def _linear(name: str, f: Callable[..., Array]) -> Primitive:
    def shaped(x: Any, **how: Any) -> jax.core.ShapedArray:
        made = jax.eval_shape(partial(f, **how), x)
        return jax.core.ShapedArray(made.shape, made.dtype)

    def batched(arguments: tuple[Array], axes: tuple[int], **how: Any) -> tuple[Array, int]:
        return primitive.bind(jnp.moveaxis(arguments[0], axes[0], 0), **how), 0

    primitive = Primitive(name)
    primitive.def_impl(f)
    primitive.def_abstract_eval(shaped)
    mlir.register_lowering(primitive, mlir.lower_fun(f, multiple_results=False))
    batching.primitive_batchers[primitive] = batched
    return primitive


_windows, _spread = _linear("windows", _gather), _linear("spread", _add)
ad.deflinear2(_windows, lambda cotangent, x, **how: [_spread.bind(cotangent, **how)])
ad.deflinear2(_spread, lambda cotangent, x, **how: [_windows.bind(cotangent, **how)])
