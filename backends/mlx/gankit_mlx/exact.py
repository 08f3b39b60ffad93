"""Exponentials to the digits of their dtype, and `mlx.core` in the words of the array-API standard.

In float64, MLX's `exp` on the CPU, and all that MLX makes of it (sigmoid, logaddexp, logsumexp), is right to 1e-7 only.
Its `power`, `log1p` and `tanh` are right to the last digit.
"""

from __future__ import annotations

import math
from typing import Any

import mlx.core as mx


def exp(x: mx.array) -> mx.array:
    """e to the power of x."""
    return mx.power(math.e, x) if x.dtype == mx.float64 else mx.exp(x)


@mx.custom_function
def sigmoid(x: mx.array) -> mx.array:
    """1 / (1 + exp(-x)); its derivatives are taken by hand, as those of |x| fail at 0."""
    small = exp(-mx.abs(x))
    return mx.where(x >= 0, 1.0, small) / (1.0 + small)


@sigmoid.vjp
def _sigmoid_vjp(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
    return cotangent * sigmoid(x) * sigmoid(-x)


@mx.custom_function
def softplus(x: mx.array) -> mx.array:
    """log(1 + exp(x)), finite everywhere, with the derivative sigmoid(x), 0 included."""
    return mx.maximum(x, 0.0) + mx.log1p(exp(-mx.abs(x)))


@softplus.vjp
def _softplus_vjp(x: mx.array, cotangent: mx.array, _: mx.array) -> mx.array:
    return cotangent * sigmoid(x)


class Standard:
    """What `ops.xp` is: `mlx.core`, with an exact `exp` and the standard's spelling where MLX has its own."""

    exp = staticmethod(exp)

    def __getattr__(self, name: str) -> Any:
        return getattr(mx, name)

    def var(self, x: mx.array, /, *, axis: Any = None, correction: int = 0, keepdims: bool = False) -> mx.array:
        return mx.var(x, axis, keepdims, ddof=correction)

    def std(self, x: mx.array, /, *, axis: Any = None, correction: int = 0, keepdims: bool = False) -> mx.array:
        return mx.std(x, axis, keepdims, ddof=correction)
