"""What a network has to know of the game it is for."""

from __future__ import annotations

from dataclasses import dataclass

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
