"""D's advantage held in a band by how often D moves. Off unless the config says `balance`.

"D must be synchronized well with G during training (in particular, G must not be trained too much without updating D)"
(Goodfellow et al. 2014, section 6); how is left to whoever plays. Here an iteration has at most k steps of D, and how
many are taken follows D(x) - D(G(z)), of which a moving average is kept: below the band D moves more often, above it
less, but never less than every fourth time: G would settle where a D that stands still likes it best, and both would
stay there. What is decided is a part of the state, so a resumed run decides alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from gankit.interfaces import Ops, State, Tensors, Terms

NAME = "balance"
"""Of its numbers among what terms remember."""
DECAY = 0.9
RATE, LEAST = 1 / 16, 1 / 4
"""By how much the steps an iteration change, an iteration, and the fewest: binary fractions, whose sums are exact."""


@dataclass(frozen=True)
class Balance:
    """The band, and the most steps of D in an iteration.

    low, high: of D(x) - D(G(z)), from -1 to 1; it is 0 where D cannot tell.
    """

    low: float
    high: float
    k: int

    @property
    def memory(self) -> dict[str, float]:
        """Where it starts: in the middle of the band, with one step of D an iteration.

        steps: of D, an iteration; 0.5 is one every second time. owed: what of them has not been taken yet.
        """
        return {"advantage": 0.5 * (self.low + self.high), "steps": 1.0, "owed": 1.0}


def kept(ops: Ops, balance: Balance | None, state: State) -> State:
    """The state in memory of its own, to go back to; an update may be in place."""
    return state if balance is None else ops.tree_map(lambda x: x * 1, state)


def due(ops: Ops, balance: Balance | None, i: int, moved: State, before: State) -> State:
    """The state after D's i-th step if that is due in this iteration, else the one before it."""
    if balance is None:
        return moved
    is_due = before.memory[NAME]["owed"] >= i + 1
    chosen: State = ops.tree_map(lambda new, old: ops.xp.where(is_due, new, old), moved, before)
    return chosen


def watched(ops: Ops, balance: Balance | None, state: State, terms: Terms) -> tuple[State, Terms]:
    """The state that knows what D came to in this iteration, and the terms with what was decided."""
    if balance is None:
        return state, terms
    xp, memory = ops.xp, state.memory[NAME]
    advantage = DECAY * memory["advantage"] + (1 - DECAY) * (terms["D(x)"] - terms["D(G(z))"])
    more, less = (ops.to_float(out) for out in (advantage < balance.low, advantage > balance.high))
    steps = xp.clip(memory["steps"] + RATE * (more - less), LEAST, float(balance.k))
    new: Tensors = {"advantage": advantage, "steps": steps, "owed": memory["owed"] % 1.0 + steps}
    return state._replace(memory={**state.memory, NAME: new}), {
        **terms,
        "advantage": advantage,
        "k": xp.floor(memory["owed"]),
    }
