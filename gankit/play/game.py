"""A game put together from its config: networks, rules, the first state, and its form on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from gankit.play.rules import Game
from gankit.play.streams import Streams

Array = np.ndarray[Any, Any]
Start = Callable[[str, Streams, Array | None], dict[str, Array]]
"""(purpose, streams, mean example in model units) to every parameter and buffer, by canonical name."""


@dataclass(frozen=True, eq=False)
class Assembled:
    """Everything about a game that does not change while it is played.

    rules: the pure functions that `algorithm_1` is made from.
    starts: how the arrays of G and of D are drawn.
    optimizer_specs: of G and of D.
    """

    config: Config
    backend: Backend
    spec: DataSpec
    rules: Game
    starts: tuple[Start, Start]
    optimizer_specs: tuple[OptimizerSpec, OptimizerSpec]

    def initial_state(self, dataset: Dataset | None) -> State:
        """The state before the first step: drawn from the seed, the same numbers on every backend."""
        streams = Streams(self.config.seed)
        mean = None if dataset is None else feature_mean(dataset, self.spec.scaling)
        players = []
        for (role, network, optimizer), start in zip(self._roles(), self.starts, strict=True):
            params, buffers = network.init(start(f"init/{role}", streams, mean))
            players.append(Player(params, buffers, optimizer.init(params)))
        return self._state(players, None, {})

    def pack(self, state: State) -> tuple[dict[str, Array], dict[str, Any]]:
        """(arrays by canonical name, header) of a state."""
        from gankit import __version__

        scaling = self.spec.scaling
        arrays: dict[str, Array] = {"data/offset": scaling.offset, "data/scale": scaling.scale}
        updates = {}
        for (role, network, optimizer), spec, player in zip(
            self._roles(), self.optimizer_specs, (state.generator, state.discriminator), strict=True
        ):
            arrays |= checkpoint.prefixed(f"{role}/params", network.export(player.params))
            arrays |= checkpoint.prefixed(f"{role}/buffers", network.export(player.buffers))
            for slot in spec.slots:
                arrays |= checkpoint.prefixed(f"{role}/slots/{slot}", network.export(player.slots[slot]))
            updates[role] = optimizer.updates(player.slots)
        arrays |= checkpoint.prefixed("ema", self.rules.generator.export(state.ema))
        for penalty, numbers in state.memory.items():
            memory = {name: self.backend.ops.to_numpy(number) for name, number in numbers.items()}
            arrays |= checkpoint.prefixed(f"memory/{penalty}", memory)
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
        floats = [a for name, a in arrays.items() if not name.startswith("data/") and a.dtype.kind == "f"]
        if other := sorted({str(array.dtype) for array in floats} - {dtype.name}):
            raise CheckpointError(
                f"{path} holds {', '.join(other)}, and this game computes in {dtype}; build it with that dtype."
            )
        players = []
        for (role, network, optimizer), spec in zip(self._roles(), self.optimizer_specs, strict=True):
            params = network.restore(checkpoint.under(f"{role}/params", arrays))
            slots = optimizer.init(params, int(meta["updates"][role]))
            for slot in spec.slots:
                slots[slot] = network.restore(checkpoint.under(f"{role}/slots/{slot}", arrays))
            players.append(Player(params, network.restore(checkpoint.under(f"{role}/buffers", arrays)), slots))
        ema = checkpoint.under("ema", arrays)
        return self._state(players, self.rules.generator.restore(ema) if ema else {}, arrays)

    def _roles(self) -> tuple[tuple[str, Network, Optimizer], ...]:
        rules = self.rules
        return (
            ("generator", rules.generator, rules.generator_optimizer),
            ("discriminator", rules.discriminator, rules.discriminator_optimizer),
        )

    def _state(self, players: list[Player], ema: Tensors | None, arrays: Mapping[str, Array]) -> State:
        g, d = players
        if ema is None:
            # A copy: both are consumed by every step, each in its own way.
            ema = self.backend.ops.copy(g.params) if self.config.ema else {}
        memory = {
            penalty: {
                name: self.backend.ops.asarray(arrays.get(f"memory/{penalty}/{name}", start)) for name, start in m
            }
            for penalty, m in self._memory()
        }
        return State(generator=g, discriminator=d, ema=ema, memory=memory)

    def _memory(self) -> list[tuple[str, list[tuple[str, Array]]]]:
        """What each penalty that remembers something starts from; one that acts now and then, what it last was."""
        memories = [
            (penalty.name, getattr(penalty, "memory", None) or ({"last": 0.0} if penalty.every > 1 else {}))
            for penalty in self.rules.penalties
        ]
        return [(name, [(key, np.asarray(float(start))) for key, start in m.items()]) for name, m in memories if m]

    def _leaves(self) -> dict[str, tuple[int, ...]]:
        """Every array of a checkpoint of this game, with its canonical shape."""
        scaling = self.spec.scaling
        leaves = {"data/offset": scaling.offset.shape, "data/scale": scaling.scale.shape}
        for (role, network, _), spec in zip(self._roles(), self.optimizer_specs, strict=True):
            params, buffers = network.shapes
            for family in ("params", *(f"slots/{slot}" for slot in spec.slots)):
                leaves |= {f"{role}/{family}/{name}": shape for name, shape in params.items()}
            leaves |= {f"{role}/buffers/{name}": shape for name, shape in buffers.items()}
            if role == "generator" and self.config.ema:
                leaves |= {f"ema/{name}": shape for name, shape in params.items()}
        return leaves | {f"memory/{penalty}/{name}": () for penalty, m in self._memory() for name, _ in m}
