"""What is hidden of a picture, given what is known: p(x_S | the rest) for every S by one generator.

Goodfellow et al. 2014, section 7, extension 3.
"""

from __future__ import annotations

import math

from gankit.errors import ConfigError
from gankit.interfaces.values import Port
from gankit.layers import (
    AsCondition,
    BatchNorm,
    ConcatCondition,
    ConditionAffine,
    Conv,
    Dense,
    Features,
    Flatten,
    KeepKnown,
    Layers,
    LeakyRelu,
    PixelShuffle,
    Relu,
    Reshape,
    Skip,
    TakeCondition,
    Tanh,
)
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import HeNormal, Normal

LATENT = "z"


def generator(spec: GameSpec, *, width: int = 16, hidden: int = 256) -> Layers:
    """(a picture with a part hidden, its mask) -> a U-Net with a dense layer at its lowest size -> the picture.

    z joins the dense layer, and scales and shifts the channels at every size above it (Karras et al. 2019): a U-Net
    with z at its input alone ignores z, and all its completions are one. Known pixels pass through untouched.

    width: channels at half the picture's size, doubled at each further halving. hidden: units of the dense layer, which
    sees the whole picture at once.
    """
    _, _, channels = spec.image_shape("completion")
    name, mask = _conditions(spec)
    low_rows, low_columns, halvings = spec.halvings("completion")

    def modulated() -> Layers:
        return (BatchNorm(), ConditionAffine(LATENT, (spec.latent_dim,), kernel=Normal(0.1)), Relu())

    def level(i: int) -> Layers:
        """From a picture halved i times to one of as many channels, by what lies below."""
        own = width * 2**i
        if i == halvings - 1:
            lowest = (low_rows, low_columns, own)
            below: Layers = (Flatten(), Dense(hidden), LeakyRelu(0.2), ConcatCondition(LATENT, (spec.latent_dim,)))
            below += (Dense(math.prod(lowest), bias=None), Reshape(lowest), *modulated())
        else:
            below = (Conv(2 * own, 4, 2), LeakyRelu(0.2), *level(i + 1))
            below += (Conv(4 * own, bias=None), PixelShuffle(2), *modulated())
        return (Skip(below),)

    inner: Layers = (
        TakeCondition(name, spec.given[name].shape),
        ConcatCondition(mask, spec.given[mask].shape),
        Conv(width, 4, 2),
        LeakyRelu(0.2),
        *level(0),
        Conv(4 * channels, kernel=HeNormal(gain=1.0)),
        PixelShuffle(2),
        Tanh(),
    )
    return (AsCondition(inner, LATENT), KeepKnown(name, mask))


def discriminator(spec: GameSpec, *, width: int = 16, hidden: int = 128) -> Layers:
    """(a picture, where it is real) -> convolutions 4x4/2 -> a dense layer -> one logit.

    It is not shown what is known: that is in the picture, to the last bit, in real and completed ones alike.
    """
    _, mask = _conditions(spec)
    _, _, halvings = spec.halvings("completion")
    layers: Layers = (ConcatCondition(mask, spec.given[mask].shape),)
    for i in range(halvings):
        layers += (Conv(width * 2**i, 4, 2), LeakyRelu(0.2))
    layers += (Flatten(), Dense(hidden), LeakyRelu(0.2), Features())
    return (*layers, Dense(1, kernel=HeNormal(gain=1.0)), Reshape(()))


def _conditions(spec: GameSpec) -> tuple[str, str]:
    """The names of the picture and of its mask; raises ConfigError where there are not both."""
    name, port = spec.condition("completion", "image")
    mask, own = spec.condition("completion", "mask")
    if port != Port("image", spec.shape) or own.shape != (*spec.shape[:2], 1):
        raise ConfigError(
            f"'completion' completes pictures of the examples' size, {spec.shape}, under masks of "
            f"{(*spec.shape[:2], 1)}; {name!r} has {port.shape} and {mask!r} {own.shape}. Make both: given=['mask']."
        )
    return name, mask
