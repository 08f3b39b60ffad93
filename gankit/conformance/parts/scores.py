"""What a loss is shown, and what it answers: by a backend, and in float64 without any.

Where no closed form is known, a loss is its own reference: its value computed by NumPy must be the backend's, and the
differences of that value must be the backend's gradient.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import require
from gankit.conformance.subject import NotApplicable
from gankit.conformance.tiny import TinyOps
from gankit.interfaces import Scores

PLAYERS = ("discriminator", "generator")
N, CLASSES = 6, 3
EPS = float(np.finfo(np.float64).eps)

# Numbers that float32 holds exactly, and of which no two differ by the margin of a hinge.
REAL = np.array([0.3125, -1.21875, 2.03125, 0.703125, -0.546875, 1.171875])
FAKE = np.array([-0.40625, 1.53125, -2.1875, 0.109375, 0.84375, -1.328125])
SIGNS = np.array([1.0, -1.0, 1.0, 0.0, -1.0, 1.0]), np.array([-1.0, 1.0, 0.0, 0.0, -1.0, 1.0])
SITUATIONS: Mapping[str, tuple[Array, Array]] = {
    "ordinary logits": (REAL, FAKE),
    "logits of exactly 0": (np.zeros(N), np.zeros(N)),
    "logits of 30": (30 * SIGNS[0], 30 * SIGNS[1]),
    "logits of 1e4": (1e4 * SIGNS[0], 1e4 * SIGNS[1]),
}
"""Logits of real and of fake, by what is special about them."""


@dataclass(frozen=True)
class Said:
    """What D says of one side of a minibatch.

    parts: what has a gradient, by name: `logits`, `mismatched`, `class_logits`, `features/0`, ...
    """

    parts: Mapping[str, Array]
    labels: Array | None

    def scores(self, parts: Mapping[str, Any], convert: Callable[[Array], Any]) -> Scores:
        """As a loss is given them; parts: these ones on the device."""
        features = tuple(parts[name] for name in sorted(parts) if name.startswith("features/"))
        others = {name: part for name, part in parts.items() if not name.startswith("features/")}
        labels = None if self.labels is None else convert(self.labels)
        return Scores(labels=labels, features=features, **others)

    def taken(self, rows: Array) -> Said:
        """Some of its examples, or all in another order."""
        labels = None if self.labels is None else self.labels[rows]
        return Said({name: part[rows] for name, part in self.parts.items()}, labels)

    def where(self, **parts: Array) -> Said:
        """With other logits, or others of its parts."""
        return replace(self, parts={**self.parts, **parts})


class Minibatch(NamedTuple):
    """Both sides."""

    real: Said
    fake: Said


class Answer(NamedTuple):
    """A player's objective, and its gradient in every part of both sides."""

    value: Array
    in_real: dict[str, Array]
    in_fake: dict[str, Array]


def declares(loss: Any, attribute: str) -> bool:
    """Whether the loss says so of itself."""
    return bool(getattr(loss, attribute, False))


def shown(loss: Any, logits: tuple[Array, Array] = (REAL, FAKE), scale: float = 1.0) -> Minibatch:
    """What a game of this loss may show it: labels, a class head and wrong labels only where it asks for them.

    The labels of real and fake differ, as with `fake_labels="uniform"`, unless the loss pairs the two.
    scale: of the class logits.
    """
    rng, sides = np.random.default_rng(7), []
    for name, own in zip(("real", "fake"), logits, strict=True):
        n = len(own)
        features = {"features/0": _short(rng.normal(size=(n, 2))), "features/1": _short(rng.normal(size=(n, 3)))}
        of_classes = scale * _short(rng.normal(size=(n, CLASSES)))
        labels: Array | None = rng.permutation(np.arange(n) % CLASSES).astype(np.int32)
        parts = {"logits": own, **features}
        if name == "real" and declares(loss, "needs_mismatched"):
            parts["mismatched"] = own[::-1].copy() - 0.125
        if not declares(loss, "conditional"):
            sides.append(Said(parts, None))
            continue
        if sides and declares(loss, "pairs_examples"):
            labels = sides[0].labels
        sides.append(Said({**parts, "class_logits": of_classes}, labels))
    return Minibatch(*sides)


def answer(ops: Any, loss: Any, player: str, batch: Minibatch) -> Answer:
    """By a backend, as NumPy."""

    def objective(parts: Any) -> tuple[Any, None]:
        real, fake = (said.scores(own, ops.asarray) for said, own in zip(batch, parts, strict=True))
        return ask(ops, loss, player, real, fake), None

    given = tuple({name: ops.asarray(part) for name, part in said.parts.items()} for said in batch)
    (value, _), gradients = ops.value_and_grad(objective)(given)
    return Answer(ops.to_numpy(value), *({n: ops.to_numpy(g) for n, g in side.items()} for side in gradients))


def ask(ops: Any, loss: Any, player: str, real: Scores, fake: Scores) -> Any:
    """The objective as the step calls it: G's sees real examples only where the loss says that it needs them."""
    seen = real if player == "discriminator" or declares(loss, "generator_needs_real") else None
    try:
        return getattr(loss, player)(ops, seen, fake)
    except AttributeError as error:
        if seen is not None or "NoneType" not in str(error):
            raise
        raise AssertionError(
            f"G's objective looks at real examples, and got none ({error}). Say generator_needs_real = True in the "
            "loss, and G's phase draws some."
        ) from error


class Replaying(TinyOps):
    """What `stop_gradient` was given in the first run is what it returns in the others: no difference passes it."""

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self._seen: list[Any] = []
        self._run = self._next = 0

    def begin(self) -> None:
        """Another run of the same function."""
        self._run, self._next = self._run + 1, 0

    def stop_gradient(self, x: Any) -> Any:
        if self._run == 1:
            self._seen.append(x)
        self._next += 1
        return self._seen[self._next - 1]


class Reference(NamedTuple):
    """A player's objective in float64, and between what its gradient must be: a corner has a slope on either side.

    weight: what the logits and their gradients weigh together: a rounding of the logits moves the value so much.
    """

    value: float
    low: tuple[dict[str, Array], dict[str, Array]]
    high: tuple[dict[str, Array], dict[str, Array]]
    weight: float


def reference(loss: Any, player: str, batch: Minibatch) -> Reference:
    """Without a framework: the value by NumPy, and one-sided differences of it in every number that D said."""
    xp = namespace()
    ops = Replaying(xp)

    def value(batch: Minibatch) -> float:
        real, fake = (side.scores({n: xp.asarray(p) for n, p in side.parts.items()}, xp.asarray) for side in batch)
        ops.begin()
        with np.errstate(all="ignore"):
            return float(ask(ops, loss, player, real, fake))

    at = value(batch)
    require(np.isfinite(at), f"{type(loss).__name__}, {player}: {at} in float64, computed without a framework.")
    slopes: list[dict[str, Array]] = [{}, {}]
    for i, said in enumerate(batch):
        for name, part in said.parts.items():
            steps = 1e-6 * np.maximum(1.0, np.abs(part))
            slopes[i][name] = np.zeros((2, *part.shape))
            for index in np.ndindex(part.shape):
                for j, sign in enumerate((-1.0, 1.0)):
                    moved = part.copy()
                    moved[index] += sign * steps[index]
                    both = list(batch)
                    both[i] = said.where(**{name: moved})
                    slopes[i][name][j, *index] = (value(Minibatch(*both)) - at) / (moved[index] - part[index])
    weights = [
        np.abs(s).max(axis=0) * np.abs(said.parts[n])
        for said, by in zip(batch, slopes, strict=True)
        for n, s in by.items()
    ]
    weight = float(sum(w.sum() for w in weights))
    noise = 16 * EPS * (1 + abs(at) + weight)
    bounds = [_bounds(said.parts, by, noise) for said, by in zip(batch, slopes, strict=True)]
    return Reference(at, (bounds[0][0], bounds[1][0]), (bounds[0][1], bounds[1][1]), weight)


def _bounds(
    parts: Mapping[str, Array], slopes: Mapping[str, Array], noise: float
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The least and the greatest derivative that one-sided differences allow; noise: of the value they are taken of."""
    low, high = {}, {}
    for name, both in slopes.items():
        slack = noise / (1e-6 * np.maximum(1.0, np.abs(parts[name]))) + 1e-6 * np.abs(both).max(axis=0)
        low[name], high[name] = both.min(axis=0) - slack, both.max(axis=0) + slack
    return low, high


def namespace() -> Any:
    """An array-API namespace without derivatives: NumPy from its version 2 on, else array-api-strict."""
    return np if hasattr(np, "astype") else strict()


def strict() -> Any:
    """array-api-strict; raises NotApplicable where it is not installed."""
    try:
        return importlib.import_module("array_api_strict")
    except ImportError:
        raise NotApplicable("array-api-strict is not installed: pip install 'gankit[conformance]'.") from None


def within(got: Array, low: Array, high: Array, what: str, cause: str = "") -> None:
    """Raise AssertionError, with the worst entry, unless low <= got <= high everywhere."""
    require(got.shape == low.shape, f"{what}: shape {got.shape}, expected {low.shape}.")
    known = np.isfinite(got) & np.isfinite(low) & np.isfinite(high)
    excess = np.where(known, np.maximum(low - got, got - high), np.inf)
    if excess.size and excess.max() > 0:
        worst = np.unravel_index(np.argmax(excess), excess.shape)
        middle = float((low[worst] + high[worst]) / 2)
        raise AssertionError(
            f"{what}: got {float(got[worst])!r}, and differences of the value say {middle:.6g} (at index "
            f"{tuple(map(int, worst))}; {int((excess > 0).sum())} of {excess.size} entries are off).{cause}"
        )


def _short(x: Array) -> Array:
    """Rounded to what float32 holds exactly."""
    return np.asarray(np.round(x * 64) / 64)
