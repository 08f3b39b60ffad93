"""The open game once more, in float64 NumPy by hand: conditions by name, several pairs of players, terms that are no
game.

As the oracle, it shares no code with gankit but the optimizers written out there. Every network is one hidden layer,
    f(x | c) = end(leaky_relu([x, c, ...] W0 + b0) W1 + b1)
and every gradient is put together of `Net.forward` and `Net.back`. Conditions are matrices (m, n), classes as one-hot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.conformance.oracle import Params, Rule, sigmoid

Rows = Mapping[str, Array]
"""Conditions of some examples by name, (m, n) each."""
G, D = "generator", "discriminator"


class Inside(NamedTuple):
    """What a pass went through; sizes: how many numbers of the entry are x's, and each condition's."""

    entry: Array
    affine: Array
    hidden: Array
    out: Array
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Net:
    """takes: the conditions that are appended to x, in this order. slope: of leaky relu; 0 is relu."""

    takes: tuple[str, ...] = ()
    slope: float = 0.2
    end: Literal["sigmoid", "linear"] = "linear"

    def forward(self, p: Params, x: Array, given: Rows) -> Inside:
        parts = {"": x} | {name: given[name] for name in self.takes}
        entry = np.hstack(list(parts.values()))
        affine = entry @ p["dense0/kernel"] + p["dense0/bias"]
        hidden = np.where(affine > 0, affine, self.slope * affine)
        out = hidden @ p["dense1/kernel"] + p["dense1/bias"]
        sizes = {name: part.shape[1] for name, part in parts.items()}
        return Inside(entry, affine, hidden, ended(self.end, out), sizes)

    def back(self, p: Params, inside: Inside, in_out: Array) -> tuple[Params, dict[str, Array]]:
        """From the gradient in the output to those in the parameters, and in x, "", and each condition."""
        out = inside.out
        in_out = in_out * (out * (1 - out) if self.end == "sigmoid" else 1.0)
        in_affine = (in_out @ p["dense1/kernel"].T) * np.where(inside.affine > 0, 1.0, self.slope)
        gradient = {
            "dense0/kernel": inside.entry.T @ in_affine,
            "dense0/bias": in_affine.sum(axis=0),
            "dense1/kernel": inside.hidden.T @ in_out,
            "dense1/bias": in_out.sum(axis=0),
        }
        ends = np.cumsum(list(inside.sizes.values()))[:-1]
        in_parts = np.split(in_affine @ p["dense0/kernel"].T, ends, axis=1)
        return gradient, dict(zip(inside.sizes, in_parts, strict=True))


class Drawn(NamedTuple):
    """A minibatch of one source in model units, a row an example. wrong: conditions that the reals do not have."""

    x: Array
    given: Rows
    z: Array
    fake_given: Rows
    wrong: Rows | None = None


Sources = Mapping[str, Drawn]
"""A minibatch of each source, "" being the main one."""


class Moves(NamedTuple):
    """One iteration's: k minibatches for D's phase, and one for G's."""

    d: Sequence[Sources]
    g: Sources


@dataclass
class OpenOracle:
    """A game in progress. params: by role, not changed in place. pairs: each source's G and D, the main one first.

    l1: the weight of E |x - G(z|c)| on the main G, at each iteration. cycle: that of the two cycles between the pairs,
    and every how many iterations it acts, that many times as strong. r1: the weight of the penalty on the main D.
    """

    params: dict[str, Params]
    nets: Mapping[str, Net]
    rules: Mapping[str, Rule]
    pairs: Mapping[str, tuple[str, str]] = field(default_factory=lambda: {"": (G, D)})
    schedule: str = "alternating"
    ema_decay: float = 0.0
    l1: float = 0.0
    cycle: tuple[float, int] = (0.0, 1)
    r1: float = 0.0
    t: int = field(default=0, init=False)
    last: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.averages = {g: dict(self.params[g]) for g, _ in self.pairs.values()} if self.ema_decay else {}
        self.slots = {role: self.rules[role].start(p) for role, p in self.params.items()}
        self.updates = dict.fromkeys(self.params, 0)

    def step(self, moves: Moves) -> dict[str, float]:
        """One iteration of Algorithm 1; returns its terms."""
        if self.schedule == "simultaneous":
            d_gradient, terms = self.d_phase(moves.d[0])
            g_gradient, g_terms = self.g_phase(moves.d[0])
            self._move(d_gradient)
        else:
            for drawn in moves.d:
                d_gradient, terms = self.d_phase(drawn)
                self._move(d_gradient)
            g_gradient, g_terms = self.g_phase(moves.g)
        self._move(g_gradient)
        decay = min(self.ema_decay, (1 + self.t) / (10 + self.t))
        for role, mean in self.averages.items():
            self.averages[role] = {n: decay * a + (1 - decay) * self.params[role][n] for n, a in mean.items()}
        self.last = g_terms.get("cycle", self.last)
        self.t += 1
        return {**terms, **g_terms}

    def generate(self, role: str, z: Array, given: Rows, *, ema: bool = False) -> Array:
        """G(z | c), (m, n)."""
        return self.nets[role].forward((self.averages if ema else self.params)[role], z, given).out

    def score(self, role: str, x: Array, given: Rows) -> Array:
        """D's logits, (m,)."""
        return self.nets[role].forward(self.params[role], x, given).out[:, 0]

    def d_phase(self, drawn: Sources) -> tuple[dict[str, Params], dict[str, float]]:
        """The gradient of sum over pairs of -1/m sum [log D(x|c) + log(1 - D(G(z|c')|c'))], by D, and the terms.

        Where reals come under conditions that are not theirs, the second is its mean with log(1 - D(x|wrong)).
        """
        total, terms = {}, {"d_loss": 0.0}
        for source, (g, d) in self.pairs.items():
            own, net, p = drawn[source], self.nets[d], self.params[d]
            fake = self.generate(g, own.z, own.fake_given)
            rejected = [(fake, own.fake_given)] + ([] if own.wrong is None else [(own.x, own.wrong)])
            real = net.forward(p, own.x, own.given)
            gradient, _ = net.back(p, real, -sigmoid(-real.out) / len(own.x))
            loss = softplus(-real.out).mean()
            for i, (x, given) in enumerate(rejected):
                inside = net.forward(p, x, given)
                gradient = plus(gradient, net.back(p, inside, sigmoid(inside.out) / len(x) / len(rejected))[0])
                loss += softplus(inside.out).mean() / len(rejected)
                if not (i or source):
                    terms |= {"D(x)": sigmoid(real.out).mean(), "D(G(z))": sigmoid(inside.out).mean()}
            if self.r1 and not source:
                value, of_slopes = self.r1_gradient(d, own.x, own.given)
                terms["r1"] = self.r1 * value
                gradient = plus(gradient, of_slopes, self.r1)
            total[d] = gradient
            terms["d_loss"] += loss
        return total, {name: float(term) for name, term in terms.items()}

    def r1_gradient(self, role: str, x: Array, given: Rows) -> tuple[float, Params]:
        """1/2m sum ||grad_x D(x|c)||^2 and its gradient in D's parameters, on which D's slopes don't depend."""
        net, p = self.nets[role], self.params[role]
        affine, n = net.forward(p, x, given).affine, x.shape[1]
        slopes, pixels = np.where(affine > 0, 1.0, net.slope), p["dense0/kernel"][:n]
        in_affine = slopes * p["dense1/kernel"][:, 0]
        in_x = in_affine @ pixels.T
        gradient = {name: np.zeros_like(a) for name, a in p.items()}
        gradient["dense0/kernel"][:n] = in_x.T @ in_affine / len(x)
        gradient["dense1/kernel"] = (slopes * (in_x @ pixels)).sum(axis=0)[:, None] / len(x)
        return float(0.5 * (in_x**2).sum() / len(x)), gradient

    def g_phase(self, drawn: Sources) -> tuple[dict[str, Params], dict[str, float]]:
        """The gradient of sum over pairs of -1/m sum log D(G(z|c)|c), and of the terms, by G, and the terms."""
        made = {
            s: self.nets[g].forward(self.params[g], drawn[s].z, drawn[s].fake_given) for s, (g, _) in self.pairs.items()
        }
        in_made, terms = {}, {"g_loss": 0.0}
        for source, (_, d) in self.pairs.items():
            own, net, p = drawn[source], self.nets[d], self.params[d]
            judged = net.forward(p, made[source].out, own.fake_given)
            terms["g_loss"] += softplus(-judged.out).mean()
            in_made[source] = net.back(p, judged, -sigmoid(-judged.out) / len(own.z))[1][""]
        if self.l1:
            apart = made[""].out - drawn[""].x
            terms["l1"] = self.l1 * np.abs(apart).mean()
            in_made[""] = in_made[""] + self.l1 * np.sign(apart) / apart.size
        total = {g: {name: np.zeros_like(a) for name, a in self.params[g].items()} for g, _ in self.pairs.values()}
        weight, every = self.cycle
        if weight:
            terms["cycle"] = self.last
            if self.t % every == 0:
                terms["cycle"] = self._add_cycle(drawn, made, weight * every, total, in_made)
        for source, (g, _) in self.pairs.items():
            total[g] = plus(total[g], self.nets[g].back(self.params[g], made[source], in_made[source])[0])
        return total, {name: float(term) for name, term in terms.items()}

    def _add_cycle(
        self, drawn: Sources, made: Mapping[str, Inside], weight: float, total: dict[str, Params], in_made: Any
    ) -> float:
        """weight * (E |b - F(G(b))| + E |x - G(F(x))|), added to the gradients on the way back through both G's."""
        (here, (g, _)), (there, (f, _)) = self.pairs.items()
        value = 0.0
        for one, other, second in ((here, there, f), (there, here, g)):  # what `one`'s G made, through the other G
            net, p = self.nets[second], self.params[second]
            round_trip = net.forward(p, drawn[other].z, {"image": made[one].out})
            apart = round_trip.out - drawn[other].x
            value += weight * np.abs(apart).mean()
            gradient, in_entry = net.back(p, round_trip, weight * np.sign(apart) / apart.size)
            total[second] = plus(total[second], gradient)
            in_made[one] = in_made[one] + in_entry["image"]
        return value

    def leaves(self) -> dict[str, Array]:
        """The state under the names of checkpoints."""
        found: dict[str, Params] = {}
        for role, p in self.params.items():
            found |= {f"{role}/params": p, f"{role}/slots": self.rules[role].leaves(self.slots[role], self.t)}
        for role, mean in self.averages.items():
            found["ema" if role == G else f"ema/{role}"] = mean
        if self.cycle[1] > 1:
            found["memory"] = {"cycle/last": np.array(self.last)}
        return {f"{part}/{name}": array for part, arrays in found.items() for name, array in arrays.items()}

    def _move(self, gradients: Mapping[str, Params]) -> None:
        for role, gradient in gradients.items():
            rule, slots = self.rules[role], self.slots[role]
            self.params[role] = rule.move(self.params[role], gradient, slots, self.t, self.updates[role])
            self.updates[role] += 1


def ended(end: str, x: Array) -> Array:
    """What a network's last function makes of x."""
    return sigmoid(x) if end == "sigmoid" else x


def softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(0, x))


def plus(a: Params, b: Params, weight: float = 1.0) -> Params:
    """a + weight * b, name by name."""
    return {name: a[name] + weight * b[name] for name in a}
