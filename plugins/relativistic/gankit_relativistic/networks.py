"""The networks of R3GAN (Huang et al. 2024, arXiv 2501.05441), for images of 28 to 64 pixels.

No normalisation layers, leaky relu 0.2, bilinear resampling, no activation at G's end; bottleneck blocks whose 3x3
convolution is grouped; fix-up initialisation (Zhang et al. 2019): the last layer of every block starts at zero, the
others are scaled by L^-0.25 for L blocks. Labels enter G as an embedding beside z, and D as a projection. Made anew
from the paper's section 3 and its appendix; blocks here have one width throughout a resolution.
"""

from __future__ import annotations

import math

from gankit.layers import (
    ConcatEmbedding,
    Conv,
    Dense,
    Downsample,
    Features,
    Flatten,
    Layers,
    LeakyRelu,
    ProjectionHead,
    Reshape,
    Residual,
    Upsample,
)
from gankit.networks import GameSpec
from gankit.parts.initializers import Constant, HeNormal

EXPANSION = 2  # of the width inside a block
GROUP = 16  # channels of one group of a block's 3x3 convolution
LINEAR = HeNormal(gain=1.0)  # where no relu follows


def generator(spec: GameSpec, *, width: int = 64, blocks: int = 2, embedding: int = 32) -> Layers:
    """z (and label) -> an image, without a final activation.

    width: channels at the full resolution; twice as many at each one below, up to 4 times.
    blocks: at each resolution. embedding: length of a label's vector.
    """
    _require_images(spec)
    told: Layers = () if spec.num_classes is None else (ConcatEmbedding(spec.num_classes, embedding),)
    rows, columns, doublings = spec.halvings("modern")
    widths = [width * min(4, 2 ** (doublings - i)) for i in range(doublings + 1)]
    layers: Layers = (*told, Dense(rows * columns * widths[0], kernel=LINEAR), Reshape((rows, columns, widths[0])))
    total = blocks * len(widths)
    for i, channels in enumerate(widths):
        if i:
            layers += (*_project(widths[i - 1], channels), Upsample(2, "bilinear"))
        layers += (_block(channels, total),) * blocks
    return (*layers, Conv(spec.shape[2], 1, kernel=LINEAR))


def discriminator(spec: GameSpec, *, width: int = 64, blocks: int = 2) -> Layers:
    """An image -> one logit, by the same blocks the other way round."""
    _require_images(spec)
    rows, columns, halvings = spec.halvings("modern")
    widths = [width * min(4, 2**i) for i in range(halvings + 1)]
    layers: Layers = (Conv(widths[0], 1, kernel=LINEAR),)
    total = blocks * len(widths)
    for i, channels in enumerate(widths):
        if i:
            layers += (Downsample(2, "bilinear"), *_project(widths[i - 1], channels))
        layers += (_block(channels, total),) * blocks
    # Each channel's last picture becomes one number: a convolution without padding, a group to each channel.
    last = Conv(widths[-1], min(rows, columns), padding=0, groups=widths[-1], kernel=LINEAR, bias=None)
    return (*layers, last, Flatten(), Features(), *_head(spec))


def _head(spec: GameSpec) -> Layers:
    if spec.num_classes is None:
        return (Dense(1, kernel=LINEAR), Reshape(()))
    return (ProjectionHead(spec.num_classes, LINEAR, LINEAR),)


def _block(channels: int, blocks: int) -> Residual:
    """1x1 to twice the width, grouped 3x3, 1x1 back."""
    inside, w = EXPANSION * channels, HeNormal(gain=math.sqrt(2.0) * blocks**-0.25)
    return Residual(
        (
            Conv(inside, 1, kernel=w),
            LeakyRelu(0.2),
            Conv(inside, 3, groups=max(1, inside // GROUP), kernel=w),
            LeakyRelu(0.2),
            Conv(channels, 1, kernel=Constant(0.0), bias=None),
        )
    )


def _project(old: int, new: int) -> Layers:
    return () if old == new else (Conv(new, 1, kernel=LINEAR, bias=None),)


def _require_images(spec: GameSpec) -> None:
    what = "images (height, width, channels); for vectors there is the recipe 'modern-vectors'"
    spec.require(len(spec.shape) == 3, "modern", what)
