"""The residual networks of SNGAN (Miyato et al. 2018, table 4) for images of 32 pixels, or any that halve to 4 to 7.

Kernels start Glorot-uniform, those of blocks with gain sqrt 2 and those of shortcuts with 1, as in the authors' code.
Conditional games take conditional batch norm in G and the projection in D (Miyato & Koyama 2018).
"""

from __future__ import annotations

import math

from gankit.layers import (
    AvgPool,
    Conv,
    Dense,
    Features,
    GlobalPool,
    Layers,
    ProjectionHead,
    Relu,
    Reshape,
    Residual,
    SpectralNorm,
    Tanh,
    Upsample,
    conditional_batch_norm,
)
from gankit.networks import GameSpec
from gankit.parts.initializers import GlorotUniform

W = GlorotUniform(math.sqrt(2.0))
LINEAR = GlorotUniform()


def generator(spec: GameSpec, *, width: int = 256) -> Layers:
    """z -> dense -> residual blocks, each doubling the sides -> batch norm, relu, convolution, tanh."""
    rows, columns, doublings = spec.halvings("sngan")
    up = Residual(
        (
            *conditional_batch_norm(spec.num_classes),
            Relu(),
            Upsample(2),
            Conv(width, kernel=W, bias=None),  # every sum of branches ends in a batch norm, which takes biases away
            *conditional_batch_norm(spec.num_classes),
            Relu(),
            Conv(width, kernel=W, bias=None),
        ),
        (Upsample(2), Conv(width, 1, kernel=LINEAR, bias=None)),
    )
    return (
        Dense(rows * columns * width, kernel=LINEAR),
        Reshape((rows, columns, width)),
        *(up,) * doublings,
        *conditional_batch_norm(None),
        Relu(),
        Conv(spec.shape[2], kernel=LINEAR),
        Tanh(),
    )


def discriminator(spec: GameSpec, *, width: int = 128, plain: int = 2) -> Layers:
    """An image -> residual blocks that halve it to 8 to 14 pixels, `plain` ones that don't -> relu, sum, logit.

    Every kernel is spectrally normalised.
    """
    _, _, halvings = spec.halvings("sngan")
    layers: Layers = (_first(width),)
    layers += (_down(width),) * max(0, halvings - 2)
    layers += (_plain(width),) * plain
    layers += (Relu(), GlobalPool("sum"), Features())
    if spec.num_classes is None:
        return (*layers, SpectralNorm(Dense(1, kernel=LINEAR)), Reshape(()))
    return (*layers, SpectralNorm(ProjectionHead(spec.num_classes, LINEAR, LINEAR)))


def _conv(width: int, size: int = 3, *, shortcut: bool = False) -> SpectralNorm:
    return SpectralNorm(Conv(width, size, kernel=LINEAR if shortcut else W))


def _first(width: int) -> Residual:
    """The image itself meets a convolution first, not a relu."""
    main = (_conv(width), Relu(), _conv(width), AvgPool(2))
    return Residual(main, (AvgPool(2), _conv(width, 1, shortcut=True)))


def _down(width: int) -> Residual:
    main = (Relu(), _conv(width), Relu(), _conv(width), AvgPool(2))
    return Residual(main, (_conv(width, 1, shortcut=True), AvgPool(2)))


def _plain(width: int) -> Residual:
    return Residual((Relu(), _conv(width), Relu(), _conv(width)))
