"""What a backend computes with, where no array standard has it or frameworks get it wrong in different ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gankit.interfaces.values import Array, Batch, Key, State, Tensors, Terms, Tree


class Ops(Protocol):
    """The functions of a backend that no array standard has, or that frameworks get wrong in different ways."""

    @property
    def xp(self) -> Any:
        """The array-API namespace: `jax.numpy`, `array_api_compat.torch`."""

    def softplus(self, x: Array) -> Array:
        """log(1 + exp(x)); finite for every finite x, twice differentiable everywhere, 0 included."""

    def log_sigmoid(self, x: Array) -> Array:
        """-softplus(-x)."""

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x))."""

    def relu(self, x: Array) -> Array:
        """max(x, 0), with derivative 0 at exactly 0."""

    def log_softmax(self, x: Array) -> Array:
        """Over the last axis."""

    def one_hot(self, labels: Array, num_classes: int) -> Array:
        """(...) integers -> (..., num_classes) in the backend's float dtype."""

    def take(self, x: Array, indices: Array) -> Array:
        """Rows of x: (n, ...), (...) integers -> (..., *x.shape[1:])."""

    def asarray(self, x: Any) -> Array:
        """Onto the device; floats take the backend's float dtype, integers and bytes keep theirs."""

    def to_float(self, x: Array) -> Array:
        """Cast to the backend's float dtype."""

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """Off the device, C-ordered, owning its memory."""

    def stop_gradient(self, x: Array) -> Array:
        """x, through which no derivative passes."""

    def grad(self, f: Callable[[Tree], Array]) -> Callable[[Tree], Tree]:
        """The gradient of a scalar function; may be nested. Inputs that f does not use have gradient 0."""

    def value_and_grad(
        self, f: Callable[[Tree], tuple[Array, Any]]
    ) -> Callable[[Tree], tuple[tuple[Array, Any], Tree]]:
        """f returns (scalar, aux); the result returns ((scalar, aux), gradient of the scalar)."""

    def when(self, number: Any, f: Callable[[], Array], otherwise: Array | None = None) -> Array:
        """f() where number is not 0, else `otherwise`, by default 0, without paying for f; f returns a 0-d float."""

    def tree_map(self, f: Callable[..., Array], *trees: Tree) -> Tree:
        """f over the leaves of dicts, tuples and named tuples of one structure."""

    def average(self, mean: Tensors, new: Tensors, decay: Any) -> Tensors:
        """decay * mean + (1 - decay) * new for each tensor; consumes `mean`."""

    def copy(self, tree: Tree) -> Tree:
        """The same numbers in memory of their own."""

    def key(self, words: tuple[Any, Any]) -> Key:
        """A random key from two 32-bit words."""

    def fold_in(self, key: Key, index: int) -> Key:
        """An independent key for each index."""

    def uniform(self, key: Key, shape: tuple[int, ...]) -> Array:
        """U[0, 1)."""

    def normal(self, key: Key, shape: tuple[int, ...]) -> Array:
        """N(0, 1)."""

    def compile(self, f: Callable[..., Array]) -> Callable[..., Array]:
        """The same function, faster, for use outside training: no gradients, no arguments consumed."""

    def run(
        self, step: Callable[..., tuple[State, Terms]], state: State, batches: Batch, *shared: Any, capacity: int
    ) -> tuple[State, Terms]:
        """Many steps in one call: `state, terms = step(state, batch, *shared)` for each.

        batches: a Batch of host arrays that lead with an axis of steps; a leaf without another is one number a step.
        shared: arrays already on the device that every step reads, such as the data set.
        capacity: the most steps any call with this `step` brings, so that one compiled program serves them all.
        Returns the last state and the last step's terms, still on the device. Consumes `state`.

        A backend whose `run` returns before the device is done may have a method `stage(batches, capacity)`, called
        while earlier steps are still played, on a thread of its own; what it returns then comes in the place of
        `batches`.

        A backend may have a method `recorded(phase)` for its gradients: the step hands it each function (state, draw,
        numbers, key) -> (gradient, what else moves, terms) once, and calls what it returns at every iteration. Such a
        function is pure, and does the same operations whenever its arrays have the same shapes and the same numbers
        are 0.

        A backend that plays one game with several workers has them as `workers` (`gankit.interfaces.Workers`).
        """
