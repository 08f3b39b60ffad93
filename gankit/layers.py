"""The layer records that networks are made of: plain data, with shape inference and initial values.

A network is a tuple of records. Core infers the shapes and draws the initial parameters; a backend turns each
record into a native module. Shapes leave out the batch axis. Kernels are in the canonical layout (see
`gankit.initializers`), which is what checkpoints store.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gankit.errors import ConfigError, ShapeError
from gankit.initializers import Constant, HeNormal, Initializer
from gankit.streams import Streams

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """One array that a layer owns: its canonical shape and how it starts."""

    shape: Shape
    init: Initializer


@dataclass(frozen=True)
class Layer:
    """What every record answers. The defaults are those of an elementwise layer without parameters."""

    def output_shape(self, shape: Shape) -> Shape:
        """The shape that comes out when `shape` goes in; raises ShapeError when it cannot."""
        return shape

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        """The trainable arrays for an input of `shape`, by canonical name."""
        return {}

    @property
    def mixes_samples(self) -> bool:
        """Whether an example's output depends on the other examples of its batch (batch norm does)."""
        return False


@dataclass(frozen=True)
class Dense(Layer):
    """y = x W + b. (in,) -> (features,); kernel (in, features), bias (features,)."""

    features: int
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Constant(0.0)

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return (self.features,)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return _affine(shape[0], self.features, self.kernel, self.bias)


@dataclass(frozen=True)
class Maxout(Layer):
    """The largest of `pieces` affine maps (Goodfellow et al. 2013). (in,) -> (units,).

    kernel (in, pieces * units), bias (pieces * units,): column p * units + u is piece p of unit u.
    """

    units: int
    pieces: int
    kernel: Initializer = HeNormal()
    bias: Initializer | None = Constant(0.0)

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return (self.units,)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return _affine(shape[0], self.pieces * self.units, self.kernel, self.bias)


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each entry is kept with probability `keep` and then divided by it; in evaluation, the identity.

    Masks are drawn per example and per entry by the backend, from a key made of (seed, step).
    """

    keep: float

    def __post_init__(self) -> None:
        if not 0.0 < self.keep <= 1.0:
            raise ConfigError(f"Dropout(keep={self.keep}): keep is the share that stays, in (0, 1].")


@dataclass(frozen=True)
class Relu(Layer):
    """max(x, 0); the derivative at exactly 0 is 0."""


@dataclass(frozen=True)
class LeakyRelu(Layer):
    """x where x > 0, slope * x elsewhere; the derivative at exactly 0 is the slope."""

    slope: float = 0.2


@dataclass(frozen=True)
class Sigmoid(Layer):
    """1 / (1 + exp(-x)); a generator that ends in it works in [0, 1]."""


@dataclass(frozen=True)
class Tanh(Layer):
    """tanh(x); a generator that ends in it works in [-1, 1]."""


@dataclass(frozen=True)
class Flatten(Layer):
    """(a, b, ...) -> (a * b * ...,), in row-major order."""

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True)
class Reshape(Layer):
    """Any shape of as many entries -> `shape`, in row-major order."""

    shape: Shape

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(self.shape):
            raise ShapeError(
                f"{self} cannot follow an output of shape {shape}: "
                f"{math.prod(shape)} entries do not fill {math.prod(self.shape)}."
            )
        return self.shape


@dataclass(frozen=True)
class ConcatLabels(Layer):
    """Appends the one-hot label: (in,) -> (in + num_classes,). Mirza & Osindero 2014."""

    num_classes: int

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return (shape[0] + self.num_classes,)


Layers = tuple[Layer, ...]


class Placed(NamedTuple):
    """A layer at its place in a network: a name such as `dense0`, and the shapes around it."""

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape


def place(layers: Sequence[Layer], shape: Shape) -> tuple[Placed, ...]:
    """Name the layers (`dense0`, `dense1`, `maxout0`, ...) and infer every shape; raises ShapeError."""
    counts: Counter[str] = Counter()
    placed = []
    for layer in layers:
        kind = type(layer).__name__.lower()
        output = layer.output_shape(shape)
        placed.append(Placed(f"{kind}{counts[kind]}", layer, shape, output))
        counts[kind] += 1
        shape = output
    return tuple(placed)


def initial_parameters(
    placed: Sequence[Placed],
    purpose: str,
    streams: Streams,
    data_mean: np.ndarray[Any, Any] | None = None,
) -> dict[str, np.ndarray[Any, Any]]:
    """Draw every parameter, float64, keyed `dense0/kernel`.

    Each name has a stream of its own, so adding a layer changes no other layer's draw.
    """
    arrays = {}
    for name, layer, input_shape, _ in placed:
        for key, parameter in layer.parameters(input_shape).items():
            full = f"{name}/{key}"
            rng = streams.generator(f"{purpose}/{full}")
            arrays[full] = parameter.init(rng, parameter.shape, data_mean)
    return arrays


def output_range(layers: Sequence[Layer]) -> str:
    """What a generator's last layer produces: "unit" for [0, 1], "symmetric" for [-1, 1], else "free"."""
    activations = [layer for layer in layers if not isinstance(layer, Flatten | Reshape)]
    match activations[-1:]:
        case [Sigmoid()]:
            return "unit"
        case [Tanh()]:
            return "symmetric"
        case _:
            return "free"


def require_flat(layer: Layer, shape: Shape) -> None:
    """Raise ShapeError unless `shape` is that of a vector."""
    if len(shape) != 1:
        raise ShapeError(f"{type(layer).__name__} takes vectors, got {shape}: put Flatten() before it.")


def _affine(inputs: int, outputs: int, kernel: Initializer, bias: Initializer | None) -> dict[str, Parameter]:
    parameters = {"kernel": Parameter((inputs, outputs), kernel)}
    return parameters if bias is None else parameters | {"bias": Parameter((outputs,), bias)}
