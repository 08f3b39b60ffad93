"""A D that is a classifier of K classes, for few labels and many examples. Salimans et al. 2016, section 5."""

from __future__ import annotations

from collections.abc import Sequence

from gankit.config import LABELLED
from gankit.errors import ConfigError, one_of
from gankit.layers import ClassesHead, Conv, Dense, Dropout, Features, Flatten, Layer, Layers, LeakyRelu
from gankit.networks.spec import GameSpec


def discriminator(
    spec: GameSpec,
    *,
    width: int = 16,
    units: int = 128,
    keep: float = 0.5,
    slope: float = 0.2,
    source: str = LABELLED,
) -> Layers:
    """An image -> convolutions 4x4/2, leaky relu -> dense leaky relu -> logits of the classes, with dropout.

    width: channels of the first convolution; each one after has twice as many. units: of the dense layer, which are D's
        features.
    keep: the share that dropout keeps, in front of the dense layer and behind it; 1 switches it off.
    source: whose labels say how many classes there are.
    """
    layers: list[Layer] = []
    for i in range(spec.halvings("k-class")[2]):
        layers += [Conv(width * 2**i, 4, 2), LeakyRelu(slope)]
    layers += [Flatten(), Dropout(keep), Dense(units), LeakyRelu(slope), Features(), Dropout(keep)]
    return (*layers, ClassesHead(classes_of(spec, "k-class", source)))


def dense_discriminator(
    spec: GameSpec,
    *,
    hidden: Sequence[int] = (256, 256),
    keep: float = 0.5,
    slope: float = 0.2,
    source: str = LABELLED,
) -> Layers:
    """The same of dense layers, for any array; dropout in front of each but the first."""
    layers: list[Layer] = [Flatten()]
    for i, width in enumerate(hidden):
        layers += [*([Dropout(keep)] if i else []), Dense(width), LeakyRelu(slope)]
    layers += [Features(), Dropout(keep)]
    return (*layers, ClassesHead(classes_of(spec, "k-class-mlp", source)))


def classes_of(spec: GameSpec, network: str, source: str) -> int:
    """How many classes the examples of a source are of; raises ConfigError where there is none with labels."""
    port = spec.sources.get(source)
    if port is None:
        there = f"has {one_of(spec.sources)}" if spec.sources else "has none"
        raise ConfigError(
            f"{network!r} tells the classes of a further source {source!r}, and this game {there}. Ask for examples "
            "that keep their labels, labelled=100, or bring some: sources={'labelled': (x, labels)}."
        )
    if port.num_classes is None:
        raise ConfigError(
            f"{network!r} tells classes, and the source {source!r} has no labels. Bring them: "
            f"sources={{{source!r}: (x, labels)}}."
        )
    if port.shape != spec.shape:
        raise ConfigError(
            f"The examples of the source {source!r} have shape {port.shape}, and those of the game {spec.shape}: one "
            f"network, {network!r}, sees both."
        )
    return port.num_classes
