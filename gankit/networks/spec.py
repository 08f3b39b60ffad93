"""What a network has to know of the game it is for."""

from __future__ import annotations

from dataclasses import dataclass

from gankit.errors import ConfigError
from gankit.layers import ConcatLabels, Layers, Shape


@dataclass(frozen=True)
class GameSpec:
    """The facts that networks are built from.

    shape: of one example, without the batch axis; images are (height, width, channels).
    latent_dim: length of z.
    num_classes: of the labels, in a conditional game; None in an unconditional one.
    bounded: whether examples have a known least and greatest value, as images have.
    """

    shape: Shape
    latent_dim: int
    num_classes: int | None = None
    bounded: bool = True

    def labels(self) -> Layers:
        """The layer that appends the one-hot label to a vector, or none in an unconditional game."""
        return () if self.num_classes is None else (ConcatLabels(self.num_classes),)

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
