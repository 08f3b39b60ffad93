"""The parts of a game: losses, terms, constraints, augmentations, makers of conditions, priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from gankit.interfaces.ops import Ops
from gankit.interfaces.values import Array, Draw, Given, Key, Port, Scores, Tensors


class Loss(Protocol):
    """Maps D's scores on real and fake to one number per player. Each player minimises its number. A loss is pure, and
    never sees parameters.

    generator_needs_real: whether G's objective compares fakes with real examples, so that G's phase draws some; False
        by default. conditional: whether D and G get labels; False by default.
    With `needs_mismatched = True`, `real.mismatched` has D's logits of real examples with wrong labels.
    With `pairs_examples = True`, the loss compares the i-th fake with the i-th real example; both get the same label.
    A loss that wraps another takes it as `base`, which a user writes as a name or a table.
    """

    generator_needs_real: bool
    conditional: bool

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        """0-d mean over the batch."""

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        """0-d mean over the batch."""


@dataclass(frozen=True)
class Moment:
    """The argument of a term: the current phase of a step.

    ops: the backend's functions.
    draw: the minibatch. fake: (m, *shape), G's output for its latents; fakes: the same by source, "" for the main one.
    critic: D: (examples, their conditions; by default those of the real examples) to Scores.
    generate: G: (latents, conditions; by default those of the fakes) to examples.
    apply: any player: (role, x, conditions) to the output of its network; `scores`: any discriminator, to Scores.
    numbers: values that change over time, by name.
    key: the term's own key for this step; for several draws use `ops.fold_in(key, i)`.
    memory: what the term remembers, 0-d arrays by name.

    The networks are the current ones, in training mode. The player that is updated is differentiated through. Changes
    that a call makes to buffers (running statistics) are discarded.
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
    """A part of one player's objective beside the loss, such as a gradient penalty or a distance to a paired example.

    name: the term's name in the log.
    player: the player whose objective it belongs to, "discriminator" or "generator".
    every: it acts at every `every`-th iteration, `every` times as strong. In between, the log shows its last value.
    weight: the step multiplies the term by it; a number or a schedule (`gankit.schedules.schedule`).

    Optional attributes:
    needs: names of what the term uses: "real" (real examples in G's phase), "given" (conditions), "classes" (a D that
        predicts classes), another source, another player.
    slopes_at: "real", "fake": the examples at which it takes D's gradient with `gankit.penalties.input_gradient`. The
        gradient then comes from the pass in which D scores them, at half the cost.
    memory: names and initial values. The term then returns (value, new memory), and is called at every step, whatever
        its weight. Checkpoints keep the memory.
    """

    name: str
    player: Literal["discriminator", "generator"]
    every: int
    weight: Any

    def __call__(self, moment: Moment) -> Any:
        """0-d mean over the batch."""


class Penalty(Protocol):
    """A term of `PLUGIN_API` 1. Entries with `api=1` are called like this until gankit 1.0."""

    name: str
    player: Literal["discriminator", "generator"]
    every: int
    weight: Any

    def __call__(self, ops: Ops, net: Callable[..., Any], draw: Draw, fake: Array, key: Key, *memory: Any) -> Any:
        """0-d mean over the batch. `net` is D, (examples, labels of the reals by default) to Scores, or G, latents to
        examples."""


class Constraint(Protocol):
    """Changes a player's parameters after each of its updates, for example by clipping weights."""

    name: str
    player: Literal["discriminator", "generator", "both"]

    def __call__(self, ops: Ops, params: Tensors) -> Tensors:
        """Takes parameters by canonical name, in the canonical layout, and returns the same names and shapes."""


class Augmentation(Protocol):
    """A random, differentiable change of real and fake examples before D sees them.

    An entry with `api=1` is called without the conditions, and returns only the examples.
    """

    def __call__(self, ops: Ops, x: Array, given: Given, key: Key) -> tuple[Array, Given]:
        """Takes (m, *shape) in model units and their conditions, and returns the same. Each example is changed
        independently. If the change moves pixels, it moves those of image conditions too."""


class ConditionMaker(Protocol):
    """Computes conditions from the examples, inside the step, on the device. Created for one game: `f(spec, ...)`.

    ports: the conditions that it makes, by name.
    noise: how many uniform numbers on [0, 1) it gets for each example. They come from gankit's random streams.

    If its target has `splits = True`, it is not called in the step. Instead its method `split(dataset)` splits each
    example once, when the data is opened, into the example and the condition. With a `source`, G gets the examples of
    that other source.
    """

    ports: Mapping[str, Port]
    noise: int

    def __call__(self, ops: Ops, x: Array, noise: Array | None) -> Given:
        """Maps examples (m, *shape) and (m, noise) to conditions. Images of a known range are numbers in [0, 1], in
        input and output. Everything else is in the units of the data."""


class Prior(Protocol):
    """The distribution of z. Created for one game: `f(latent_dim, **settings)`.

    width: how many numbers are drawn for one z. `Draw.z` has them, and `generate` takes them.
    layers: layers in front of G's own that turn them into z, latent_dim numbers; () if they are z already.
    """

    @property
    def width(self) -> int: ...

    @property
    def layers(self) -> tuple[Any, ...]: ...

    def draw(self, rng: np.random.Generator, lead: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """(*lead, width) float64, drawn from rng only, row after row: two draws equal one draw of both sizes."""

    def confined(self, z: np.ndarray[Any, Any], start: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Brings (n, width) numbers, which were moved away from `start`, back to where the prior has mass."""
