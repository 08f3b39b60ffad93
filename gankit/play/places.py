"""The players of a game outside training: who is asked, in whose units, with which parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gankit.arrays import Array
from gankit.data.spec import DataSpec
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.interfaces import LABEL, Player, State
from gankit.play.assembled import Assembled
from gankit.play.game import ENCODER, G, Seat
from gankit.play.inputs import Inputs


@dataclass(frozen=True)
class Places:
    """inputs: of the game's own data. state: the game's as it is now. made: conditions that are made of examples."""

    game: Assembled
    inputs: Inputs
    state: Callable[[], State]
    made: Callable[[Any], dict[str, Array]]

    def seat(self, role: str, kind: str) -> Seat:
        """A player's place; raises ConfigError where there is none of that kind."""
        seats = self.game.rules.seats
        possible = [other for other, seat in seats.items() if seat.kind == kind]
        if not possible and kind == ENCODER:
            raise ConfigError(
                "This game has no encoder. Train one for its G with gankit infer RUN, or use a recipe that has one: "
                "recipe='bigan'."
            )
        if role not in possible:
            raise ConfigError(f"player={role!r} is no {kind}.{did_you_mean(role, possible)} Choose {one_of(possible)}.")
        return seats[role]

    def has(self, kind: str) -> bool:
        """Whether somebody of that kind plays."""
        return any(seat.kind == kind for seat in self.game.rules.seats.values())

    def spec(self, source: str) -> DataSpec:
        spec: DataSpec = self.game.spec.sources[source] if source else self.game.spec
        return spec

    def inputs_of(self, source: str) -> Inputs:
        return Inputs(self.game.config, self.spec(source)) if source else self.inputs

    def player(self, role: str, ema: bool | None) -> Player:
        """A player with its own parameters, or with their moving average."""
        state = self.state()
        player, average = state.players[role], state.averages.get(role)
        if ema and average is None:
            of = "" if self.game.rules.seats[role].kind in (G, ENCODER) else " and averages='both'"
            raise ConfigError(
                f"This game has no moving average of the {role}. Build it with ema=0.999{of}, or use ema=False."
            )
        return player if average is None or ema is False else player._replace(params=average)

    def shown(self, seat: Seat, x: Any, labels: Any, given: Any) -> tuple[Array, dict[str, Array]]:
        """Examples and the conditions that a player takes, in model units; those that are made of examples are."""
        spec, inputs = self.spec(seat.source), self.inputs_of(seat.source)
        x = inputs.examples(x)
        needed = {name for name in spec.given if name in seat.takes or name == LABEL}
        made = {} if seat.source or not needed else self.made(x)
        asked = {name: values for name, values in {**made, **(given or {})}.items() if name in needed or given}
        conditions = inputs.in_model_units(inputs.given(labels, asked, (len(x),), needed))
        return spec.scaling.to_model(x, self.game.config.dtype), conditions
