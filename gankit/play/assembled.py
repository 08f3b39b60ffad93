"""A game put together from its config: networks, rules, the first state, and its form on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gankit import checkpoint, header
from gankit.arrays import Array
from gankit.config import Config
from gankit.data.dataset import Dataset, feature_mean
from gankit.data.spec import DataSpec
from gankit.errors import CheckpointError, DamagedError, one_of
from gankit.interfaces import Backend, ConditionMaker, OptimizerSpec, Player, State
from gankit.play.balance import NAME as BALANCE
from gankit.play.batches import Wants
from gankit.play.game import G, Game
from gankit.play.streams import Streams

Start = Callable[[str, Streams, Array | None], dict[str, Array]]
"""(purpose, streams, mean example in model units) to every parameter and buffer, by canonical name."""


@dataclass(frozen=True, eq=False)
class Assembled:
    """Everything about a game that does not change while it is played.

    rules: the pure functions that `algorithm_1` is made from.
    starts: how the arrays of each player are drawn. optimizer_specs: of each player.
    wants: what its draws hold. makers: of the conditions that are made of examples.
    """

    config: Config
    backend: Backend
    spec: DataSpec
    rules: Game
    starts: Mapping[str, Start]
    optimizer_specs: Mapping[str, OptimizerSpec]
    wants: Wants = Wants()
    makers: tuple[ConditionMaker, ...] = field(default=())

    def initial_state(self, dataset: Dataset | None) -> State:
        """The state before the first step: drawn from the seed, the same numbers on every backend."""
        streams = Streams(self.config.seed)
        mean = None if dataset is None else feature_mean(dataset, self.spec.scaling)
        players = {}
        for role, seat in self.rules.seats.items():
            own_mean = mean if not seat.source else None
            params, buffers = seat.network.init(self.starts[role](f"init/{role}", streams, own_mean))
            players[role] = Player(params, buffers, seat.optimizer.init(params))
        # Copies: parameters and averages are consumed by every step, each in its own way.
        copy = self.backend.ops.copy
        averages = {role: copy(players[role].params) for role, seat in self.rules.seats.items() if seat.averaged}
        return State(players, averages, self._remembered({}))

    def pack(self, state: State) -> tuple[dict[str, Array], dict[str, Any]]:
        """(arrays by canonical name, header) of a state."""
        from gankit import __version__

        arrays, updates = dict(self.spec.arrays()), {}
        for role, seat in self.rules.seats.items():
            player, export = state.players[role], seat.network.export
            arrays |= checkpoint.prefixed(f"{role}/params", export(player.params))
            arrays |= checkpoint.prefixed(f"{role}/buffers", export(player.buffers))
            for slot in self.optimizer_specs[role].slots:
                arrays |= checkpoint.prefixed(f"{role}/slots/{slot}", export(player.slots[slot]))
            updates[role] = seat.optimizer.updates(player.slots)
            if role in state.averages:
                arrays |= checkpoint.prefixed(average_of(role), export(state.averages[role]))
        for term, numbers in state.memory.items():
            memory = {name: self.backend.ops.to_numpy(number) for name, number in numbers.items()}
            arrays |= checkpoint.prefixed(f"memory/{term}", memory)
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
        self.require(path, arrays, meta)
        header.check_units(path, arrays)
        dtype = np.dtype(self.config.dtype)
        floats = [a for name, a in arrays.items() if not name.startswith("data/") and a.dtype.kind == "f"]
        if other := sorted({str(array.dtype) for array in floats} - {dtype.name}):
            raise CheckpointError(
                f"{path} holds {', '.join(other)}, and this game computes in {dtype}; build it with that dtype."
            )
        trained = [name for name, a in arrays.items() if "/buffers/" not in name and a.dtype.kind != "f"]
        if trained:
            raise DamagedError(f"{path} holds {arrays[trained[0]].dtype} for {trained[0]!r}, which is trained.")
        players, averages = {}, {}
        for role, seat in self.rules.seats.items():
            restore = seat.network.restore
            params = restore(checkpoint.under(f"{role}/params", arrays))
            slots = seat.optimizer.init(params, int(meta["updates"][role]))
            for slot in self.optimizer_specs[role].slots:
                slots[slot] = restore(checkpoint.under(f"{role}/slots/{slot}", arrays))
            players[role] = Player(params, restore(checkpoint.under(f"{role}/buffers", arrays)), slots)
            if seat.averaged:
                averages[role] = restore(checkpoint.under(average_of(role), arrays))
        return State(players, averages, self._remembered(arrays))

    def require(self, path: Path, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Raise CheckpointError unless a checkpoint is one of this game. arrays: by name, or only their shapes."""
        shapes = {name: tuple(getattr(array, "shape", array)) for name, array in arrays.items()}
        header.check(path, meta, shapes)
        checkpoint.require_same_leaves(path, arrays, self._leaves())
        made = [name for maker in self.makers for name in maker.ports]
        if len(set(made)) < len(made) or set(made) - self.spec.given.keys():
            raise DamagedError(f"{path} has a damaged header: it makes the conditions {', '.join(made)[:200]}.")
        if other := sorted(meta["updates"].keys() ^ self.rules.seats.keys()):
            raise CheckpointError(
                f"{path} has other players than this game, whose players are {one_of(self.rules.seats)}: {other[0]!r}."
            )

    def _remembered(self, arrays: Mapping[str, Array]) -> dict[str, Any]:
        """What terms remember: what is saved of it, or what they start from."""
        asarray = self.backend.ops.asarray
        return {
            term: {name: asarray(arrays.get(f"memory/{term}/{name}", start)) for name, start in numbers}
            for term, numbers in self._memory()
        }

    def _memory(self) -> list[tuple[str, list[tuple[str, Array]]]]:
        """What each term that remembers something starts from; one that acts now and then, what it last was."""
        memories = [
            (term.name, getattr(term, "memory", None) or ({"last": 0.0} if term.every > 1 else {}))
            for term in self.rules.terms
        ]
        if self.rules.balance is not None:
            memories.append((BALANCE, self.rules.balance.memory))
        return [(name, [(key, np.asarray(float(start))) for key, start in m.items()]) for name, m in memories if m]

    def _leaves(self) -> dict[str, tuple[int, ...]]:
        """Every array of a checkpoint of this game, with its canonical shape."""
        leaves = {name: array.shape for name, array in self.spec.arrays().items()}
        for role, seat in self.rules.seats.items():
            params, buffers = seat.network.shapes
            families = [f"{role}/params", *(f"{role}/slots/{slot}" for slot in self.optimizer_specs[role].slots)]
            families += [average_of(role)] if seat.averaged else []
            leaves |= {f"{family}/{name}": shape for family in families for name, shape in params.items()}
            leaves |= {f"{role}/buffers/{name}": shape for name, shape in buffers.items()}
        return leaves | {f"memory/{term}/{name}": () for term, m in self._memory() for name, _ in m}


def average_of(role: str) -> str:
    """Where checkpoints keep the moving average of a player."""
    return "ema" if role == G else f"ema/{role}"
