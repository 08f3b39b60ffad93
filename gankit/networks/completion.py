"""What is hidden of a picture, given what is known: p(x_S | the rest) for every S by one generator.

Goodfellow et al. 2014, section 7, extension 3.
"""

from __future__ import annotations

from gankit.errors import ConfigError
from gankit.interfaces.values import Port
from gankit.layers import (
    AsCondition,
    ConcatCondition,
    ConditionAffine,
    Conv,
    ConvTranspose,
    InstanceNorm,
    KeepKnown,
    Layers,
    LeakyRelu,
    PixelShuffle,
    Residual,
    Skip,
    TakeCondition,
    Tanh,
)
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import HeNormal

LATENT = "z"


def completion(spec: GameSpec, *, width: int = 32, depth: int = 2, blocks: int = 2) -> Layers:
    """(a picture with a part hidden, its mask) -> a U-Net, its channels modulated by z at every scale -> the picture.

    A U-Net with z at its input alone ignores z: all its completions are one. Here z scales and shifts the normalised
    channels behind each convolution (Karras et al. 2019). Known pixels pass through untouched.

    width: channels at half the picture's size, doubled at each further halving. depth: how often the picture is halved,
    1 at least. blocks: residual blocks at the lowest size.
    """
    rows, columns, channels = spec.image_shape("completion")
    name, mask = _conditions(spec)
    if depth < 1 or rows % 2**depth or columns % 2**depth:
        raise ConfigError(f"'completion' halves pictures depth={depth} times; they have {rows}x{columns} pixels.")

    def modulated() -> Layers:
        affine = ConditionAffine(LATENT, (spec.latent_dim,), kernel=HeNormal(gain=1.0))
        return (InstanceNorm(), affine, LeakyRelu(0.2))

    def level(i: int) -> Layers:
        """What lies below i halvings, back to its own size."""
        own = width * 2 ** (i - 1)
        if i == depth:
            block = Residual((*modulated(), Conv(own), *modulated(), Conv(own, kernel=HeNormal(gain=0.1))))
            return (block,) * blocks
        lower: Layers = (Conv(2 * own, 4, 2), LeakyRelu(0.2), *level(i + 1), ConvTranspose(own), *modulated())
        return (Skip(lower), Conv(own), *modulated())

    inner: Layers = (
        TakeCondition(name, spec.given[name].shape),
        ConcatCondition(mask, spec.given[mask].shape),
        Conv(width, 4, 2),
        LeakyRelu(0.2),
        *level(1),
        Conv(4 * channels, kernel=HeNormal(gain=0.5)),
        PixelShuffle(2),
        Tanh(),
    )
    return (AsCondition(inner, LATENT), KeepKnown(name, mask))


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
