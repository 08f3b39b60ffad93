"""DCGAN (Radford et al. 2015), and with labels the conditional one, at any size that halves down to 4 to 7 pixels."""

from __future__ import annotations

from typing import Literal

from gankit.errors import ConfigError
from gankit.layers import (
    BatchNorm,
    ConcatLabels,
    Conv,
    ConvTranspose,
    Dense,
    Features,
    Flatten,
    Layers,
    LeakyRelu,
    ProjectionHead,
    Relu,
    Reshape,
    Tanh,
)
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import Normal

W = Normal(0.02)
NORM = BatchNorm(scale=Normal(0.02, mean=1.0))  # the authors' released code; biases start at 0


def generator(spec: GameSpec, *, width: int = 64) -> Layers:
    """z (and label) -> dense, reshaped -> transposed convolutions 4x4/2, batch norm, relu -> tanh.

    width: channels of the last hidden layer; each one before has twice as many. The paper's 64-pixel net has 128.
    """
    rows, columns, doublings = spec.halvings("dcgan")
    channels = width * 2 ** (doublings - 1)
    layers: Layers = (
        *spec.labels(),
        Dense(rows * columns * channels, kernel=W, bias=None),  # no bias in front of batch norm, which takes it away
        Reshape((rows, columns, channels)),
        NORM,
        Relu(),
    )
    for i in range(1, doublings):
        layers += (ConvTranspose(channels // 2**i, kernel=W, bias=None), NORM, Relu())
    return (*layers, ConvTranspose(spec.shape[2], kernel=W), Tanh())


def discriminator(
    spec: GameSpec, *, width: int = 64, slope: float = 0.2, labels: Literal["concat", "projection"] = "concat"
) -> Layers:
    """An image -> convolutions 4x4/2, leaky relu, batch norm on all but the first -> one logit.

    labels: how a conditional D is told them: as planes beside the image ("concat"), or as a vector that the features
        are projected on (Miyato & Koyama 2018).
    """
    if labels not in ("concat", "projection"):
        raise ConfigError(f"dcgan: labels={labels!r}; possible: 'concat' and 'projection'.")
    told = spec.num_classes is not None and labels == "concat"
    layers: Layers = (ConcatLabels(spec.num_classes or 0),) if told else ()
    layers += (Conv(width, 4, 2, kernel=W), LeakyRelu(slope))
    for i in range(1, spec.halvings("dcgan")[2]):
        layers += (Conv(width * 2**i, 4, 2, kernel=W, bias=None), NORM, LeakyRelu(slope))
    projected = spec.num_classes is not None and labels == "projection"
    head: Layers = (ProjectionHead(spec.num_classes or 0, W, W),) if projected else (Dense(1, kernel=W), Reshape(()))
    return (*layers, Flatten(), Features(), *head)
