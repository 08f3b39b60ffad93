"""A step with probes in it: every key that it draws with, and how every network is called.

The step is played eagerly, one iteration after the other. What it must not do cannot be seen in a result: two masks
that are drawn with one key are fine masks, each by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from gankit.conformance.compare import agree, agree_by_name, require
from gankit.conformance.games import CONDITIONAL, Recorder, leaves, small, start
from gankit.conformance.open_games import begin, inverted
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import Backend, Batch, Moment
from gankit.layers import BatchNorm, ConcatLabels, Dense, Dropout, Flatten, LeakyRelu, Relu, Reshape, Sigmoid
from gankit.plug.capabilities import demand, needs

CLASSES = 3
G = (ConcatLabels(CLASSES), Dense(5), Dropout(0.5), BatchNorm(), Relu(), Dense(6), Sigmoid(), Reshape((3, 2, 1)))
D = (Flatten(), ConcatLabels(CLASSES), Dense(5), BatchNorm(), LeakyRelu(), Dropout(0.5), Dense(1), Reshape(()))
AUGMENTATIONS = ["translation", "cutout", "colour"]


@dataclass
class Seen:
    """What the probes have seen. keys: of each draw. passes: (whose, in training, with a key, with labels)."""

    keys: list[bytes] = field(default_factory=list)
    passes: list[tuple[str, bool, bool, bool]] = field(default_factory=list)


class ProbedOps:
    """Ops that write down the keys that are drawn with, and play a step as it is written: nothing is compiled."""

    HIDDEN = frozenset({"recorded", "stage", "workers"})
    """What would play a step in another way than call by call."""

    def __init__(self, ops: Any, seen: Seen) -> None:
        self._ops, self._seen = ops, seen

    def __getattr__(self, name: str) -> Any:
        if name in self.HIDDEN:
            raise AttributeError(name)
        return getattr(self._ops, name)

    def used(self, key: Any) -> None:
        """Two keys are one if the same numbers are drawn with them."""
        self._seen.keys.append(self._ops.to_numpy(self._ops.uniform(key, (4,))).tobytes())

    def uniform(self, key: Any, shape: tuple[int, ...]) -> Any:
        self.used(key)
        return self._ops.uniform(key, shape)

    def normal(self, key: Any, shape: tuple[int, ...]) -> Any:
        self.used(key)
        return self._ops.normal(key, shape)

    def when(self, number: Any, f: Callable[[], Any], otherwise: Any = None) -> Any:
        if number:
            return f()
        return self._ops.asarray(np.zeros(())) if otherwise is None else otherwise

    def run(self, step: Any, state: Any, batches: Batch, *shared: Any, capacity: int) -> Any:
        terms: Any = {}
        for i in range(len(batches.key[0])):
            state, terms = step(state, self._one(batches, i), *shared)
        return state, terms

    def _one(self, batches: Batch, i: int) -> Batch:
        d, g = (draw.each(lambda x: self._ops.asarray(x[i])) for draw in (batches.discriminator, batches.generator))
        numbers = {name: float(values[i]) for name, values in batches.numbers.items()}
        first, second = batches.key
        return Batch(d, g, numbers, (first[i], second[i]))


class ProbedNetwork:
    """A network that writes down how it is called."""

    def __init__(self, network: Any, ops: ProbedOps, seen: Seen, makes: bool) -> None:
        self._network, self._ops, self._seen, self._role = network, ops, seen, "G" if makes else "D"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def apply(self, params: Any, buffers: Any, x: Any, given: Any, *, train: bool, key: Any) -> Any:
        self._seen.passes.append((self._role, train, key is not None, bool(given)))
        if key is not None:
            self._ops.used(key)
        return self._network.apply(params, buffers, x, given, train=train, key=key)


class Probed:
    """A backend with probes in it."""

    def __init__(self, backend: Backend) -> None:
        self._backend, self.seen = backend, Seen()
        self.ops = ProbedOps(backend.ops, self.seen)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def network(self, placed: Sequence[Any]) -> ProbedNetwork:
        return ProbedNetwork(self._backend.network(placed), self.ops, self.seen, len(placed[0].input_shape) == 1)


@dataclass(frozen=True)
class Noisy:
    """A term that draws numbers, and nothing else."""

    name: str
    player: str
    every: ClassVar[int] = 1
    weight: ClassVar[float] = 1.0

    def __call__(self, moment: Moment) -> Any:
        drawn = moment.ops.uniform(moment.key, (3,)), moment.ops.normal(moment.ops.fold_in(moment.key, 0), (2,))
        return sum(moment.ops.xp.mean(x) for x in drawn)


def begun(backend: Any, terms: list[Any], **settings: Any) -> Any:
    """A conditional game with everything random in it, before its first step."""
    demand(backend, needs((*G, *D)), "A game with dropout and batch norm")
    config = small(
        generator="native", discriminator="native", penalties=terms, augmentations=AUGMENTATIONS, **CONDITIONAL
    ).with_settings(settings)
    return start(backend, config, brought={"generator": G, "discriminator": D})


def played(subject: Subject, steps: int, **settings: Any) -> Seen:
    """What the probes see of such a game."""
    backend: Any = Probed(subject.open())
    terms = [Noisy(f"{player}-{i}", player) for player in ("discriminator", "generator") for i in range(2)]
    trainer = begun(backend, terms, **settings)
    backend.seen.keys.clear()
    backend.seen.passes.clear()
    trainer.fit(steps=steps)
    return backend.seen  # type: ignore[no-any-return]


def games() -> Iterator[tuple[str, dict[str, Any]]]:
    """The ways in which a step can be taken."""
    # Parts of 8, as the others have: what is compiled once serves them all.
    yield "k=3, in two parts", {"k": 3, "accumulate": 2, "batch_size": 16}
    yield "extra-gradient", {"schedule": "extra-gradient"}


def check_every_key_is_used_once(subject: Subject) -> None:
    """D's k steps, both phases, all terms or all augmentations would be given one draw: noise that is no noise."""
    for what, settings in games():
        seen = played(subject, 2, **settings)
        often = [n for n in Counter(seen.keys).values() if n > 1]
        require(bool(seen.keys), f"{what}: no key is used at all, in a game with dropout and terms that draw.")
        require(
            not often,
            f"{what}: of {len(seen.keys)} draws in two steps {sum(often)} share {len(often)} keys. Likely cause: one "
            "key for several terms, passes, parts, steps of D, or for both phases.",
        )


def check_every_pass_is_in_training(subject: Subject) -> None:
    """A D that judges in evaluation mode has no dropout, and batch norm by old statistics: it learns another game."""
    for what, settings in games():
        passes = played(subject, 1, **settings).passes
        for role in ("G", "D"):
            own = [p for p in passes if p[0] == role]
            require(bool(own), f"{what}: {role} is never asked.")
            for word, i in (("in evaluation mode", 1), ("without a key", 2), ("without its labels", 3)):
                wrong = sum(not p[i] for p in own)
                require(not wrong, f"{what}: {wrong} of {len(own)} passes of {role} in a step are {word}.")


def check_a_frozen_player_plays_as_in_evaluation(subject: Subject) -> None:
    """An encoder would be trained for a G that goes on moving, or whose samples are not those that you will see."""
    backend: Any = Probed(subject.open())
    demand(backend, needs((BatchNorm(),)), "A generator with batch norm")
    normed = {"name": "mlp", "hidden": [7], "norm": True}
    trainer = begin(backend, inverted(frozen=["generator"], generator=normed))
    before = leaves(trainer)
    backend.seen.passes.clear()
    trainer.fit(steps=3)
    after = leaves(trainer)
    for role, frozen in (("generator", True), ("discriminator", False), ("encoder", False)):
        own = [name for name in before if name.startswith(f"{role}/")]
        moved = [name for name in own if (after[name] != before[name]).any()]
        require(bool(moved) != frozen, f"{role}, frozen={frozen}: of {len(own)} arrays {len(moved)} moved: {moved}.")
    for role, frozen in (("G", True), ("D", False)):  # D's and E's are told apart from G's alone
        trained = [p[1] for p in backend.seen.passes if p[0] == role]
        require(bool(trained), f"{role} is never asked.")
        wrong = sum(mode == frozen for mode in trained)
        require(not wrong, f"{role}, frozen={frozen}: {wrong} of {len(trained)} passes are in the other mode.")


def check_a_step_is_played_as_it_is_written(subject: Subject) -> None:
    """Whatever makes the step fast, a recording, a compiler, memory used again, would make another step of it."""
    what = "a game with everything random in it"
    one, other = (begun(backend, terms_of_r1()) for backend in (subject.open(), Probed(subject.open())))
    fast, plain = Recorder(), Recorder()
    one.fit(steps=4, callbacks=[fast])
    other.fit(steps=4, callbacks=[plain])
    for t, (got, want) in enumerate(zip(fast.terms, plain.terms, strict=True)):
        for name, value in want.items():
            said = f"{what}, {name} at step {t + 1}, against the same step call by call"
            agree(np.array(got[name]), value, said, rtol=1e-8, atol=1e-10, cause="the recording, or the compiler.")
    agree_by_name(leaves(one), leaves(other), f"{what}: the state after 4 steps, against call by call", atol=1e-8)


def terms_of_r1() -> list[Any]:
    """Terms that differentiate a gradient, draw, and act now and then."""
    return [{"name": "r1", "weight": 0.3}, {"name": "r2", "weight": 0.2, "every": 2}, Noisy("noise", "discriminator")]


CHECKS: tuple[Check, ...] = (
    check_every_key_is_used_once,
    check_every_pass_is_in_training,
    check_a_frozen_player_plays_as_in_evaluation,
    check_a_step_is_played_as_it_is_written,
)
