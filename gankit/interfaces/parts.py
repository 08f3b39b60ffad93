"""What plugs into the game: losses, terms, constraints, augmentations, makers of conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from gankit.interfaces.ops import Ops
from gankit.interfaces.values import Array, Draw, Given, Key, Port, Scores, Tensors


class Loss(Protocol):
    """D's scores on real and fake to one number for each player, both to be minimised. Pure: it never sees parameters.

    generator_needs_real: G's objective compares fakes with real examples, so G's phase draws some; left out, it is
        False. conditional: the game has labels, which D and G are given; left out, it is False.
    A loss with `needs_mismatched = True` finds D's logits of real examples with wrong labels in `real.mismatched`.
    A loss with `pairs_examples = True` compares the i-th fake with the i-th real example, so both must have one label.
    A loss around another takes it as `base`, which a user writes as a name or a table.
    """

    generator_needs_real: bool
    conditional: bool

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        """0-d mean over the batch."""

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        """0-d mean over the batch."""


@dataclass(frozen=True)
class Moment:
    """What a term is handed: one phase of one step, as far as it has come.

    ops: the backend's functions.
    draw: the minibatch. fake: (m, *shape) what G made of its latents; fakes: the same by source, "" for the main one.
    critic: D, (examples, their conditions; those of the reals by default) to Scores.
    generate: G, (latents, conditions; those of the fakes by default) to examples.
    apply: any player, (role, x, conditions) to what its network returns; `scores` any that judges, to Scores.
    numbers: what changes over time, by name.
    key: the term's own, of this step; for several draws, `ops.fold_in(key, i)`.
    memory: what the term remembers, 0-d arrays by name.

    The networks are those of this moment, in training mode; the player that moves is differentiated through. What a
    call changes in buffers (running statistics) is forgotten.
    """

    ops: Ops
    draw: Draw
    fake: Array
    critic: Callable[..., Scores]
    generate: Callable[..., Array]
    apply: Callable[[str, Array, Given], Any]
    scores: Callable[[str, Array, Given], Scores]
    numbers: Mapping[str, Any]
    key: Key
    memory: Mapping[str, Array]
    fakes: Mapping[str, Array]


class Term(Protocol):
    """What joins one player's objective beside the loss: a gradient penalty, a distance to the paired example.

    name: the term's name in the log.
    player: in whose phase it counts, "discriminator" or "generator".
    every: it acts at every so many iterations, `every` times as strong; in between it is reported as it last was.
    weight: what the step multiplies it by; a number or a schedule (`gankit.schedules.schedule`).

    Beside these a term may have
    needs: names of what must be there: "real" (real examples in G's phase), "given" (conditions), "classes" (a D that
        tells them), a further source, a further player.
    slopes_at: "real", "fake": where it takes D's gradient in the examples, by `gankit.penalties.input_gradient`, which
        then comes from the pass that judges them, at half the cost.
    memory: names to the numbers they start from. The term then returns (value, new memory), and is called whatever its
        weight at that step. Checkpoints keep it.
    """

    name: str
    player: Literal["discriminator", "generator"]
    every: int
    weight: Any

    def __call__(self, moment: Moment) -> Any:
        """0-d mean over the batch."""


class Penalty(Protocol):
    """A term as `PLUGIN_API` 1 had it. Entries that say `api=1` are called like this until gankit 1.0."""

    name: str
    player: Literal["discriminator", "generator"]
    every: int
    weight: Any

    def __call__(self, ops: Ops, net: Callable[..., Any], draw: Draw, fake: Array, key: Key, *memory: Any) -> Any:
        """0-d mean over the batch. `net` is D, (examples, labels of the reals by default) to Scores, or G, latents to
        examples."""


class Constraint(Protocol):
    """What a player's parameters are brought back to after each of its updates, such as clipped weights."""

    name: str
    player: Literal["discriminator", "generator", "both"]

    def __call__(self, ops: Ops, params: Tensors) -> Tensors:
        """Parameters by canonical name, in the canonical layout, to the same names and shapes."""


class Augmentation(Protocol):
    """A random, differentiable change of examples, real and fake alike, before D sees them.

    An entry that says `api=1` is called without the conditions, and returns the examples alone.
    """

    def __call__(self, ops: Ops, x: Array, given: Given, key: Key) -> tuple[Array, Given]:
        """(m, *shape) in model units, and their conditions, to the same; each example is changed in its own way, and
        pictures among its conditions with it where it moves pixels."""


class ConditionMaker(Protocol):
    """Makes conditions of the examples themselves, inside the step, on the device. Made for one game: `f(spec, ...)`.

    ports: what it makes, by name.
    noise: how many numbers, uniform on [0, 1), it wants for each example; they come from the game's streams.

    One whose target says `splits = True` cuts each example of the data in two instead, once, when the data is opened,
    by its method `split(dataset)`: what is to be made, and the condition. It is not called in the step. One with a
    `source` says that G is given the examples of that further source.
    """

    ports: Mapping[str, Port]
    noise: int

    def __call__(self, ops: Ops, x: Array, noise: Array | None) -> Given:
        """Examples (m, *shape) and (m, noise) to their conditions. Pictures of a known range are numbers in [0, 1], on
        both sides; all else is in the units of the data."""


class Prior(Protocol):
    """What z is drawn from. Made for one game: `f(latent_dim, **settings)`.

    width: how many numbers are drawn for a z; they are what `Draw.z` holds and `generate` takes.
    layers: records in front of G's own that make z, latent_dim numbers, of them; () where they are z.
    """

    @property
    def width(self) -> int: ...

    @property
    def layers(self) -> tuple[Any, ...]: ...

    def draw(self, rng: np.random.Generator, lead: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """(*lead, width) float64, drawn from rng alone, row after row: two draws in turn are one of both sizes."""

    def confined(self, z: np.ndarray[Any, Any], start: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(n, width) numbers that were moved away from `start`, brought back to where the prior has mass."""
