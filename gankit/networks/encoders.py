"""From examples to latents: what z is this an answer to? Goodfellow et al. 2014, section 7, extension 2."""

from __future__ import annotations

from collections.abc import Sequence

from gankit.layers import BatchNorm, Conv, Dense, Flatten, Layers, LeakyRelu
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import HeNormal


def mlp(spec: GameSpec, *, hidden: Sequence[int] = (512, 512), norm: bool = True, slope: float = 0.2) -> Layers:
    """An example (and conditions) -> dense leaky-relu layers -> a latent, (latent_dim,).

    norm: whether there is batch norm in front of each activation.
    """
    layers: Layers = (Flatten(), *spec.conditions())
    for width in hidden:
        # no bias in front of batch norm, which takes it away
        layers += (Dense(width, bias=None), BatchNorm()) if norm else (Dense(width),)
        layers += (LeakyRelu(slope),)
    return (*layers, Dense(spec.latent_dim, kernel=HeNormal(gain=1.0)))


def convolutional(spec: GameSpec, *, width: int = 32, hidden: int = 256, norm: bool = True) -> Layers:
    """An image (and conditions) -> convolutions 4x4/2, halved to 4 to 7 pixels -> a dense layer -> a latent.

    width: channels at half the picture's size, doubled at each further halving. hidden: units of the dense layer.
    norm: whether there is batch norm behind it.
    """
    _, _, halvings = spec.halvings("convolutional")
    layers: Layers = spec.conditions()
    for i in range(halvings):
        layers += (Conv(width * 2**i, 4, 2), LeakyRelu(0.2))
    layers += (Flatten(), *((Dense(hidden, bias=None), BatchNorm()) if norm else (Dense(hidden),)), LeakyRelu(0.2))
    return (*layers, Dense(spec.latent_dim, kernel=HeNormal(gain=1.0)))
