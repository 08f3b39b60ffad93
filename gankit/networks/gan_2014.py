"""The pairs of Goodfellow et al. 2014, as in the authors' released configurations.

mnist.yaml, tfd_pretrain/pretrain.yaml and train.yaml, cifar10_fully_connected.yaml, cifar10_convolutional.yaml. Their
`irange` is the limit of a uniform distribution. Dropout is D's alone.
"""

from __future__ import annotations

import math

from gankit.layers import (
    Bias,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Flatten,
    Layers,
    Maxout,
    MaxPieces,
    MaxPool,
    Relu,
    Reshape,
    Sigmoid,
)
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import Constant, LogitOfMean, Sparse, Uniform


def generator(spec: GameSpec, *, units: int = 1200) -> Layers:
    """MNIST: z -> dense 1200 relu -> dense 1200 relu -> dense sigmoid, which starts at the pixel means."""
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

    units: 240 on MNIST, 1200 on TFD, 1600 on CIFAR-10.
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


def tfd_generator(spec: GameSpec, *, units: int = 8000, code: int = 0) -> Layers:
    """TFD: z -> dense 8000 relu -> dense 8000 sigmoid -> dense sigmoid, sparse, which starts at the pixel means.

    code: the second stage, train.yaml, puts a new pair of layers in front of the trained ones, dense 8000 relu and a
        sigmoid code of 100 units, which takes the place of z. Of that width; 0 leaves them out.
    """
    w = Uniform(0.05)
    front: Layers = ()
    if code:
        front = (Dense(units, kernel=w), Relu(), Dense(code, kernel=w, bias=Constant(-2.0)), Sigmoid())
    return (
        *spec.labels(),
        *front,
        Dense(units, kernel=w),
        Relu(),
        Dense(units, kernel=w, bias=Constant(-2.0)),
        Sigmoid(),
        Dense(math.prod(spec.shape), kernel=Sparse(100), bias=LogitOfMean()),
        Sigmoid(),
        Reshape(spec.shape),
    )


def cifar_generator(spec: GameSpec, *, units: int = 8000) -> Layers:
    """CIFAR-10, fully connected: z -> dense 8000 relu -> dense 8000 sigmoid -> dense, linear."""
    w = Uniform(0.05)
    return (
        *spec.labels(),
        Dense(units, kernel=w),
        Relu(),
        Dense(units, kernel=w),
        Sigmoid(),
        Dense(math.prod(spec.shape), kernel=Uniform(0.5)),
        Reshape(spec.shape),
    )


def deconvolutional_generator(spec: GameSpec, *, units: int = 8000, channels: int = 80) -> Layers:
    """CIFAR-10: z -> dense 8000 relu -> dense 8000 sigmoid, as 10x10x80 -> 5x5 patches 3 pixels apart, 32x32x3.

    units is 100 times `channels` at 32x32; elsewhere the grid of patches is as large as the picture asks.
    """
    size, stride, (height, width, colours) = 5, 3, spec.image_shape("deconvolutional-2014")
    rows, columns = ((side - size) // stride + 1 for side in (height, width))
    spec.require(
        (rows - 1) * stride + size == height and (columns - 1) * stride + size == width,
        "deconvolutional-2014",
        "sides of 5 + 3 n pixels, such as 32",
    )
    w = Uniform(0.05)
    return (
        *spec.labels(),
        Dense(units, kernel=w),
        Relu(),
        Dense(rows * columns * channels, kernel=w),
        Sigmoid(),
        Reshape((rows, columns, channels)),
        ConvTranspose(colours, size, stride, padding=0, kernel=w, bias=None),
        Bias(),  # untied: one for each pixel
    )


def convolutional_discriminator(
    spec: GameSpec, *, width: int = 32, units: int = 500, keep_input: float = 0.8, keep_hidden: float = 0.5
) -> Layers:
    """CIFAR-10: three convolutional maxout layers of 2 pieces with max pooling, maxout 500x5, one logit; dropout.

    width: channels of the first two layers; the third has 6 times as many.
    """
    w = Uniform(0.005)
    layers: Layers = (*spec.labels(), Dropout(keep_input))
    for channels, size, pad, pool in ((width, 8, 4, 4), (width, 8, 3, 4), (6 * width, 5, 3, 2)):
        layers += (
            Conv(2 * channels, size, padding=pad, kernel=w),
            MaxPieces(2),
            MaxPool(pool, 2),
            Dropout(keep_hidden),
        )
    return (*layers, Flatten(), Maxout(units, 5, kernel=w), Dropout(keep_hidden), Dense(1, kernel=w), Reshape(()))
