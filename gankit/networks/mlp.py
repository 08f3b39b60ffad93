"""A plain pair of multilayer perceptrons for any float array: images, vectors, tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gankit.layers import BatchNorm, Choose, Dense, Features, Flatten, Layer, Layers, LeakyRelu, Relu, Reshape, Sigmoid
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import HeNormal


def generator(spec: GameSpec, *, hidden: Sequence[int] = (256, 256), norm: bool = False) -> Layers:
    """z (and conditions) -> dense relu layers -> an example; ends in a sigmoid where examples are bounded, and in a
    softmax for each choice of a row of a table.

    norm: whether there is batch norm in front of each relu.
    """
    layers: list[Layer] = [*spec.conditions()]
    for width in hidden:
        # no bias in front of batch norm, which takes it away
        layers += [Dense(width, bias=None), BatchNorm(), Relu()] if norm else [Dense(width), Relu()]
    layers.append(Dense(math.prod(spec.shape), kernel=HeNormal(gain=1.0)))
    if spec.bounded:
        layers.append(Sigmoid())
    elif spec.choices:
        layers.append(Choose(spec.choices))
    return (*layers, Reshape(spec.shape))


def discriminator(
    spec: GameSpec, *, hidden: Sequence[int] = (256, 256), slope: float = 0.2, conditional: bool = True
) -> Layers:
    """An example (and conditions) -> dense leaky-relu layers -> one logit.

    conditional: whether D sees the conditions; where they are not the reals' own, as in `cycle`, it must not.
    """
    layers: list[Layer] = [Flatten(), *(spec.conditions() if conditional else ())]
    for width in hidden:
        layers += [Dense(width), LeakyRelu(slope)]
    return (*layers, Features(), Dense(1, kernel=HeNormal(gain=1.0)), Reshape(()))
