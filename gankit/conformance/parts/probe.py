"""A small D and a small G for any penalty to look at, and everything that it does with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.conformance.penalties import named, seen_by
from gankit.interfaces import LABEL, Draw, Moment, Scores, as_given
from gankit.parts.first_api import as_today
from gankit.play.judging import Critic, Slope

SHAPE, LATENT, HIDDEN, CLASSES = (3, 2, 1), 4, 5, 3


@dataclass(frozen=True)
class Given:
    """What a penalty is called with, in NumPy: parameters of the player, both sides of a minibatch, labels, latents.

    seed: of the key. memory: what it remembers; what it starts from where this is None.
    """

    params: Mapping[str, Array]
    real: Array
    fake: Array
    z: Array
    labels: tuple[Array, Array] | None = None
    seed: Any = 0
    memory: Mapping[str, float] | None = None

    def taken(self, rows: Array) -> Given:
        """Some of the examples, or all in another order."""
        labels = None if self.labels is None else (self.labels[0][rows], self.labels[1][rows])
        return replace(self, real=self.real[rows], fake=self.fake[rows], z=self.z[rows], labels=labels)


class Outcome(NamedTuple):
    """A penalty's value before it is weighted, the gradient in the player's parameters, what it now remembers."""

    value: Array
    gradient: dict[str, Array]
    memory: dict[str, Array]


def given(penalty: Any, n: int = 8, seed: int = 0) -> Given:
    """A generic situation for the player whose objective the penalty joins."""
    rng = np.random.default_rng(seed)
    inside, outside = (LATENT, (HIDDEN, 6)) if on_generator(penalty) else (6, (HIDDEN,))
    params = {"w": rng.normal(size=(inside, HIDDEN)), "b": rng.normal(size=HIDDEN), "v": rng.normal(size=outside)}
    real, fake = rng.normal(0.5, 1.0, size=(n, *SHAPE)), rng.normal(size=(n, *SHAPE))
    classes = (np.arange(n) % CLASSES).astype(np.int32)
    labels = (classes, classes) if "given" in needs_of(penalty) else None
    return Given(params, real, fake, rng.normal(size=(n, LATENT)), labels)


def needs_of(penalty: Any) -> frozenset[str]:
    """What a term says that it needs."""
    return frozenset(getattr(penalty, "needs", ()))


def further(penalty: Any) -> list[str]:
    """The names of players and sources that a term needs beside G, D and their examples."""
    return sorted(needs_of(penalty) - {"real", "given", "classes"})


def on_generator(penalty: Any) -> bool:
    """Whether it looks at G."""
    return bool(getattr(penalty, "player", "discriminator") == "generator")


Seen = Callable[[Any, Any], None]
"""Told of each call of D: (examples, labels)."""


def call(
    ops: Any, penalty: Any, at: Given, params: Any, *, slopes: float | None = None, seen: Seen | None = None
) -> tuple[Any, Any]:
    """(the term, what is remembered) on the device, as the step calls it.

    params: on the device. slopes: how many times too steep the slopes are that are handed over; none are by default.
    """
    y_real, y_fake = (None, None) if at.labels is None else map(ops.asarray, at.labels)
    real, fake, z, key = *map(ops.asarray, (at.real, at.fake, at.z)), key_of(ops, at)

    def generated(z: Any, given: Any = None, *, entry: Any = 0.0, p: Any = params) -> Any:
        out = ops.xp.tanh(z @ p["w"] + p["b"] + entry) @ p["v"]
        return ops.xp.reshape(out, (z.shape[0], *SHAPE))

    def judged(x: Any, given: Any) -> Scores:
        labels = as_given(given).get(LABEL)
        if seen is not None:
            seen(x, labels)
        hidden = ops.xp.tanh(ops.xp.reshape(x, (x.shape[0], -1)) @ params["w"] + params["b"])
        logits = hidden @ params["v"]
        # D tells classes through a layer that draws, as dropout does.
        seen_now = hidden * (1.0 + 0.5 * ops.normal(key_of_d(ops, at), tuple(hidden.shape)))
        classes = seen_now @ ops.asarray(np.random.default_rng(9).normal(size=(HIDDEN, CLASSES)))
        own = logits if labels is None else logits * (1.0 + ops.to_float(labels))
        return Scores(own, labels, classes, (hidden,))

    net: Any
    if on_generator(penalty):
        shown = real if "real" in needs_of(penalty) else None
        net, fake, draw = generated, generated(z), Draw(shown, named(y_real), z, named(y_fake))
    else:
        draw = Draw(real, named(y_real), z, named(y_fake))
        places = {"real": (real, draw.given), "fake": (fake, draw.fake_given)}
        known = []
        if slopes is not None:
            for place in penalty.slopes_at:
                x, own = places[place]
                gradient = ops.grad(lambda x, y=own: ops.xp.sum(judged(x, y).logits))(x)
                known.append(Slope(x, own, slopes * gradient))
        net = Critic(judged, draw.given, tuple(known))
    start: Mapping[str, float] = getattr(penalty, "memory", {}) if at.memory is None else at.memory
    held = {name: ops.asarray(np.asarray(float(number))) for name, number in start.items()}
    moment = seen_by(ops, net, draw, fake, key, held)
    if names := further(penalty):
        moment = _with_others(moment, names, at, generated)
    out = as_today("penalties", penalty)(moment)
    return out if held else (out, {})


def _with_others(moment: Moment, names: list[str], at: Given, generated: Callable[..., Any]) -> Moment:
    """A moment with further players and sources: every name is taken for both, as a term does not say which it means.

    Their parameters and examples are fixed numbers of their own. A G that is given a picture makes use of it.
    """
    ops = moment.ops

    def numbers(name: str) -> np.random.Generator:
        return np.random.default_rng(list(name.encode()))

    def encoded(role: str, x: Any) -> Any:
        rng = numbers(role)
        w, v = (ops.asarray(rng.normal(size=shape)) for shape in ((6, HIDDEN), (HIDDEN, LATENT)))
        return ops.xp.tanh(ops.xp.reshape(x, (x.shape[0], -1)) @ w) @ v

    def apply(role: str, x: Any, given: Mapping[str, Any]) -> Any:
        if tuple(x.shape[1:]) == SHAPE:  # an example goes in
            return encoded(role, x)
        rng, n = numbers(role), x.shape[0]
        sizes = {"w": (LATENT, HIDDEN), "b": (HIDDEN,), "v": (HIDDEN, 6)}
        own = {name: ops.asarray(rng.normal(size=shape)) for name, shape in sizes.items()}
        mixed = ops.asarray(rng.normal(size=(6, HIDDEN)))
        entry = sum(
            (ops.xp.reshape(c, (n, -1)) @ mixed for c in given.values() if tuple(c.shape[1:]) == SHAPE), start=0.0
        )
        return generated(x, entry=entry, **({} if role == "generator" else {"p": own}))

    others, fakes = {}, dict(moment.fakes)
    for name in names:
        rng = numbers(f"source/{name}")
        x, z = (ops.asarray(rng.normal(size=(len(at.z), *shape))) for shape in (SHAPE, (LATENT,)))
        classes = named(ops.asarray((np.arange(len(at.z)) % CLASSES).astype(np.int32)))
        others[name] = Draw(x, classes, z, classes)
        fakes[name] = apply(f"generator-{name}", z, {})
    return replace(moment, draw=moment.draw._replace(others=others), apply=apply, fakes=fakes)


def key_of(ops: Any, at: Given) -> Any:
    """The key that the penalty is handed."""
    return ops.key((np.uint32(at.seed) if isinstance(at.seed, int) else at.seed, np.uint32(1)))


def key_of_d(ops: Any, at: Given) -> Any:
    """The key of each pass of D."""
    return ops.fold_in(key_of(ops, at), 7)


def outcome(ops: Any, penalty: Any, at: Given, slopes: float | None = None) -> Outcome:
    """Value and gradient by the backend, as NumPy."""
    params = {name: ops.asarray(array) for name, array in at.params.items()}
    objective = ops.value_and_grad(lambda params: call(ops, penalty, at, params, slopes=slopes))
    (value, memory), gradient = objective(params)
    return Outcome(ops.to_numpy(value), _numpy(ops, gradient), _numpy(ops, memory))


def mean_outcome(ops: Any, penalty: Any, at: Given, seeds: range) -> tuple[float, dict[str, Array]]:
    """(value, gradient), each the mean over these seeds; compiled once for all of them."""

    def once(params: Any, word: Any) -> Any:
        (term, _), gradient = ops.value_and_grad(lambda p: call(ops, penalty, replace(at, seed=word), p))(params)
        return term, gradient

    run, params = ops.compile(once), {name: ops.asarray(array) for name, array in at.params.items()}
    drawn = [run(params, np.uint32(seed)) for seed in seeds]
    gradients = [_numpy(ops, gradient) for _, gradient in drawn]
    mean = {name: np.asarray(np.mean([gradient[name] for gradient in gradients], axis=0)) for name in at.params}
    return float(np.mean([ops.to_numpy(term) for term, _ in drawn])), mean


class Watching:
    """The backend's `ops`, which also notes where a gradient is taken: `points`, as NumPy, in the order of the calls.

    at: the point of the gradient that is being taken now, or None.
    """

    def __init__(self, ops: Any) -> None:
        self._ops = ops
        self.points: list[Array] = []
        self.at: Array | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def grad(self, f: Any) -> Any:
        """Noted, then passed on."""
        return self._noting(self._ops.grad(f))

    def value_and_grad(self, f: Any) -> Any:
        """Noted, then passed on."""
        return self._noting(self._ops.value_and_grad(f))

    def _noting(self, gradient: Any) -> Any:
        def noted(x: Any) -> Any:
            outer = self.at
            if outer is None and hasattr(x, "shape"):
                self.at = self._ops.to_numpy(x)
                self.points.append(self.at)
            try:
                return gradient(x)
            finally:
                self.at = outer

        return noted


class Held:
    """The backend's `ops`, in which `stop_gradient` returns at every run what it returned at the first.

    So differences of a value are those of what it is differentiated in.
    """

    def __init__(self, ops: Any) -> None:
        self._ops = ops
        self._seen: list[Any] = []
        self._run = self._next = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def begin(self) -> None:
        """Another run of the same function."""
        self._run, self._next = self._run + 1, 0

    def stop_gradient(self, x: Any) -> Any:
        """What it was given in the first run."""
        if self._run == 1:
            self._seen.append(self._ops.stop_gradient(x))
        self._next += 1
        return self._seen[self._next - 1]


def value(ops: Any, penalty: Any, at: Given, seen: Seen | None = None) -> float:
    """The value alone."""
    params = {name: ops.asarray(array) for name, array in at.params.items()}
    return float(ops.to_numpy(call(ops, penalty, at, params, seen=seen)[0]))


def draws(ops: Any, penalty: Any, at: Given) -> bool:
    """Whether another key makes another value."""
    return value(ops, penalty, at) != value(ops, penalty, replace(at, seed=at.seed + 1))


def _numpy(ops: Any, tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {name: ops.to_numpy(tensor) for name, tensor in tensors.items()}
