"""The native module of each layer record. A new layer is one function here and one line in `MODULES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from gankit import layers
from gankit.errors import ConfigError
from gankit.layers import Placed


class Stack(nnx.Module):
    """A network made of layer records, its children named as in checkpoints: `dense0`, `relu0`, ..."""

    def __init__(self, placed: Sequence[Placed], dtype: Any, rngs: nnx.Rngs) -> None:
        self.order = tuple(place.name for place in placed)
        for place in placed:
            setattr(self, place.name, module(place, dtype, rngs))

    def __call__(self, x: Array, labels: Array | None = None, *, key: Array | None = None) -> Array:
        """key: for dropout, which acts when a key is given."""
        for i, name in enumerate(self.order):
            child = getattr(self, name)
            if isinstance(child, ConcatLabels):
                x = child(x, labels)
            elif isinstance(child, Dropout):
                x = child(x, None if key is None else jax.random.fold_in(key, i))
            else:
                x = child(x)
        return x


class Maxout(nnx.Linear):
    """The largest of several affine maps; ties share the gradient, as in every backend."""

    def __init__(self, inputs: int, units: int, pieces: int, **options: Any) -> None:
        super().__init__(inputs, pieces * units, **options)
        self.units, self.pieces = units, pieces

    def __call__(self, x: Array) -> Array:
        return super().__call__(x).reshape(-1, self.pieces, self.units).max(axis=1)


class Dropout(nnx.Module):
    """Inverted dropout, the identity without a key."""

    def __init__(self, keep: float) -> None:
        self.keep = keep

    def __call__(self, x: Array, key: Array | None = None) -> Array:
        if key is None or self.keep == 1.0:
            return x
        # float32 said outright: jax.random.bernoulli draws other masks once x64 is on.
        kept = jax.random.uniform(key, x.shape, jnp.float32) < self.keep
        return x * (kept.astype(x.dtype) * (1.0 / self.keep))


class ConcatLabels(nnx.Module):
    """Appends the one-hot label to a vector."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def __call__(self, x: Array, labels: Array | None) -> Array:
        return jnp.concatenate([x, jax.nn.one_hot(labels, self.num_classes, dtype=x.dtype)], axis=1)


class Reshape(nnx.Module):
    """Everything after the batch axis in a new shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __call__(self, x: Array) -> Array:
        return x.reshape(x.shape[0], *self.shape)


class Elementwise(nnx.Module):
    """A function without parameters."""

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.function = function

    def __call__(self, x: Array) -> Array:
        return self.function(x)


class LeakyRelu(nnx.Module):
    """x where x > 0, slope * x elsewhere."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def __call__(self, x: Array) -> Array:
        # jax.nn.leaky_relu has derivative 1 at exactly 0, torch has the slope
        return jnp.where(x > 0, x, self.slope * x)


def _options(layer: Any, dtype: Any, rngs: nnx.Rngs) -> dict[str, Any]:
    return {"use_bias": layer.bias is not None, "param_dtype": dtype, "rngs": rngs}


def _dense(place: Placed, layer: layers.Dense, dtype: Any, rngs: nnx.Rngs) -> nnx.Module:
    return nnx.Linear(place.input_shape[0], layer.features, **_options(layer, dtype, rngs))


def _maxout(place: Placed, layer: layers.Maxout, dtype: Any, rngs: nnx.Rngs) -> nnx.Module:
    return Maxout(place.input_shape[0], layer.units, layer.pieces, **_options(layer, dtype, rngs))


MODULES: dict[type[layers.Layer], Callable[[Placed, Any, Any, nnx.Rngs], nnx.Module]] = {
    layers.Dense: _dense,
    layers.Maxout: _maxout,
    layers.Dropout: lambda place, layer, dtype, rngs: Dropout(layer.keep),
    layers.Relu: lambda place, layer, dtype, rngs: Elementwise(jax.nn.relu),
    layers.LeakyRelu: lambda place, layer, dtype, rngs: LeakyRelu(layer.slope),
    layers.Sigmoid: lambda place, layer, dtype, rngs: Elementwise(jax.nn.sigmoid),
    layers.Tanh: lambda place, layer, dtype, rngs: Elementwise(jnp.tanh),
    layers.Flatten: lambda place, layer, dtype, rngs: Reshape(place.output_shape),
    layers.Reshape: lambda place, layer, dtype, rngs: Reshape(place.output_shape),
    layers.ConcatLabels: lambda place, layer, dtype, rngs: ConcatLabels(layer.num_classes),
}


def module(place: Placed, dtype: Any, rngs: nnx.Rngs) -> nnx.Module:
    """The native module of one record; raises ConfigError for a record this backend does not know."""
    kind = type(place.layer)
    if kind not in MODULES:
        known = ", ".join(sorted(known.__name__ for known in MODULES))
        raise ConfigError(f"The jax backend has no layer {kind.__name__}. It has {known}.")
    return MODULES[kind](place, place.layer, dtype, rngs)
