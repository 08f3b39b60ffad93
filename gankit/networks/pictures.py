"""From picture to picture: U-Net and residual generators, and a D that looks at patches."""

from __future__ import annotations

from gankit.errors import ConfigError
from gankit.layers import (
    ConcatCondition,
    ConcatLabels,
    Conv,
    ConvTranspose,
    Dense,
    Features,
    Flatten,
    GlobalPool,
    InstanceNorm,
    Layers,
    LeakyRelu,
    PixelShuffle,
    Relu,
    Reshape,
    Residual,
    Skip,
    TakeCondition,
    Tanh,
    Upsample,
)
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import HeNormal, Normal

W = Normal(0.02)
"""Isola et al. 2017, appendix 6.2."""
SMALL = HeNormal(gain=0.1)


def u_net(spec: GameSpec, *, width: int = 64, depth: int | None = None, latents: bool = False) -> Layers:
    """The condition's picture -> a U-Net of 4x4/2 convolutions -> an example of the same size. Isola et al. 2017.

    width: channels at the picture's full size; twice as many at each halving, eight times as many at most. depth: how
    often it is halved; by default as often as the sides are even. latents: whether z goes in beside the picture; what
    pix2pix makes of a picture is always the same.
    """
    rows, columns, channels = spec.image_shape("u-net")
    name, port = spec.condition("u-net", "image")
    if port.shape[:2] != (rows, columns):
        raise ConfigError(
            f"'u-net' turns a picture into one of its own size; the condition {name!r} is {_size(port.shape)}, the "
            f"examples are {_size(spec.shape)}. For larger ones there is 'super-resolution'."
        )
    if depth is None:
        depth = _halvings(rows, columns)

    def level(i: int) -> Layers:
        """What lies below i halvings, of a picture of its size to one of as many channels."""
        own = width * min(2**i, 8)
        norm: Layers = () if i == depth - 1 else (InstanceNorm(),)
        below: Layers = () if i == depth - 1 else (Skip(level(i + 1)),)
        down: Layers = (Conv(own, 4, 2, kernel=W), *norm, LeakyRelu(0.2))
        return (*down, *below, ConvTranspose(max(own // 2, width), kernel=W), InstanceNorm(), Relu())

    others = tuple(layer for layer in _further(spec, name))
    start: Layers = (TakeCondition(name, port.shape, beside=latents), *others)
    inner: Layers = (Skip(level(0)),) if depth else ()
    return (*start, *inner, Conv(width, kernel=W), Relu(), Conv(channels, kernel=W), Tanh())


def super_resolution(spec: GameSpec, *, width: int = 32, blocks: int = 4, latents: bool = False) -> Layers:
    """A small picture -> residual blocks -> pixel shuffles -> what is added to it, enlarged. Ledig et al. 2017.

    The blocks have no batch norm (Lim et al. 2017). width: channels; blocks: how many of two convolutions each.
    """
    rows, columns, channels = spec.image_shape("super-resolution")
    name, port = spec.condition("super-resolution", "image")
    factor = rows // port.shape[0]
    doublings = factor.bit_length() - 1
    if factor < 2 or factor != 2**doublings or (port.shape[0] * factor, port.shape[1] * factor) != (rows, columns):
        raise ConfigError(
            f"'super-resolution' enlarges pictures 2, 4 or 8 times; the condition {name!r} is {_size(port.shape)}, the "
            f"examples are {_size(spec.shape)}."
        )
    block = Residual((Conv(width), Relu(), Conv(width, kernel=SMALL)))
    larger: Layers = (Conv(4 * width), PixelShuffle(2), Relu())
    detail: Layers = (
        Conv(width),
        Relu(),
        *(block,) * blocks,
        *larger * doublings,
        Conv(channels, kernel=SMALL),
    )
    enlarged: Layers = (Upsample(factor, "bilinear"),)
    if latents or port.shape[2] != channels:
        enlarged = (Conv(channels, 1), *enlarged)
    return (TakeCondition(name, port.shape, beside=latents), *_further(spec, name), Residual(detail, enlarged))


def translation(spec: GameSpec, *, width: int = 32, blocks: int = 4, downsamplings: int = 2) -> Layers:
    """A picture -> halved, residual blocks with instance norm, doubled -> one of the other domain. Zhu et al. 2017."""
    rows, columns, channels = spec.image_shape("translation")
    name, port = spec.condition("translation", "image")
    if port.shape[:2] != (rows, columns) or rows % 2**downsamplings or columns % 2**downsamplings:
        raise ConfigError(
            f"'translation' turns pictures into ones of their own size, halved {downsamplings} times on the way; the "
            f"condition {name!r} is {_size(port.shape)}, the examples are {_size(spec.shape)}."
        )
    layers: Layers = (TakeCondition(name, port.shape), Conv(width, 7, kernel=W), InstanceNorm(), Relu())
    for i in range(1, downsamplings + 1):
        layers += (Conv(width * 2**i, 4, 2, kernel=W), InstanceNorm(), Relu())
    deep = width * 2**downsamplings
    block = Residual((Conv(deep, kernel=W), InstanceNorm(), Relu(), Conv(deep, kernel=W), InstanceNorm()))
    layers += (block,) * blocks
    for i in reversed(range(downsamplings)):
        layers += (ConvTranspose(width * 2**i, kernel=W), InstanceNorm(), Relu())
    return (*layers, Conv(channels, 7, kernel=W), Tanh())


def patches(
    spec: GameSpec,
    *,
    width: int = 64,
    depth: int = 2,
    norm: bool = False,
    conditional: bool = True,
    whole: bool = False,
) -> Layers:
    """An example beside its condition -> a logit for each patch, and the mean of these. Isola et al. 2017.

    depth: halvings; a patch is 16 pixels wide after one, 34 after two, 70 after three. norm: whether instance norm
    follows each convolution but the first. conditional: whether D sees the conditions; where they are not the reals'
    own, as in unpaired games, it must not. whole: instead of the mean, a dense layer that knows where each patch lies.
    """
    spec.image_shape("patches")
    w = W if norm else HeNormal()  # where nothing brings signals back to size, 0.02 leaves D blind for long
    layers: Layers = spec.conditions() if conditional else ()
    for i in range(depth):
        layers += (Conv(width * 2**i, 4, 2, kernel=w),)
        layers += (InstanceNorm(), LeakyRelu(0.2)) if norm and i else (LeakyRelu(0.2),)
    layers += (Conv(width * 2**depth, kernel=w), LeakyRelu(0.2))
    if whole:
        return (*layers, Flatten(), Features(), Dense(1, kernel=HeNormal(gain=1.0)), Reshape(()))
    return (*layers, Conv(1, kernel=w), GlobalPool("mean"), Reshape(()))


def _further(spec: GameSpec, taken: str) -> Layers:
    """The layers that append all conditions but the one that is taken."""
    return tuple(
        ConcatLabels(port.num_classes or 1, of=name) if port.kind == "class" else ConcatCondition(name, port.shape)
        for name, port in spec.given.items()
        if name != taken
    )


def _halvings(rows: int, columns: int) -> int:
    n = 0
    while rows % 2 == 0 and columns % 2 == 0 and min(rows, columns) > 4:
        rows, columns, n = rows // 2, columns // 2, n + 1
    return n


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[:2]))
