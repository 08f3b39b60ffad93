"""Convolutions along time, for series (steps, channels). After WaveGAN (Donahue et al. 2019), with shorter kernels."""

from __future__ import annotations

from gankit.layers import Conv1d, Dense, Features, Flatten, Layer, Layers, LeakyRelu, Relu, Reshape, Tanh
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import HeNormal

SHORTEST = 4
"""Steps that are left, at least, where a series was halved as often as it can be."""
WIDEST = 2
"""Halvings at which the channels are doubled."""
W = HeNormal(gain=1.0)


def generator(spec: GameSpec, *, width: int = 16, kernel: int = 5) -> Layers:
    """z (and conditions) -> a short series of many channels -> doubled and convolved -> the series.

    width: channels of the longest series, before the last convolution; twice as many at each halving, 4 times at most.
    Time is doubled by making two steps of the channels of one, which leaves no comb behind as strided transposed
    convolutions do. Where examples are bounded it ends in tanh.
    """
    steps, channels = _series(spec)
    start, doublings = _halvings(spec)
    wide = width * 2 ** min(doublings, WIDEST)
    layers: list[Layer] = [*spec.conditions(), Dense(start * wide), Reshape((start, wide)), Relu()]
    for left in reversed(range(doublings)):
        wide, now = width * 2 ** min(left, WIDEST), steps // 2**left
        layers += [Conv1d(2 * wide, kernel), Reshape((now, wide)), Relu(), Conv1d(wide, kernel), Relu()]
    layers.append(Conv1d(channels, kernel, kernel=W))
    return (*layers, Tanh()) if spec.bounded else tuple(layers)


def discriminator(spec: GameSpec, *, width: int = 16, kernel: int = 5, slope: float = 0.2) -> Layers:
    """A series -> convolved and halved -> one logit, which sees the conditions before the last two layers."""
    _, doublings = _halvings(spec)
    layers: list[Layer] = [Conv1d(width, kernel), LeakyRelu(slope)]
    for done in range(1, doublings + 1):
        layers += [Conv1d(width * 2 ** min(done, WIDEST), kernel, stride=2, padding=kernel // 2), LeakyRelu(slope)]
    layers += [Flatten(), *spec.conditions(), Dense(8 * width), LeakyRelu(slope), Features()]
    return (*layers, Dense(1, kernel=W), Reshape(()))


def _series(spec: GameSpec) -> tuple[int, int]:
    spec.require(len(spec.shape) == 2, "series", "series (steps, channels)")
    steps, channels = spec.shape
    return steps, channels


def _halvings(spec: GameSpec) -> tuple[int, int]:
    """(steps of the shortest series, how often the whole one was halved)."""
    steps, _ = _series(spec)
    count = 0
    while steps % 2 == 0 and steps // 2 >= SHORTEST:
        steps, count = steps // 2, count + 1
    spec.require(count > 0, "series", "series whose number of steps is even, 8 at least, such as 64 or 96")
    return steps, count
