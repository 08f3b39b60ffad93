"""What is hidden of a picture, or of a row, given what is known: p(x_S | the rest) for every S by one generator.

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
    Sigmoid,
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
    sees the whole picture at once. A row of numbers is completed by two dense layers of `hidden` units.
    """
    if len(spec.shape) == 1:
        return _row_generator(spec, hidden)
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

    It is not shown what is known: that is in the picture, to the last bit, in real and completed ones alike. A row of
    numbers, beside its mask, is judged by two dense layers of `hidden` units.
    """
    _, mask = _conditions(spec)
    if len(spec.shape) == 1:
        return (ConcatCondition(mask, spec.given[mask].shape), *_dense(hidden), *_dense(hidden), *_judging())
    _, _, halvings = spec.halvings("completion")
    layers: Layers = (ConcatCondition(mask, spec.given[mask].shape),)
    for i in range(halvings):
        layers += (Conv(width * 2**i, 4, 2), LeakyRelu(0.2))
    return (*layers, Flatten(), *_dense(hidden), *_judging())


def _row_generator(spec: GameSpec, hidden: int) -> Layers:
    """z beside what is known of a row and its mask -> two dense layers with batch norm -> the row."""
    name, mask = _conditions(spec)
    layers: Layers = tuple(ConcatCondition(own, spec.given[own].shape) for own in (name, mask))
    for _ in range(2):
        layers += (Dense(hidden, bias=None), BatchNorm(), Relu())
    end: Layers = (Sigmoid(),) if spec.bounded else ()
    return (*layers, Dense(spec.shape[0], kernel=HeNormal(gain=1.0)), *end, KeepKnown(name, mask))


def _dense(hidden: int) -> Layers:
    return (Dense(hidden), LeakyRelu(0.2))


def _judging() -> Layers:
    return (Features(), Dense(1, kernel=HeNormal(gain=1.0)), Reshape(()))


def _conditions(spec: GameSpec) -> tuple[str, str]:
    """The names of what is known and of its mask; raises ConfigError where there are not both."""
    kind = "image" if len(spec.shape) == 3 else "part"
    spec.require(len(spec.shape) in (1, 3), "completion", "images (height, width, channels), or rows of numbers")
    name, port = spec.condition("completion", kind)
    mask, own = spec.condition("completion", "mask")
    want = (*spec.shape[:2], 1) if kind == "image" else spec.shape
    if port != Port(kind, spec.shape) or own.shape != want:
        raise ConfigError(
            f"'completion' completes examples of shape {spec.shape} under masks of {want}; {name!r} has {port.shape} "
            f"and {mask!r} {own.shape}. Make both: given=['mask']."
        )
    return name, mask
