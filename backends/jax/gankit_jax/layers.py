"""The native module of each layer record. A new layer is one class or function here and one line in `MODULES`.

flax's layouts and names are the canonical ones, except where a class says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from gankit import layers
from gankit.errors import ConfigError
from gankit.interfaces import Given, as_given
from gankit.layers import Placed
from gankit_jax import convolution
from gankit_jax.ops import JaxOps


class Stack(nnx.Module):
    """A network made of layer records, its children named as in checkpoints: `dense0`, `relu0`, ..."""

    def __init__(self, placed: Sequence[Placed], ops: JaxOps, rngs: nnx.Rngs) -> None:
        self.order = tuple(place.name for place in placed)
        self.conditional = tuple(place.name for place in placed if layers.conditions_of((place.layer,)))
        self.features = tuple(place.name for place in placed if isinstance(place.layer, layers.Features))
        for place in placed:
            setattr(self, place.name, module(place, ops, rngs))

    def __call__(self, x: Array, given: Given | Array | None = None) -> Any:
        """given: conditions by name; the labels alone will do."""
        features, given = [], as_given(given)
        for name in self.order:
            if name in self.features:
                features.append(x)
            child = getattr(self, name)
            x = child(x, given) if name in self.conditional else child(x)
        if not features:
            return x
        return {**(x if isinstance(x, Mapping) else {"logits": x}), "features": tuple(features)}


class Portable(nnx.Module):
    """A layer whose mathematics is core's."""

    def __init__(self, place: Placed, ops: JaxOps) -> None:
        self.layer, self.ops = place.layer, ops
        self.names = tuple(place.layer.parameters(place.input_shape))
        for name, parameter in place.layer.parameters(place.input_shape).items():
            setattr(self, name, nnx.Param(jnp.zeros(parameter.shape, ops.dtype)))

    def __call__(self, x: Array, given: Given | None = None) -> Any:
        return self.layer.computed(self.ops, {name: getattr(self, name)[...] for name in self.names}, x, given or {})


class Maxout(nnx.Linear):
    """The largest of several affine maps; ties share the gradient, as in every backend."""

    def __init__(self, inputs: int, units: int, pieces: int, **options: Any) -> None:
        super().__init__(inputs, pieces * units, **options)
        self.units, self.pieces = units, pieces

    def __call__(self, x: Array) -> Array:
        return super().__call__(x).reshape(-1, self.pieces, self.units).max(axis=1)


class ConvTranspose(nnx.ConvTranspose):
    """flax's spreads the kernel the other way round; here it lies as torch's and the paper's do."""

    def __init__(self, *sizes: Any, patches: bool, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.patches = patches

    def __call__(self, x: Array) -> Array:
        x, kernel, bias = self.promote_dtype((x, self.kernel[...], self.bias and self.bias[...]), dtype=self.dtype)
        window = {"stride": self.strides[0], "padding": self.padding}
        y = convolution.conv_transpose(x, kernel, **window, patches=self.patches)
        return y if bias is None else y + bias


class BatchNorm(nnx.BatchNorm):
    """With the divisor n - 1 in the running variance."""

    def __call__(self, x: Array) -> Array:
        axes = tuple(range(x.ndim - 1))
        if self.use_running_average:
            mean, var = self.mean[...], self.var[...]
        else:
            # In one look at x, seen from one of its own pixels: from 0, E[x^2] - E[x]^2 would lose the digits of a
            # variance that is small beside the mean. A second look costs a whole step of dcgan 13 %.
            wide = x.astype(self.mean[...].dtype)
            origin = jax.lax.stop_gradient(wide[(0,) * len(axes)])
            seen = wide - origin
            offset = jnp.mean(seen, axes)
            mean, var = offset + origin, jnp.mean(jnp.square(seen), axes) - jnp.square(offset)
            n = layers.require_several(x.size // x.shape[-1])
            for running, new in ((self.mean, mean), (self.var, var * (n / (n - 1)))):
                running[...] = self.momentum * running[...] + (1.0 - self.momentum) * jax.lax.stop_gradient(new)
        factor = jax.lax.rsqrt(var + self.epsilon)
        if self.scale is not None:
            factor = factor * self.scale[...]
        y = (x - mean) * factor
        return y if self.bias is None else y + self.bias[...]


class Dropout(nnx.Module):
    """Inverted dropout. Its key is set by the training step.

    An entry costs 16 random bits, half a word of threefry, which is most of what dropout takes on a CPU.
    `jax.random.bits` throws the other half of its words away when it is asked for uint16.
    """

    def __init__(self, keep: float) -> None:
        self.keep, self.kept_of_65536, self.deterministic = keep, max(1, round(keep * 2**16)), True
        self.key = nnx.RngKey(jax.random.key(0))

    def __call__(self, x: Array) -> Array:
        if self.deterministic or self.kept_of_65536 == 2**16:
            return x
        words = jax.random.bits(self.key[...], ((x.size + 1) // 2,), jnp.uint32)
        halves = jnp.concatenate([words & 0xFFFF, words >> 16])[: x.size].reshape(x.shape)
        return x * ((halves < self.kept_of_65536).astype(x.dtype) * (1.0 / self.keep))


class SpectralNorm(nnx.Module):
    """A layer that computes with its kernels divided by their largest singular values."""

    def __init__(self, layer: nnx.Module, kernels: Sequence[str], ops: JaxOps) -> None:
        self.layer, self.kernels, self.ops = layer, tuple(kernels), ops
        self.use_running_average = False
        for name in kernels:
            setattr(self, f"{name}_u", nnx.BatchStat(jnp.zeros(getattr(layer, name)[...].shape[-1:], ops.dtype)))

    def __call__(self, x: Array, *given: Given) -> Any:
        raw = {name: getattr(self.layer, name)[...] for name in self.kernels}
        for name, kernel in raw.items():
            u = getattr(self, f"{name}_u")
            sigma, next_u = layers.largest_singular_value(
                self.ops, kernel, u[...], iterate=not self.use_running_average
            )
            if not self.use_running_average:
                u[...] = next_u
            getattr(self.layer, name)[...] = kernel / sigma
        out = self.layer(x, *given)
        for name, kernel in raw.items():
            getattr(self.layer, name)[...] = kernel
        return out


class Residual(nnx.Module):
    """main(x) + shortcut(x)."""

    def __init__(self, main: Stack, shortcut: Stack) -> None:
        self.main, self.shortcut = main, shortcut

    def __call__(self, x: Array, given: Given | None = None) -> Array:
        return self.main(x, given) + self.shortcut(x, given)


class Skip(nnx.Module):
    """x beside inner(x)."""

    def __init__(self, inner: Stack) -> None:
        self.inner = inner

    def __call__(self, x: Array, given: Given | None = None) -> Array:
        return jnp.concatenate([x, self.inner(x, given)], axis=-1)


class AsCondition(nnx.Module):
    """inner(x), which finds x among its conditions."""

    def __init__(self, inner: Stack, name: str) -> None:
        self.inner, self.name = inner, name

    def __call__(self, x: Array, given: Given | None = None) -> Array:
        out: Array = self.inner(x, {**(given or {}), self.name: x})
        return out


class LeakyRelu(nnx.Module):
    """x where x > 0, slope * x elsewhere."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def __call__(self, x: Array) -> Array:
        # jax.nn.leaky_relu has derivative 1 at exactly 0, torch has the slope
        return jnp.where(x > 0, x, self.slope * x)


class Elementwise(nnx.Module):
    """A function without parameters."""

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.function = function

    def __call__(self, x: Array) -> Array:
        return self.function(x)


def _dense(place: Placed, layer: layers.Dense, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    return nnx.Linear(place.input_shape[0], layer.features, **_options(layer, ops, rngs))


def _maxout(place: Placed, layer: layers.Maxout, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    return Maxout(place.input_shape[0], layer.units, layer.pieces, **_options(layer, ops, rngs))


def _window(place: Placed, layer: Any) -> tuple[int, int, tuple[int, int]]:
    return place.input_shape[2], layer.features, (layer.size, layer.size)


def _conv(place: Placed, layer: layers.Conv, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    return nnx.Conv(
        *_window(place, layer),
        strides=layer.stride,
        padding=layer.pad,
        feature_group_count=layer.groups,
        **_options(layer, ops, rngs),
    )


def _conv_transpose(place: Placed, layer: layers.ConvTranspose, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    window = {"strides": (layer.stride, layer.stride), "padding": layer.pad}
    patches = convolution.chosen(ops.device)
    return ConvTranspose(*_window(place, layer), **window, patches=patches, **_options(layer, ops, rngs))


def _batch_norm(place: Placed, layer: layers.BatchNorm, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    affine = {"use_scale": layer.scale is not None, "use_bias": layer.bias is not None}
    options = {"momentum": layer.momentum, "epsilon": layer.eps, "param_dtype": ops.dtype, **affine}
    norm = BatchNorm(place.input_shape[-1], **options, rngs=rngs)
    for name in ("mean", "var"):  # flax's are float32 whatever the parameters are
        setattr(norm, name, nnx.BatchStat(jnp.zeros(place.input_shape[-1:], ops.dtype)))
    return norm


def _layer_norm(place: Placed, layer: layers.LayerNorm, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    everything = tuple(range(1, len(place.input_shape) + 1))
    options = {"epsilon": layer.eps, "reduction_axes": everything, "use_fast_variance": False}
    return nnx.LayerNorm(place.input_shape[-1], **options, param_dtype=ops.dtype, rngs=rngs)


def _spectral_norm(around: Placed, layer: layers.SpectralNorm, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    inner = layer.layer.parameters(around.input_shape)
    kernels = [name for name, parameter in inner.items() if len(parameter.shape) > 1]
    return SpectralNorm(module(around._replace(layer=layer.layer), ops, rngs), kernels, ops)


def _stacks(around: Placed, ops: JaxOps, rngs: nnx.Rngs) -> list[Stack]:
    return [Stack(layers.place(branch, around.input_shape), ops, rngs) for branch in around.layer.branches.values()]


def _options(layer: Any, ops: JaxOps, rngs: nnx.Rngs) -> dict[str, Any]:
    return {"use_bias": layer.bias is not None, "dtype": ops.compute, "param_dtype": ops.dtype, "rngs": rngs}


MODULES: dict[type[layers.Layer], Callable[[Placed, Any, JaxOps, nnx.Rngs], nnx.Module]] = {
    layers.Dense: _dense,
    layers.Maxout: _maxout,
    layers.Conv: _conv,
    layers.ConvTranspose: _conv_transpose,
    layers.BatchNorm: _batch_norm,
    layers.LayerNorm: _layer_norm,
    layers.SpectralNorm: _spectral_norm,
    layers.Residual: lambda place, layer, ops, rngs: Residual(*_stacks(place, ops, rngs)),
    layers.Skip: lambda place, layer, ops, rngs: Skip(*_stacks(place, ops, rngs)),
    layers.AsCondition: lambda place, layer, ops, rngs: AsCondition(*_stacks(place, ops, rngs), layer.name),
    layers.Dropout: lambda place, layer, ops, rngs: Dropout(layer.keep),
    layers.Relu: lambda place, layer, ops, rngs: Elementwise(jax.nn.relu),
    layers.LeakyRelu: lambda place, layer, ops, rngs: LeakyRelu(layer.slope),
    layers.Sigmoid: lambda place, layer, ops, rngs: Elementwise(jax.nn.sigmoid),
    layers.Tanh: lambda place, layer, ops, rngs: Elementwise(jnp.tanh),
}


def module(place: Placed, ops: JaxOps, rngs: nnx.Rngs) -> nnx.Module:
    """The native module of one record; raises ConfigError for a record this backend does not know."""
    kind = type(place.layer)
    if kind in MODULES:
        return MODULES[kind](place, place.layer, ops, rngs)
    if isinstance(place.layer, layers.Portable):
        return Portable(place, ops)
    known = ", ".join(sorted(known.__name__ for known in MODULES))
    raise ConfigError(f"The jax backend has no layer {kind.__name__}. It has {known}, and every portable one.")
