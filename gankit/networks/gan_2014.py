"""The MNIST pair of Goodfellow et al. 2014, as in the authors' released mnist.yaml."""

from __future__ import annotations

import math

from gankit.initializers import LogitOfMean, Uniform
from gankit.layers import Dense, Dropout, Flatten, Layers, Maxout, Relu, Reshape, Sigmoid
from gankit.networks.spec import GameSpec


def generator(spec: GameSpec, *, units: int = 1200) -> Layers:
    """z -> dense 1200 relu -> dense 1200 relu -> dense sigmoid, which starts at the pixel means."""
    w = Uniform(0.05)
    return (
        *spec.labels(),
        Dense(units, kernel=w),
        Relu(),
        Dense(units, kernel=w),
        Relu(),
        Dense(math.prod(spec.shape), kernel=w, bias=LogitOfMean()),
        Sigmoid(),
        Reshape(spec.shape),
    )


def discriminator(
    spec: GameSpec, *, units: int = 240, pieces: int = 5, keep_input: float = 0.8, keep_hidden: float = 0.5
) -> Layers:
    """An example -> maxout 240x5 -> maxout 240x5 -> one logit, with dropout in front of each.

    keep_input, keep_hidden: the shares that dropout keeps; 1 switches it off.
    """
    w = Uniform(0.005)
    return (
        Flatten(),
        *spec.labels(),
        Dropout(keep_input),
        Maxout(units, pieces, kernel=w),
        Dropout(keep_hidden),
        Maxout(units, pieces, kernel=w),
        Dropout(keep_hidden),
        Dense(1, kernel=w),
        Reshape(()),
    )
