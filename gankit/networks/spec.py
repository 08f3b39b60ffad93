"""What a network needs to know about its game."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gankit.errors import ConfigError
from gankit.interfaces.values import LABEL, Choice, Port
from gankit.layers import ConcatCondition, ConcatLabels, Layers, Shape


@dataclass(frozen=True)
class GameSpec:
    """The facts about a game from which networks are built.

    shape: the shape of one example, without the batch axis; images are (height, width, channels).
    latent_dim: the length of z.
    num_classes: the number of classes; None in a game without labels.
    bounded: whether examples have a known range, as images have.
    given: the types of all conditions, by name, including labels.
    sources: the types of the examples of other sources, by name.
    choices: the one-hot sections of an example, in order, for tables; () for most data.
    """

    shape: Shape
    latent_dim: int
    num_classes: int | None = None
    bounded: bool = True
    given: Mapping[str, Port] = field(default_factory=dict)
    sources: Mapping[str, Port] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        if self.num_classes is None and LABEL in self.given:
            object.__setattr__(self, "num_classes", self.given[LABEL].num_classes)
        elif self.num_classes is not None and LABEL not in self.given:
            object.__setattr__(self, "given", {LABEL: Port("class", num_classes=self.num_classes), **self.given})

    def labels(self) -> Layers:
        """The layer that appends the one-hot label to a vector, or none in a game without labels."""
        return () if self.num_classes is None else (ConcatLabels(self.num_classes),)

    def conditions(self) -> Layers:
        """The layers that append every condition to a vector, or to an image of their size."""
        return tuple(
            ConcatLabels(port.num_classes or 1, of=name) if port.kind == "class" else ConcatCondition(name, port.shape)
            for name, port in self.given.items()
        )

    def condition(self, network: str, kind: str) -> tuple[str, Port]:
        """(name, port) of the one condition of a kind; raises ConfigError unless there is one."""
        found = [(name, port) for name, port in self.given.items() if port.kind == kind]
        if len(found) != 1:
            there = ", ".join(f"{name!r}: {port}" for name, port in self.given.items()) or "none"
            raise ConfigError(
                f"{network!r} takes one condition that is {kind_of(kind)}; the game's conditions are {there}. Make one "
                "with given=..., or bring it with the data, data=(x, {name: condition})."
            )
        return found[0]

    def image_shape(self, network: str) -> tuple[int, int, int]:
        """(height, width, channels); raises ConfigError unless examples are images."""
        self.require(len(self.shape) == 3, network, "images (height, width, channels)")
        height, width, channels = self.shape
        return height, width, channels

    def halvings(self, network: str) -> tuple[int, int, int]:
        """(rows, columns, n): the image halved n times until its shorter side has 4 to 7 pixels."""
        rows, columns, _ = self.image_shape(network)
        n = 0
        while min(rows, columns) > 7 and rows % 2 == 0 and columns % 2 == 0:
            rows, columns, n = rows // 2, columns // 2, n + 1
        self.require(
            n > 0 and 4 <= min(rows, columns) <= 7,
            network,
            "images that halve to 4 to 7 pixels, such as 28, 32, 48 or 64",
        )
        return rows, columns, n

    def require(self, condition: bool, network: str, what: str) -> None:
        """Raise ConfigError, saying what the network takes, unless the condition holds."""
        if not condition:
            raise ConfigError(f"{network!r} takes {what}; the examples have shape {self.shape}.")


def kind_of(kind: str) -> str:
    """ "an image", "a vector"."""
    return f"{'an' if kind == 'image' else 'a'} {kind}"
