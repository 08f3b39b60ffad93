"""A game put together from its config: networks, rules, the first state, and its form on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.config import Config
from gankit.data.dataset import Dataset, feature_mean
from gankit.data.spec import DataSpec
from gankit.errors import CheckpointError
from gankit.interfaces import Backend, Network, Optimizer, OptimizerSpec, Player, State, Tensors
from gankit.layers import Placed, initial_parameters
from gankit.step import Game
from gankit.streams import Streams

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Assembled:
    """Everything about a game that does not change while it is played.

    rules: the pure functions that `algorithm_1` is made from.
    placed: the layers of G and of D, with names and shapes.
    optimizer_specs: of G and of D.
    """

    config: Config
    backend: Backend
    spec: DataSpec
    rules: Game
    placed: tuple[tuple[Placed, ...], tuple[Placed, ...]]
    optimizer_specs: tuple[OptimizerSpec, OptimizerSpec]

    def initial_state(self, dataset: Dataset | None) -> State:
        """The state before the first step: drawn from the seed, the same numbers on every backend."""
        streams = Streams(self.config.seed)
        mean = None if dataset is None else feature_mean(dataset, self.spec.scaling)
        players = []
        for role, placed, network, optimizer in self._roles():
            arrays = initial_parameters(placed, f"init/{role}", streams, mean)
            params, buffers = network.init(arrays)
            players.append(Player(params, buffers, optimizer.init(params)))
        return self._state(players, None)

    def pack(self, state: State) -> tuple[dict[str, Array], dict[str, Any]]:
        """(arrays by canonical name, header) of a state."""
        from gankit import __version__

        scaling = self.spec.scaling
        arrays: dict[str, Array] = {"data/offset": scaling.offset, "data/scale": scaling.scale}
        updates = {}
        for (role, _, network, optimizer), spec, player in zip(
            self._roles(), self.optimizer_specs, (state.generator, state.discriminator), strict=True
        ):
            arrays |= checkpoint.prefixed(f"{role}/params", network.export(player.params))
            arrays |= checkpoint.prefixed(f"{role}/buffers", network.export(player.buffers))
            for slot in spec.slots:
                arrays |= checkpoint.prefixed(f"{role}/slots/{slot}", network.export(player.slots[slot]))
            updates[role] = optimizer.updates(player.slots)
        arrays |= checkpoint.prefixed("ema", self.rules.generator.export(state.ema))
        meta = {
            "version": __version__,
            "backend": self.backend.name,
            "versions": dict(self.backend.versions),
            "config": self.config.to_plain(),
            "data": self.spec.to_plain(),
            "updates": updates,
        }
        return arrays, meta

    def unpack(self, path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> State:
        """The state that was packed; raises CheckpointError, naming every leaf, when it is not one of this game."""
        checkpoint.require_same_leaves(path, arrays, self._leaves())
        dtype = np.dtype(self.config.dtype)
        floats = {name: array for name, array in arrays.items() if not name.startswith("data/")}
        if other := sorted({str(array.dtype) for array in floats.values()} - {dtype.name}):
            raise CheckpointError(
                f"{path} holds {', '.join(other)}, and this game computes in {dtype}; build it with that dtype."
            )
        players = []
        for (role, _, network, optimizer), spec in zip(self._roles(), self.optimizer_specs, strict=True):
            params = network.restore(checkpoint.under(f"{role}/params", arrays))
            slots = optimizer.init(params, int(meta["updates"][role]))
            for slot in spec.slots:
                slots[slot] = network.restore(checkpoint.under(f"{role}/slots/{slot}", arrays))
            players.append(Player(params, {}, slots))
        ema = checkpoint.under("ema", arrays)
        return self._state(players, self.rules.generator.restore(ema) if ema else {})

    def _roles(self) -> tuple[tuple[str, tuple[Placed, ...], Network, Optimizer], ...]:
        rules = self.rules
        return (
            ("generator", self.placed[0], rules.generator, rules.generator_optimizer),
            ("discriminator", self.placed[1], rules.discriminator, rules.discriminator_optimizer),
        )

    def _state(self, players: list[Player], ema: Tensors | None) -> State:
        g, d = players
        if ema is None:
            # A copy: both are consumed by every step, each in its own way.
            ema = self.backend.ops.copy(g.params) if self.config.ema else {}
        return State(generator=g, discriminator=d, ema=ema)

    def _leaves(self) -> dict[str, tuple[int, ...]]:
        """Every array of a checkpoint of this game, with its canonical shape."""
        scaling = self.spec.scaling
        leaves = {"data/offset": scaling.offset.shape, "data/scale": scaling.scale.shape}
        for (role, placed, *_), spec in zip(self._roles(), self.optimizer_specs, strict=True):
            shapes = {
                f"{place.name}/{name}": parameter.shape
                for place in placed
                for name, parameter in place.layer.parameters(place.input_shape).items()
            }
            for family in ("params", *(f"slots/{slot}" for slot in spec.slots)):
                leaves |= {f"{role}/{family}/{name}": shape for name, shape in shapes.items()}
            if role == "generator" and self.config.ema:
                leaves |= {f"ema/{name}": shape for name, shape in shapes.items()}
        return leaves
