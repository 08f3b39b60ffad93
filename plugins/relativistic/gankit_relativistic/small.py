"""The quick nets: digits of 28 pixels in a few minutes on two CPU cores.

Found by trial on MNIST, not a paper's: sub-pixel convolutions in G, which batch norm keeps lively from the first steps,
and a D of two strided convolutions, which has none, as penalties on single examples want it.
"""

from __future__ import annotations

from gankit.layers import (
    BatchNorm,
    Conv,
    Dense,
    Features,
    Flatten,
    Layers,
    LeakyRelu,
    PixelShuffle,
    ProjectionHead,
    Relu,
    Reshape,
    Sigmoid,
)
from gankit.networks import GameSpec
from gankit.parts.initializers import HeNormal

LINEAR = HeNormal(gain=1.0)


def generator(spec: GameSpec, *, width: int = 32) -> Layers:
    """z (and one-hot label) -> dense 7x7x32 -> sub-pixel convolutions 3x3, batch norm, relu -> sigmoid."""
    rows, columns, doublings = spec.halvings("modern-small")
    layers: Layers = (
        *spec.labels(),
        Dense(rows * columns * width, bias=None),
        Reshape((rows, columns, width)),
        BatchNorm(),
        Relu(),
    )
    for i in range(1, doublings):
        layers += (Conv(4 * width // 2**i, bias=None), PixelShuffle(2), BatchNorm(), Relu())
    return (*layers, Conv(4 * spec.shape[2], kernel=LINEAR), PixelShuffle(2), Sigmoid())


def discriminator(spec: GameSpec, *, width: int = 16, hidden: int = 128) -> Layers:
    """An image -> convolutions 4x4/2 of 16 and 32 channels -> dense 128, leaky relu -> one logit, labels projected."""
    _, _, halvings = spec.halvings("modern-small")
    layers: Layers = ()
    for i in range(halvings):
        layers += (Conv(width * 2**i, 4, 2), LeakyRelu(0.2))
    layers += (Flatten(), Dense(hidden), LeakyRelu(0.2), Features())
    if spec.num_classes is None:
        return (*layers, Dense(1, kernel=LINEAR), Reshape(()))
    return (*layers, ProjectionHead(spec.num_classes, LINEAR, LINEAR))
