"""What a layer record answers, and how a row of records becomes a network: names, shapes, initial values."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gankit.errors import ShapeError
from gankit.interfaces.values import LABEL
from gankit.parts.initializers import Initializer

if TYPE_CHECKING:
    from gankit.play.streams import Streams

Array = Any
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """One array of a layer: its canonical shape and its initial value."""

    shape: Shape
    init: Initializer


@dataclass(frozen=True)
class Layer:
    """The methods of every layer. The defaults are those of an elementwise layer without parameters."""

    def output_shape(self, shape: Shape) -> Shape:
        """The output shape for an input of `shape`. Raises ShapeError if the layer cannot take it."""
        return shape

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        """The trainable arrays for an input of `shape`, by canonical name."""
        return {}

    def buffers(self, shape: Shape) -> Mapping[str, Parameter]:
        """The arrays that a training pass changes without gradients, such as running statistics."""
        return {}

    @property
    def mixes_samples(self) -> bool:
        """Whether an example's output depends on the other examples of its batch (batch norm does)."""
        return False

    @property
    def takes_labels(self) -> bool:
        """Whether the layer also takes the labels."""
        return LABEL in self.conditions

    @property
    def condition(self) -> str | None:
        """The name of the condition that the layer takes beside its input; None if it takes none."""
        return None

    @property
    def conditions(self) -> frozenset[str]:
        """The names of all conditions that the layer, or a layer inside it, takes."""
        return frozenset() if self.condition is None else frozenset({self.condition})


@dataclass(frozen=True)
class Portable(Layer):
    """A layer whose mathematics is written once. It runs on every backend, including backends that others write."""

    @abstractmethod
    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, condition: Array | None) -> Array:
        """The output for x, (N, *shape), using only `ops` and arithmetic. condition: the one named by `condition`, one
        row per example; None for a layer that takes none."""

    def computed(self, ops: Any, params: Mapping[str, Array], x: Array, given: Mapping[str, Array]) -> Array:
        """`compute` with the conditions of a game. Backends call this."""
        return self.compute(ops, params, x, None if (name := condition_of(self)) is None else given[name])


Layers = tuple[Layer, ...]


def condition_of(layer: Layer) -> str | None:
    """The condition that a layer takes itself. One written before there were others says `takes_labels`."""
    own = type(layer).takes_labels is not Layer.takes_labels and layer.takes_labels
    return layer.condition or (LABEL if own else None)


def conditions_of(layers: Sequence[Layer]) -> frozenset[str]:
    """The names of all conditions that some layers take."""
    return frozenset(name for layer in layers for name in (*layer.conditions, *filter(None, [condition_of(layer)])))


class Placed(NamedTuple):
    """A layer at its place in a network, with a name such as `dense0` and its input and output shapes."""

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape


def place(layers: Sequence[Layer], shape: Shape) -> tuple[Placed, ...]:
    """Name the layers (`dense0`, `dense1`, `maxout0`, ...) and infer every shape. Raises ShapeError."""
    counts: Counter[str] = Counter()
    placed = []
    for layer in layers:
        kind = type(layer).__name__.lower()
        output = after(layer, shape)
        placed.append(Placed(f"{kind}{counts[kind]}", layer, shape, output))
        counts[kind] += 1
        shape = output
    return tuple(placed)


def end_shape(layers: Sequence[Layer], shape: Shape) -> Shape:
    """The output shape of a sequence of layers."""
    for layer in layers:
        shape = after(layer, shape)
    return shape


def after(layer: Layer, shape: Shape) -> Shape:
    """The output shape of a layer. Raises ShapeError for an impossible size, from a setting such as a width of 0."""
    output = layer.output_shape(shape)
    _require_sizes(layer, "the output shape", output)
    return output


def parameters(placed: Sequence[Placed]) -> dict[str, Parameter]:
    """The trainable arrays of a network, by canonical name: `dense0/kernel`; ShapeError as `after`."""
    found = {}
    for name, layer, shape, _ in placed:
        for key, parameter in layer.parameters(shape).items():
            _require_sizes(layer, key, parameter.shape)
            found[f"{name}/{key}"] = parameter
    return found


def _require_sizes(layer: Layer, what: str, shape: Shape) -> None:
    if not all(isinstance(size, Integral) and size >= 1 for size in shape):
        raise ShapeError(
            f"{type(layer).__name__}: {what} would be {tuple(shape)}, but every size must be a whole number, 1 or "
            "more. A setting of the network is too small."
        )


def buffers(placed: Sequence[Placed]) -> dict[str, Parameter]:
    """The running statistics and the like of a network, by canonical name: `batchnorm0/mean`."""
    return {
        f"{name}/{key}": parameter
        for name, layer, shape, _ in placed
        for key, parameter in layer.buffers(shape).items()
    }


def draw(
    arrays: Mapping[str, Parameter], purpose: str, streams: Streams, data_mean: np.ndarray[Any, Any] | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """The initial value of every array, float64.

    Each name has its own random stream, so a new layer does not change the initial values of other layers.
    """
    return {
        name: parameter.init(streams.generator(f"{purpose}/{name}"), parameter.shape, data_mean)
        for name, parameter in arrays.items()
    }


def require_flat(layer: Layer, shape: Shape) -> int:
    """The length of a vector. Raises ShapeError unless `shape` is the shape of a vector."""
    if len(shape) != 1:
        raise ShapeError(f"{type(layer).__name__} takes vectors, got {shape}: put Flatten() before it.")
    return shape[0]


def require_image(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    """(height, width, channels). Raises ShapeError unless `shape` is the shape of an image."""
    if len(shape) != 3:
        raise ShapeError(
            f"{type(layer).__name__} takes images (height, width, channels), got {shape}: "
            "put Reshape((height, width, channels)) before it."
        )
    return shape[0], shape[1], shape[2]


def size_of(shape: Shape) -> int:
    """How many numbers an example of that shape has."""
    return math.prod(shape)
