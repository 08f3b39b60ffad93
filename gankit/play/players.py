"""G and D of a game in progress, as the user reaches them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.interfaces import Network, Player
from gankit.layers.base import Placed, size_of


@dataclass(frozen=True)
class PlayerView:
    """One player, always with its current parameters. layers: each at its place; none of a module of your own.
    averaged: whether a moving average of its parameters is kept."""

    network: Network
    current: Callable[[], Player]
    layers: tuple[Placed, ...] = ()
    averaged: bool = False

    @property
    def native(self) -> Any:
        """The `torch.nn.Module` or `flax.nnx.Module` with the current parameters, in evaluation mode.

        In torch it lives on the memory that training changes, unless a constraint puts other parameters in their place;
        in JAX it is a copy. Ask again after training.
        """
        player = self.current()
        return self.network.with_params(player.params, player.buffers)

    @property
    def parameters(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every parameter by canonical name (`dense0/kernel`), in the canonical layout, as NumPy."""
        return self.network.export(self.current().params)

    @property
    def num_parameters(self) -> int:
        """How many numbers the network learns."""
        return sum(array.size for array in self.parameters.values())

    @property
    def num_slots(self) -> int:
        """How many numbers its optimizer keeps."""
        kept = (slot for slot in self.current().slots.values() if isinstance(slot, Mapping))
        return sum(size_of(tuple(array.shape)) for slot in kept for array in slot.values())
