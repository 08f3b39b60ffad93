"""Functions that a backend provides because no array standard has them, or because frameworks differ in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gankit.interfaces.values import Array, Batch, Key, State, Tensors, Terms, Tree


class Ops(Protocol):
    """The functions of a backend that no array standard has, or in which frameworks differ."""

    @property
    def xp(self) -> Any:
        """The array-API namespace: `jax.numpy`, `array_api_compat.torch`."""

    def softplus(self, x: Array) -> Array:
        """log(1 + exp(x)); finite for every finite x, twice differentiable everywhere, including 0."""

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
        """Move to the device. Floats get the backend's float dtype, integers and bytes keep theirs."""

    def to_float(self, x: Array) -> Array:
        """Cast to the backend's float dtype."""

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        """Move off the device: C-ordered, with memory of its own."""

    def stop_gradient(self, x: Array) -> Array:
        """x, treated as a constant by derivatives."""

    def grad(self, f: Callable[[Tree], Array]) -> Callable[[Tree], Tree]:
        """The gradient of a scalar function. It can be nested. Inputs that f does not use have gradient 0."""

    def value_and_grad(
        self, f: Callable[[Tree], tuple[Array, Any]]
    ) -> Callable[[Tree], tuple[tuple[Array, Any], Tree]]:
        """f returns (scalar, aux); the result returns ((scalar, aux), gradient of the scalar)."""

    def when(self, number: Any, f: Callable[[], Array], otherwise: Array | None = None) -> Array:
        """f() if number is not 0, otherwise `otherwise` (by default 0) without computing f. f returns a 0-d float."""

    def tree_map(self, f: Callable[..., Array], *trees: Tree) -> Tree:
        """Apply f to the leaves of dicts, tuples and named tuples with the same structure."""

    def average(self, mean: Tensors, new: Tensors, decay: Any) -> Tensors:
        """decay * mean + (1 - decay) * new for each tensor; consumes `mean`."""

    def copy(self, tree: Tree) -> Tree:
        """The same values in new memory."""

    def key(self, words: tuple[Any, Any]) -> Key:
        """A random key from two 32-bit words."""

    def fold_in(self, key: Key, index: int) -> Key:
        """An independent key for each index."""

    def uniform(self, key: Key, shape: tuple[int, ...]) -> Array:
        """U[0, 1)."""

    def normal(self, key: Key, shape: tuple[int, ...]) -> Array:
        """N(0, 1)."""

    def compile(self, f: Callable[..., Array]) -> Callable[..., Array]:
        """The same function, faster, for use outside training: without gradients, and without consuming arguments."""

    def run(
        self, step: Callable[..., tuple[State, Terms]], state: State, batches: Batch, *shared: Any, capacity: int
    ) -> tuple[State, Terms]:
        """Many steps in one call: `state, terms = step(state, batch, *shared)` for each.

        batches: a Batch of host arrays whose first axis is the step. A leaf with no other axis is one number per step.
        shared: arrays already on the device that every step reads, such as the data set.
        capacity: the most steps in any call with this `step`, so that one compiled program is enough for all calls.
        Returns the last state and the terms of the last step, still on the device. Consumes `state`.

        If `run` returns before the device is done, a backend may have a method `stage(batches, capacity)`. It is called
        on a thread of its own while earlier steps still run. `run` then gets its result instead of `batches`.

        A backend may have a method `recorded(phase)` for gradients. The step passes it each function (state, draw,
        numbers, key) -> (gradient, what else changes, terms) once, and calls the result at every iteration. Such a
        function is pure. It does the same operations whenever its arrays have the same shapes and the same numbers
        are 0.

        A backend that trains with several workers has them as `workers` (`gankit.interfaces.Workers`).
        """
