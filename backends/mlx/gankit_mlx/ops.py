"""The functions of a backend (`gankit.interfaces.Ops`) in MLX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import mlx.core as mx
import numpy as np

from gankit.interfaces import Batch, State, Terms
from gankit.trees import tree_map
from gankit_mlx import exact


class MlxOps:
    """Arrays on one device, floats in one dtype."""

    xp = exact.Standard()

    def __init__(self, device: mx.Device, dtype: str) -> None:
        self.device, self.dtype, self.on_cpu = device, getattr(mx, dtype), device.type == mx.cpu

    def softplus(self, x: mx.array) -> mx.array:
        return exact.softplus(x)

    def log_sigmoid(self, x: mx.array) -> mx.array:
        return -exact.softplus(-x)

    def sigmoid(self, x: mx.array) -> mx.array:
        return exact.sigmoid(x)

    def relu(self, x: mx.array) -> mx.array:
        return mx.maximum(x, 0.0)  # MLX gives the derivative at a tie to the second of the two

    def log_softmax(self, x: mx.array) -> mx.array:
        shifted = x - mx.stop_gradient(mx.max(x, axis=-1, keepdims=True))
        return shifted - mx.log(mx.sum(exact.exp(shifted), axis=-1, keepdims=True))

    def one_hot(self, labels: mx.array, num_classes: int) -> mx.array:
        return (labels[..., None] == mx.arange(num_classes)).astype(self.dtype)

    def take(self, x: mx.array, indices: mx.array) -> mx.array:
        return mx.take(x, indices, axis=0)

    def asarray(self, x: Any) -> mx.array:
        if not isinstance(x, mx.array):
            x = np.array(x, order="C")
            # The dtype said outright: MLX takes NumPy's float64 for float32.
            return mx.array(x, self.dtype) if x.dtype.kind == "f" else mx.array(x)
        return x.astype(self.dtype) if mx.issubdtype(x.dtype, mx.floating) else x

    def to_float(self, x: mx.array) -> mx.array:
        return x.astype(self.dtype)

    def to_numpy(self, x: mx.array) -> np.ndarray[Any, Any]:
        return np.array(x, order="C")

    def stop_gradient(self, x: mx.array) -> mx.array:
        return mx.stop_gradient(x)

    def grad(self, f: Callable[[Any], mx.array]) -> Callable[[Any], Any]:
        return mx.grad(f)

    def value_and_grad(
        self, f: Callable[[Any], tuple[mx.array, Any]]
    ) -> Callable[[Any], tuple[tuple[mx.array, Any], Any]]:
        def evaluated(tree: Any) -> tuple[tuple[mx.array, Any], Any]:
            beside: list[Any] = []

            def value(tree: Any) -> mx.array:
                number, aux = f(tree)
                beside.append(aux)  # MLX would cut an outer gradient in whatever is returned beside the number
                return number

            number, gradient = mx.value_and_grad(value)(tree)
            return (number, beside[0]), gradient

        return evaluated

    def when(self, number: float, f: Callable[[], mx.array], otherwise: mx.array | None = None) -> mx.array:
        if number != 0:
            return f()
        return mx.zeros((), self.dtype) if otherwise is None else otherwise

    def tree_map(self, f: Callable[..., Any], *trees: Any) -> Any:
        return tree_map(f, *trees)

    def average(self, mean: dict[str, mx.array], new: dict[str, mx.array], decay: float) -> dict[str, mx.array]:
        return {name: old + (1.0 - decay) * (new[name] - old) for name, old in mean.items()}

    def copy(self, tree: Any) -> Any:
        copied = tree_map(mx.array, tree)
        mx.eval(copied)  # what is left to be computed belongs to the thread that asked for it
        return copied

    def key(self, words: tuple[Any, Any]) -> mx.array:
        return mx.array([int(word) for word in words], mx.uint32)  # as `mx.random.key` makes it of 64 bits

    def fold_in(self, key: mx.array, index: int) -> mx.array:
        return mx.random.split(key, index + 1)[index]

    def uniform(self, key: mx.array, shape: tuple[int, ...]) -> mx.array:
        return mx.random.uniform(shape=shape, key=key).astype(self.dtype)  # MLX draws in float32 only

    def normal(self, key: mx.array, shape: tuple[int, ...]) -> mx.array:
        return mx.random.normal(shape, key=key).astype(self.dtype)

    def compile(self, f: Callable[..., Any]) -> Callable[..., Any]:
        def computed(*arguments: Any) -> Any:
            with mx.stream(self.device):
                out = f(*arguments)
                mx.async_eval(out)
            return out

        return computed

    def run(
        self, step: Callable[..., tuple[State, Terms]], state: State, batches: Batch, *shared: mx.array, capacity: int
    ) -> tuple[State, Terms]:
        terms: Terms = {}
        with mx.stream(self.device):
            for batch in self._each(batches):
                before = terms
                state, terms = step(state, batch, *shared)
                # MLX computes when it is asked to, or the graph of all steps would pile up. It computes one step while
                # Python builds the next, and no more than these two wait in memory.
                mx.async_eval(state, terms)
                mx.eval(before)
            mx.eval(state, terms)
        return state, terms

    def _each(self, batches: Batch) -> Iterator[Batch]:
        """The batches one by one, sent to the device together; what is one number a step stays on the host."""

        def column(x: np.ndarray[Any, Any]) -> Iterable[Any]:
            return x.tolist() if x.ndim == 1 else self.asarray(x)

        d_draws, g_draws = (draw.unstacked(column) for draw in (batches.discriminator, batches.generator))
        columns = [values.tolist() for values in batches.numbers.values()]
        numbers = (dict(zip(batches.numbers, values, strict=True)) for values in zip(*columns, strict=True))
        return map(Batch, d_draws, g_draws, numbers, zip(*map(column, batches.key), strict=True))
