"""Moves in which players take each other into account: extra-gradient, consensus, and how often D moves."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree_by_name
from gankit.conformance.follow import TOLERANCE, compare_terms
from gankit.conformance.games import Recorder, leaves, minibatches, oracle_of, small, start
from gankit.conformance.oracle import Minibatches, Oracle, Params
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject

SLOW = {f"{role}_optimizer": {"name": "sgd", "lr": 0.1} for role in ("generator", "discriminator")}
NEAR = 1e-7
"""What differences of differences are right to."""


@dataclass
class Coordinated(Oracle):
    """A game in which both players move at once, or D as often as it is due.

    consensus: weight of the gradient of 1/2 |v|^2. looks: whether the players look ahead first.
    band: of D(x) - D(G(z)), and the most steps of D in an iteration; None: both at once.
    """

    consensus: float = 0.0
    band: tuple[float, float, int] | None = None
    looks: bool = False
    steps: float = field(default=1.0, init=False)
    owed: float = field(default=1.0, init=False)
    advantage: float = field(default=0.0, init=False)

    def step(self, batch: Minibatches) -> dict[str, float]:
        """One iteration; returns its terms."""
        terms = self._as_often_as_due(batch) if self.band else self._together(batch)
        decay = min(self.ema_decay, (1 + self.t) / (10 + self.t))
        self.ema = {name: decay * mean + (1 - decay) * self.g[name] for name, mean in self.ema.items()}
        self.t += 1
        return terms

    def _together(self, batch: Minibatches) -> dict[str, float]:
        d, g, here, count = *self._both(batch), (self.d, self.g), self.d_updates
        terms: dict[str, float] = d[1] | {"g_loss": g[1]}
        for again in range(2 if self.looks else 1):
            if again:
                d, g = self._both(batch)
            self.d = self.d_rule.move(here[0], d[0], self.d_slots, self.t, count + again)
            self.g = self.g_rule.move(here[1], g[0], self.g_slots, self.t, count + again)
            self.d_updates += 1
        return terms

    def _both(self, batch: Minibatches) -> tuple[Any, Any]:
        """Both gradients here, with what leads inwards."""
        (d, terms), (g, loss) = self.d_gradient(batch.x[0], None, batch.z[0]), self.g_gradient(None, batch.z[0])
        if self.consensus:
            d, g = (self._inwards(batch, own, of) for own, of in ((self.d, d), (self.g, g)))
        return (d, terms), (g, loss)

    def _inwards(self, batch: Minibatches, params: Params, gradient: Params) -> Params:
        """A gradient and `consensus` times the slope of 1/2 |v|^2 in the same parameters, by central differences."""
        found = {}
        for name, array in params.items():
            slope, h = np.zeros(array.shape), 1e-5
            for place in np.ndindex(array.shape):
                kept, sides = array[place], []
                for there in (kept + h, kept - h):
                    array[place] = there
                    sides.append(self._half_square(batch))
                array[place] = kept
                slope[place] = (sides[0] - sides[1]) / (2 * h)
            found[name] = gradient[name] + self.consensus * slope
        return found

    def _half_square(self, batch: Minibatches) -> float:
        both = self.d_gradient(batch.x[0], None, batch.z[0])[0], self.g_gradient(None, batch.z[0])[0]
        return 0.5 * sum(float((array**2).sum()) for own in both for array in own.values())

    def _as_often_as_due(self, batch: Minibatches) -> dict[str, float]:
        low, high, most = self.band or (0.0, 0.0, 0)
        for i in range(most):
            gradient, terms = self.d_gradient(batch.x[i], None, batch.z[i])
            if i + 1 <= self.owed:
                self.d = self.d_rule.move(self.d, gradient, self.d_slots, self.t, self.d_updates)
                self.d_updates += 1
        gradient, loss = self.g_gradient(None, batch.g_z)
        self.g = self.g_rule.move(self.g, gradient, self.g_slots, self.t, self.t)
        taken = int(self.owed)
        self.advantage = 0.9 * self.advantage + 0.1 * (terms["D(x)"] - terms["D(G(z))"])
        self.steps += ((self.advantage < low) - float(self.advantage > high)) / 16
        self.steps = min(max(self.steps, 0.25), float(most))
        self.owed += self.steps - taken
        return terms | {"g_loss": loss, "advantage": self.advantage, "k": float(taken)}

    def leaves(self) -> dict[str, Array]:
        """The state under the names of checkpoints."""
        kept = {"advantage": self.advantage, "steps": self.steps, "owed": self.owed} if self.band else {}
        return super().leaves() | {f"memory/balance/{name}": np.array(value) for name, value in kept.items()}


def follow(subject: Subject, steps: int, changes: dict[str, Any], tolerance: float, **settings: Any) -> None:
    """Play `steps` of a small game beside the oracle with these fields changed."""
    config = small(**settings)
    trainer, recorder = start(subject.open(config.dtype), config), Recorder()
    plain = oracle_of(trainer, schedule="alternating")
    own = {each.name: getattr(plain, each.name) for each in fields(plain) if each.init}
    own |= {player: {name: array.copy() for name, array in own[player].items()} for player in ("g", "d")}
    oracle = Coordinated(**own, **changes)
    if oracle.band:
        oracle.advantage = 0.5 * (oracle.band[0] + oracle.band[1])
    trainer.fit(steps=steps, callbacks=[recorder])
    compare_terms(recorder.terms, oracle, minibatches(config, 0, steps), tolerance)
    cause = "where a player moves from, or by which gradient: the terms still agreed."
    agree_by_name(leaves(trainer), oracle.leaves(), f"state after {steps} steps", atol=tolerance, cause=cause)


def check_extra_gradient_follows_the_oracle(subject: Subject) -> None:
    """Players would continue from the trial step, or use the gradients of where they were. That is plain descent,
    which goes in circles, at twice the cost."""
    follow(subject, 30 if subject.quick else 100, {"looks": True}, TOLERANCE, schedule="extra-gradient")


def check_consensus_follows_the_oracle(subject: Subject) -> None:
    """The term that pulls players towards the equilibrium would lack the part that goes through the other player,
    and have no effect."""
    settings = {"schedule": "simultaneous", "consensus": 0.3, **SLOW}
    follow(subject, 3 if subject.quick else 8, {"consensus": 0.3}, NEAR, **settings)


def check_balance_follows_the_oracle(subject: Subject) -> None:
    """D would be updated more or less often than decided, or the decision would be missing from the checkpoint."""
    settings = {"balance": {"low": 0.0, "high": 0.02}, "k": 2}
    follow(subject, 40 if subject.quick else 100, {"band": (0.0, 0.02, 2)}, TOLERANCE, **settings)


CHECKS: tuple[Check, ...] = (
    check_extra_gradient_follows_the_oracle,
    check_consensus_follows_the_oracle,
    check_balance_follows_the_oracle,
)
