"""The values that parts of a game exchange: conditions, minibatches, scores, the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple

Array = Any
Key = Any
Tree = Any
Tensors = dict[str, Array]
"""Arrays by canonical name (`dense0/kernel`), in the backend's own layout."""
Given = Mapping[str, Array]
"""Conditions by name, one row per example: classes (m,), vectors (m, n), images and masks (m, h, w, c). Empty if a
game has none."""
LABEL, LATENT = "label", "latent"
"""LABEL: the condition that `labels=` stands for. LATENT: D's condition in a game with an encoder."""
COLUMN, CHANCE = "column", "chance"
"""Conditions for rows of a table: a category of one column, and a uniform number for each choice. Also their kinds."""


@dataclass(frozen=True)
class Port:
    """The type of a condition.

    kind: "class", (m,) integers; "vector", (m, n) floats; "image", (m, h, w, c) floats, scaled like the examples;
        "part", (m, n) floats, the known part of a vector example, scaled like the examples; "mask", (m, h, w, 1) or
        (m, n) floats, 1 where an image or a vector is known; "column", (m, n) floats, 1 for the category that is given
        for a row of a table, 0 for all others; "chance", (m, n) uniform numbers.
    shape: the shape for one example; () for a class.
    num_classes: the number of classes, for a class.
    """

    kind: str
    shape: tuple[int, ...] = ()
    num_classes: int | None = None

    @property
    def scaled(self) -> bool:
        """Whether it has the units of the examples."""
        return self.kind in ("image", "part")

    @property
    def drawn(self) -> bool:
        """Whether its maker draws it outside training if you do not pass it."""
        return self.kind in (COLUMN, CHANCE)

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint's header."""
        return {"kind": self.kind, "shape": list(self.shape), "num_classes": self.num_classes}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Port:
        """The inverse of `to_plain`."""
        return cls(plain["kind"], tuple(plain["shape"]), plain["num_classes"])

    def __str__(self) -> str:
        if self.kind == "class":
            return f"integers below {self.num_classes}"
        return f"{self.kind} of shape {self.shape}"


@dataclass(frozen=True)
class Choice:
    """A one-hot section of a vector example: one of its numbers is 1 and the others are 0.

    start, stop: the section. shares: how often each number is the 1 in the training data.
    position, modes: for a column of numbers, the index of the distance from the mean of the chosen mode, and how many
    of the first places are modes. For other places the distance is 0. None and 0 for a column that has no numbers.
    """

    start: int
    stop: int
    shares: tuple[float, ...]
    position: int | None = None
    modes: int = 0


@dataclass(frozen=True)
class Scores:
    """D's output for a batch.

    logits: (N,) raw scores; D(x) in the paper is sigmoid(logits).
    labels: (N,) integer classes in a game with labels: the condition `given["label"]`.
    class_logits: (N, num_classes) if D also classifies.
    features: activations inside D, for losses that match them.
    mismatched: (N,) logits of the same examples with wrong labels, if a loss asks for them (`needs_mismatched`).
    given: the conditions that D saw, by name.
    """

    logits: Array
    labels: Array | None = None
    class_logits: Array | None = None
    features: tuple[Array, ...] = ()
    mismatched: Array | None = None
    given: Given = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.labels is None:
            object.__setattr__(self, "labels", self.given.get(LABEL))
        elif LABEL not in self.given:
            object.__setattr__(self, "given", {**self.given, LABEL: self.labels})


def as_given(given: Any) -> Given:
    """Conditions by name, from conditions, from labels alone, or from nothing."""
    if given is None:
        return {}
    return given if isinstance(given, Mapping) else {LABEL: given}


def beside(given: Given) -> tuple[Any, ...]:
    """The arguments of a user's module after x: nothing, the labels if there is nothing else, or all conditions by
    name."""
    return () if not given else (given[LABEL],) if [*given] == [LABEL] else (given,)


class Draw(NamedTuple):
    """One minibatch of Algorithm 1, m examples and m latents.

    real: (m, *shape) examples in model units; None if the phase needs none.
    given: the conditions of the real examples.
    z: (m, latent_dim) noise, or as wide as the prior is.
    fake_given: the conditions of the fakes: those of the real examples in the same rows, unless the game draws others.
    others: other minibatches, by name: those of other sources, and "mismatched", the real examples with wrong
        conditions.
    """

    real: Array | None
    given: Given
    z: Array
    fake_given: Given
    others: Mapping[str, Any] = {}  # of Draw; nobody changes it

    @property
    def labels(self) -> Array | None:
        """(m,) classes of the real examples; None in a game without labels."""
        return self.given.get(LABEL)

    @property
    def fake_labels(self) -> Array | None:
        """(m,) classes of the fakes."""
        return self.fake_given.get(LABEL)

    def each(self, f: Callable[[Array], Any]) -> Draw:
        """The draw with f applied to every array."""

        def under(arrays: Given) -> dict[str, Any]:
            return {name: f(x) for name, x in arrays.items()}

        real, z = (None if x is None else f(x) for x in (self.real, self.z))
        # What was one array for both stays one: recordings and slopes know arrays by identity.
        given = under(self.given)
        fake_given = given if self.fake_given is self.given else under(self.fake_given)
        return Draw(real, given, z, fake_given, {name: other.each(f) for name, other in self.others.items()})

    def rows(self, which: Any) -> Draw:
        """A selection along the first axis of every array."""
        return self.each(lambda x: x[which])

    def arrays(self) -> list[Array]:
        """All its arrays, in the order of `each`."""
        found: list[Array] = []
        self.each(found.append)
        return found

    def unstacked(self, column: Callable[[Array], Iterable[Any]]) -> Iterator[Draw]:
        """The minibatches of a draw whose arrays have them as first axis. column: splits such an array."""
        columns = [column(x) for x in self.arrays()]
        if not columns:
            yield from repeat(self)
        for row in zip(*columns, strict=True):
            yield self._with(iter(row))

    def _with(self, arrays: Iterator[Array]) -> Draw:
        """The draw with these arrays instead of its own, in the same order."""
        return self.each(lambda _: next(arrays))


class Batch(NamedTuple):
    """Everything random or changing in one iteration of Algorithm 1. Noise is data.

    discriminator: a Draw whose arrays have a first axis of size k: a new minibatch for each of D's steps.
    generator: the Draw of G's step; `real` only for games that ask for it.
    numbers: values that change over time, one number each: "discriminator/lr", "generator/lr", "ema", "r1", ...
    key: two 32-bit words, for the randomness inside networks.
    """

    discriminator: Draw
    generator: Draw
    numbers: Mapping[str, Any]
    key: tuple[Any, Any]


class Player(NamedTuple):
    """One network's share of the state: parameters, buffers (running statistics), optimizer slots."""

    params: Tensors
    buffers: Tensors
    slots: Mapping[str, Any]


class State(NamedTuple):
    """Everything that training changes. A step consumes its state, so use only the state that it returns.

    players: by role: "generator", "discriminator", and any other player.
    averages: the moving averages of parameters, by role; empty if they are switched off.
    memory: what terms keep from step to step, by term.
    """

    players: dict[str, Player]
    averages: dict[str, Tensors]
    memory: dict[str, Tensors]

    @property
    def generator(self) -> Player:
        """G, the player that every game has."""
        return self.players["generator"]

    @property
    def discriminator(self) -> Player:
        """D, the other player that every game has."""
        return self.players["discriminator"]

    @property
    def ema(self) -> Tensors:
        """The moving average of G's parameters; empty if there is none."""
        return self.averages.get("generator", {})


Terms = dict[str, Array]
"""The values that a step reports, 0-d arrays by name: "d_loss", "g_loss", "D(x)", "D(G(z))", and one for each term."""

Step = Callable[[State, Batch], tuple[State, Terms]]
