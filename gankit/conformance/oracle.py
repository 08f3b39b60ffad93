"""Algorithm 1 once more, in float64 NumPy with gradients derived by hand: what every backend is measured against.

It shares no code with gankit: not the step, the losses, the optimizers or the schedules. The game is a small one,
    G(z) = sigmoid(relu(z W0 + b0) W1 + b1)          D(x) = leaky_relu(x W0 + b0) W1 + b1, a logit
with one-hot labels appended to z and to x in a conditional game. Whoever agrees with it agrees with everybody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from gankit.arrays import Array

Params = dict[str, Array]
"""dense0/kernel (in, hidden), dense0/bias, dense1/kernel (hidden, out), dense1/bias."""


class Minibatches(NamedTuple):
    """One iteration's: x (k, m, n) in [0, 1], y (k, m), z (k, m, latent) for D; g_y (m,), g_z (m, latent) for G.

    fake_y: (k, m) labels of D's fakes where they are not y; wrong_y: (k, m) of mismatched pairs; g_x: (m, n), the real
    examples of G's phase.
    """

    x: Array
    y: Array | None
    z: Array
    g_y: Array | None
    g_z: Array
    fake_y: Array | None = None
    wrong_y: Array | None = None
    g_x: Array | None = None


@dataclass(frozen=True)
class Momentum:
    """pylearn2: v = mu v - lr g, p += v; lr = max(lr0 / factor^t, floor), mu from mu0 to mu1 over [begin, end]."""

    lr0: float
    factor: float = 1.0
    floor: float = 0.0
    mu0: float = 0.0
    mu1: float = 0.0
    begin: int = 0
    end: int = 1

    def lr(self, t: int) -> float:
        return max(self.lr0 / self.factor**t, self.floor)

    def mu(self, t: int) -> float:
        return self.mu0 + (self.mu1 - self.mu0) * min(max((t - self.begin) / (self.end - self.begin), 0.0), 1.0)

    def start(self, params: Params) -> dict[str, Params]:
        return {"v": {name: np.zeros_like(p) for name, p in params.items()}}

    def move(self, params: Params, gradient: Params, slots: dict[str, Params], t: int, updates: int) -> Params:
        for name, g in gradient.items():
            slots["v"][name] = self.mu(t) * slots["v"][name] - self.lr(t) * g
        return {name: p + slots["v"][name] for name, p in params.items()}

    def leaves(self, slots: dict[str, Params], t: int) -> dict[str, Array]:
        """As checkpoints have it: the velocity of native optimizers is v / -lr of the last iteration, t - 1."""
        return {f"velocity/{name}": v / -self.lr(t - 1) for name, v in slots["v"].items()}


Number = float | Callable[[int], float]
"""A number, or what it is at iteration t."""


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, algorithm 1: epsilon is added to the root of the corrected second moment.

    Where a beta changes over time, its present value is the one in the corrections too.
    """

    lr: Number
    b1: Number
    b2: Number
    eps: float = 1e-8

    def start(self, params: Params) -> dict[str, Params]:
        return {slot: {name: np.zeros_like(p) for name, p in params.items()} for slot in ("first", "second")}

    def move(self, params: Params, gradient: Params, slots: dict[str, Params], t: int, updates: int) -> Params:
        lr, b1, b2 = (now(value, t) for value in (self.lr, self.b1, self.b2))
        moved = {}
        for name, g in gradient.items():
            m = slots["first"][name] = b1 * slots["first"][name] + (1 - b1) * g
            v = slots["second"][name] = b2 * slots["second"][name] + (1 - b2) * g**2
            m_hat, v_hat = m / (1 - b1 ** (updates + 1)), v / (1 - b2 ** (updates + 1))
            moved[name] = params[name] - lr * m_hat / (np.sqrt(v_hat) + self.eps)
        return moved

    def leaves(self, slots: dict[str, Params], t: int) -> dict[str, Array]:
        return {f"{slot}/{name}": array for slot, arrays in slots.items() for name, array in arrays.items()}


Rule = Momentum | Adam


@dataclass
class Oracle:
    """A game in progress. g, d: initial parameters, which are not changed in place.

    r1: the weight of the penalty 1/2 E ||grad_x D(x)||^2 on D at real examples; None where there is none.
    lazy: whether that acts now and then; where its weight is 0, it is reported as it last was.
    clip: what becomes of a player's gradient. constrain: of its parameters after an update.
    """

    g: Params
    d: Params
    g_rule: Rule
    d_rule: Rule
    loss: Literal["non-saturating", "minimax"] = "non-saturating"
    schedule: Literal["alternating", "simultaneous"] = "alternating"
    num_classes: int | None = None
    slope: float = 0.2
    ema_decay: float = 0.0
    r1: Number | None = None
    lazy: bool = False
    clip: Callable[[Params], Params] = lambda gradient: gradient
    constrain: Callable[[Params], Params] = lambda params: params
    t: int = field(default=0, init=False)
    d_updates: int = field(default=0, init=False)
    last: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.ema = dict(self.g)
        self.g_slots, self.d_slots = self.g_rule.start(self.g), self.d_rule.start(self.d)

    def step(self, batch: Minibatches) -> dict[str, float]:
        """One iteration of Algorithm 1; returns its terms."""
        if self.schedule == "simultaneous":
            d_gradient, terms = self._d_gradient_of(batch, 0)
            g_gradient, g_loss = self.g_gradient(_at(batch.y, 0), batch.z[0])
            self._move_d(d_gradient)
        else:
            for i in range(len(batch.x)):
                d_gradient, terms = self._d_gradient_of(batch, i)
                self._move_d(d_gradient)
            g_gradient, g_loss = self.g_gradient(batch.g_y, batch.g_z)
        self.g = self.constrain(self.g_rule.move(self.g, self.clip(g_gradient), self.g_slots, self.t, self.t))
        decay = min(self.ema_decay, (1 + self.t) / (10 + self.t))
        self.ema = {name: decay * mean + (1 - decay) * self.g[name] for name, mean in self.ema.items()}
        self.t += 1
        return {**terms, "g_loss": g_loss}

    def d_gradient(
        self, x: Array, y: Array | None, z: Array, fake_y: Array | None = None, wrong_y: Array | None = None
    ) -> tuple[Params, dict[str, float]]:
        """The gradient of -1/m sum [log D(x|y) + log(1 - D(G(z|y')|y'))] in D's parameters, and D's terms.

        y' is fake_y, or y itself. With wrong_y, the second term is its mean with 1/m sum log(1 - D(x|wrong_y)).
        """
        m, fake_y = len(x), y if fake_y is None else fake_y
        real, fake = self._judge(x, y), self._judge(self._generate(z, fake_y)[-1], fake_y)
        rejected = [fake] if wrong_y is None else [fake, self._judge(x, wrong_y)]
        gradient, _ = self._judge_back(real, -sigmoid(-real[-1]) / m)
        loss = np.logaddexp(0, -real[-1]).mean()
        for inside in rejected:
            gradient = _sum(gradient, self._judge_back(inside, sigmoid(inside[-1]) / m / len(rejected))[0])
            loss += np.logaddexp(0, inside[-1]).mean() / len(rejected)
        terms = {"d_loss": loss, "D(x)": sigmoid(real[-1]).mean(), "D(G(z))": sigmoid(fake[-1]).mean()}
        if self.r1 is not None:
            weight, (terms["r1"], in_d) = now(self.r1, self.t), self.r1_gradient(x, y)
            terms["r1"] = self.last = self.last if self.lazy and weight == 0 else weight * terms["r1"]
            gradient = _sum(gradient, {name: weight * part for name, part in in_d.items()})
        return gradient, {name: float(term) for name, term in terms.items()}

    def r1_gradient(self, x: Array, y: Array | None) -> tuple[float, Params]:
        """1/2m sum ||grad_x D(x)||^2 with its gradient in D's parameters: D's slopes don't depend on them."""
        affine = self._judge(x, y)[1]
        pixels = self.d["dense0/kernel"][: x.shape[1]]  # the labels' rows have no part in it
        slopes = np.where(affine > 0, 1.0, self.slope)
        in_affine = slopes * self.d["dense1/kernel"][:, 0]
        in_x = in_affine @ pixels.T
        gradient = {name: np.zeros_like(p) for name, p in self.d.items()}
        gradient["dense0/kernel"][: x.shape[1]] = in_x.T @ in_affine / len(x)
        gradient["dense1/kernel"] = (slopes * (in_x @ pixels)).sum(axis=0)[:, None] / len(x)
        return float(0.5 * (in_x**2).sum() / len(x)), gradient

    def g_gradient(self, y: Array | None, z: Array) -> tuple[Params, float]:
        """The gradient of G's objective in G's parameters, and the objective."""
        m, inside = len(z), self._generate(z, y)
        judged = self._judge(inside[-1], y)
        logits = judged[-1]
        if self.loss == "minimax":  # 1/m sum log(1 - D(G(z)))
            loss, in_logits = -np.logaddexp(0, logits).mean(), -sigmoid(logits) / m
        else:  # -1/m sum log D(G(z))
            loss, in_logits = np.logaddexp(0, -logits).mean(), -sigmoid(-logits) / m
        _, in_fake = self._judge_back(judged, in_logits)
        entry, hidden, fake = inside
        in_out = in_fake * fake * (1 - fake)
        in_affine = (in_out @ self.g["dense1/kernel"].T) * (hidden > 0)
        return _dense_gradients(entry, in_affine, hidden, in_out), float(loss)

    def leaves(self) -> dict[str, Array]:
        """The state under the names of checkpoints."""
        parts = {
            "generator/params": self.g,
            "discriminator/params": self.d,
            "ema": self.ema if self.ema_decay else {},
            "generator/slots": self.g_rule.leaves(self.g_slots, self.t),
            "discriminator/slots": self.d_rule.leaves(self.d_slots, self.t),
            "memory": {"r1/last": np.array(self.last)} if self.lazy else {},
        }
        return {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def sample(self, z: Array, y: Array | None, *, ema: bool = False) -> Array:
        """G(z), (m, n); with `ema`, of the moving average."""
        return self._generate(z, y, self.ema if ema else None)[-1]

    def score(self, x: Array, y: Array | None) -> Array:
        """D's logits on x, (m,)."""
        return self._judge(x, y)[-1]

    def _d_gradient_of(self, batch: Minibatches, i: int) -> tuple[Params, dict[str, float]]:
        return self.d_gradient(batch.x[i], _at(batch.y, i), batch.z[i], _at(batch.fake_y, i), _at(batch.wrong_y, i))

    def _move_d(self, gradient: Params) -> None:
        moved = self.d_rule.move(self.d, self.clip(gradient), self.d_slots, self.t, self.d_updates)
        self.d = self.constrain(moved)
        self.d_updates += 1

    def _generate(self, z: Array, y: Array | None, params: Params | None = None) -> tuple[Array, Array, Array]:
        p = self.g if params is None else params
        entry = self._with_label(z, y)
        hidden = np.maximum(entry @ p["dense0/kernel"] + p["dense0/bias"], 0)
        return entry, hidden, sigmoid(hidden @ p["dense1/kernel"] + p["dense1/bias"])

    def _judge(self, x: Array, y: Array | None) -> tuple[Array, Array, Array, Array]:
        entry = self._with_label(x, y)
        affine = entry @ self.d["dense0/kernel"] + self.d["dense0/bias"]
        hidden = np.where(affine > 0, affine, self.slope * affine)
        return entry, affine, hidden, (hidden @ self.d["dense1/kernel"] + self.d["dense1/bias"])[:, 0]

    def _judge_back(self, inside: tuple[Array, Array, Array, Array], in_logits: Array) -> tuple[Params, Array]:
        """From the gradient in the logits to those in D's parameters and in its examples."""
        entry, affine, hidden, _ = inside
        in_out = in_logits[:, None]
        in_affine = (in_out @ self.d["dense1/kernel"].T) * np.where(affine > 0, 1.0, self.slope)
        in_entry = in_affine @ self.d["dense0/kernel"].T
        examples = in_entry.shape[1] - (self.num_classes or 0)
        return _dense_gradients(entry, in_affine, hidden, in_out), in_entry[:, :examples]

    def _with_label(self, x: Array, y: Array | None) -> Array:
        return x if self.num_classes is None or y is None else np.hstack([x, np.eye(self.num_classes)[y]])


def _dense_gradients(entry: Array, in_affine: Array, hidden: Array, in_out: Array) -> Params:
    return {
        "dense0/kernel": entry.T @ in_affine,
        "dense0/bias": in_affine.sum(axis=0),
        "dense1/kernel": hidden.T @ in_out,
        "dense1/bias": in_out.sum(axis=0),
    }


def now(value: Number, t: int) -> float:
    """The number at iteration t."""
    return value(t) if callable(value) else value


def _sum(a: Params, b: Params) -> Params:
    return {name: a[name] + b[name] for name in a}


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def _at(labels: Array | None, i: int) -> Array | None:
    return None if labels is None else labels[i]
