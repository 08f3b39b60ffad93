"""Initialisers that draw float64 with NumPy, so that every backend starts from the same values.

Kernels are in the canonical layout, inputs before outputs: dense (in, out), convolution (height, width, in, out).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gankit.arrays import Array

Initializer = Callable[[np.random.Generator, tuple[int, ...], Array | None], Array]
"""`(rng, shape, data_mean) -> float64 array`; data_mean is the mean example in model units, where data is known."""


@dataclass(frozen=True)
class Constant:
    """Every entry the same number."""

    value: float = 0.0

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], data_mean: Array | None) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Uniform:
    """U(-limit, limit); pylearn2 called the limit `irange`."""

    limit: float

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], data_mean: Array | None) -> Array:
        return rng.uniform(-self.limit, self.limit, shape)


@dataclass(frozen=True)
class Normal:
    """N(mean, std)."""

    std: float
    mean: float = 0.0

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], data_mean: Array | None) -> Array:
        return rng.normal(self.mean, self.std, shape)


@dataclass(frozen=True)
class HeNormal:
    """N(0, gain / sqrt(fan_in)), He et al. 2015; gain sqrt(2) keeps the variance through a ReLU."""

    gain: float = math.sqrt(2.0)

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], data_mean: Array | None) -> Array:
        return rng.normal(0.0, self.gain / math.sqrt(math.prod(shape[:-1])), shape)


@dataclass(frozen=True)
class GlorotUniform:
    """U(-limit, limit) with limit = gain * sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010."""

    gain: float = 1.0

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], data_mean: Array | None) -> Array:
        window = math.prod(shape[:-2])
        limit = self.gain * math.sqrt(6.0 / (window * (shape[-2] + shape[-1])))
        return rng.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class Sparse:
    """N(0, std) for `count` random inputs of each unit, otherwise 0; pylearn2's `sparse_init`."""

    count: int
    std: float = 1.0

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], data_mean: Array | None) -> Array:
        inputs = math.prod(shape[:-1])
        order = rng.random((inputs, shape[-1])).argsort(axis=0)  # for each unit, its inputs in random order
        kernel = np.where(order < self.count, rng.normal(0.0, self.std, (inputs, shape[-1])), 0.0)
        return kernel.reshape(shape)


@dataclass(frozen=True)
class LogitOfMean:
    """The logit of the mean example, clipped to [eps, 1 - eps], so that a sigmoid output starts at the pixel means.

    Goodfellow et al. 2014, released configuration (`init_bias_target_marginals`). Zero if the data is not known.
    """

    eps: float = 1e-7

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], data_mean: Array | None) -> Array:
        if data_mean is None:
            return np.zeros(shape)
        p = np.clip(data_mean.reshape(shape), self.eps, 1 - self.eps)
        return np.asarray(np.log(p) - np.log1p(-p))
