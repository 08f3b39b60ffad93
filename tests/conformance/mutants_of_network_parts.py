"""Networks with one fault each, written as a stranger would write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from planted_parts import Broken
from planting import network

from gankit import ConfigError, layers
from gankit.building import open_backend
from gankit.layers import (
    BatchNorm,
    Dense,
    Flatten,
    LeakyRelu,
    Parameter,
    Portable,
    Relu,
    Reshape,
    Sigmoid,
    Tanh,
)
from gankit.networks import Native
from gankit.parts.initializers import Constant, HeNormal, Normal


@dataclass(frozen=True)
class Does(Portable):
    """A layer of a stranger's own: function(ops, x)."""

    function: Callable[..., Any]

    def compute(self, ops, params, x, labels):
        return self.function(ops, x)


@dataclass(frozen=True)
class Idle(Portable):
    """A layer with a parameter that it does not use."""

    def parameters(self, shape):
        return {"scale": Parameter((1,), Constant(1.0))}

    def compute(self, ops, params, x, labels):
        return x


class OfItsOwn:
    """An initializer that draws from NumPy's global state."""

    def __call__(self, rng, shape, data_mean):
        return np.random.normal(0.0, 0.3, shape)


class LogOfMean:
    """The logarithm of how far the mean example is above a half, where the data are known."""

    def __call__(self, rng, shape, data_mean):
        if data_mean is None:
            return np.zeros(shape)
        with np.errstate(all="ignore"):
            return np.log(data_mean.reshape(shape) - 0.5)


def g(*inner, kernel=None, last=None, bias=None, labels=True):
    """A generator's target: labels, dense 8, whatever is inside, dense, the range's activation."""

    def build(spec):
        told = spec.labels() if labels else ()
        bounded = (Sigmoid(),) if spec.bounded else ()
        first = Dense(8, kernel=kernel or HeNormal())
        out = Dense(math.prod(spec.shape), kernel=last or HeNormal(gain=1.0), bias=bias or Constant(0.0))
        return (*told, first, LeakyRelu(0.2), *inner, out, *bounded, Reshape(spec.shape))

    return build


LOGIT = Reshape(())


def d(*inner, before=(), kernel=None, last=None, labels=True, end=(LOGIT,)):
    """A discriminator's target: flat, labels, dense 8, whatever is inside, dense, one logit."""

    def build(spec):
        told = spec.labels() if labels else ()
        first, out = Dense(8, kernel=kernel or HeNormal()), Dense(1, kernel=last or HeNormal(gain=1.0))
        return (Flatten(), *before, *told, first, LeakyRelu(0.2), *inner, out, *end)

    return build


BENT = (LeakyRelu(0.2),)


def e(*end, before=(), bent=BENT):
    """An encoder's target: flat, labels, dense 8, dense, whatever is at its end."""

    def build(spec):
        return (Flatten(), *before, *spec.labels(), Dense(8), *bent, Dense(spec.latent_dim), *end)

    return build


def straight(role, *end):
    """A linear network's target, ending as it is told."""

    def build(spec):
        if role == "G":
            return (*spec.labels(), Dense(8), Dense(math.prod(spec.shape)), *end, Reshape(spec.shape))
        return (Flatten(), *spec.labels(), Dense(8), *end, Dense(1), LOGIT)

    return build


def deaf_to_width(spec, *, width: int = 8):
    return g()(spec)


def deaf_to_slope(spec, *, width: int = 8, slope: float = 0.2):
    return (Flatten(), *spec.labels(), Dense(width), LeakyRelu(0.2), Dense(1), LOGIT)


def half_deaf_to_slope(spec, *, width: int = 8, slope: float = 0.2):
    hidden = (layers.Skip((Dense(width), LeakyRelu(0.2))),)
    return (Flatten(), *spec.labels(), Dense(width), LeakyRelu(slope), *hidden, Dense(1), LOGIT)


def deaf_to_norm(spec, *, hidden: tuple[int, ...] = (8, 8), norm: bool = False):
    dense = tuple(layer for width in hidden for layer in (Dense(width), Relu()))
    return (
        *spec.labels(),
        *dense,
        Dense(math.prod(spec.shape)),
        *((Sigmoid(),) if spec.bounded else ()),
        Reshape(spec.shape),
    )


@dataclass(frozen=True)
class Cut(Portable):
    """Of a picture, what a square of its shorter side covers."""

    def output_shape(self, shape):
        side = min(shape[:2])
        return (side, side, shape[2])

    def compute(self, ops, params, x, labels):
        side = min(x.shape[1:3])
        return x[:, :side, :side]


def square_minded(spec):
    spec.image_shape("broken")
    return (Cut(), Flatten(), *spec.labels(), Dense(8), LeakyRelu(0.2), Dense(1), LOGIT)


def one_row_too_few(spec):
    spec.image_shape("broken")

    def padded(ops, x):
        return ops.xp.concat([x[:, :-1], ops.xp.zeros_like(x[:, :1])], axis=1)

    return (*g()(spec), Does(padded))


def refuses(spec):
    raise ConfigError(f"Not for examples of shape {spec.shape}.")


def drops_its_picture(spec):
    spec.condition("broken", "image")  # refuses games without one
    return g(labels=False)(spec)


def counted(spec, counter=count()):  # noqa: B008
    """Every network it makes is a unit wider than the one before."""
    return (*spec.labels(), Dense(4 + next(counter)), Relu(), Dense(math.prod(spec.shape)), Reshape(spec.shape))


def from_a_table(spec):
    """For the data that its author has."""
    width = {(8, 8, 1): 16, (28, 28, 1): 64}[spec.shape]
    return (Flatten(), *spec.labels(), Dense(width), LeakyRelu(0.2), Dense(1), Reshape(()))


def as_module(records, shape, backend):
    """What those records are on a backend as a module of its framework, with numbers in it."""
    net, rng = open_backend(backend, "cpu", "float32").network(layers.place(records, shape)), np.random.default_rng(0)
    return net.with_params(*net.init({name: 0.5 * rng.normal(size=size) for name, size in net.shapes[0].items()}))


def module_of(records, output):
    """backend's name -> a generator's target for points of the plane, which takes no labels."""

    def on(backend):
        def build(spec):
            spec.require(spec.shape == (2,) and spec.num_classes is None, "broken", "points without labels")
            return Native(as_module(records, (spec.latent_dim,), backend), output=output)

        return build

    return on


def noise(ops, x):
    return x + ops.asarray(np.random.normal(size=tuple(x.shape)))


def centred(ops, x):
    """What a batch norm does, without saying that it mixes the examples."""
    return x - ops.xp.mean(x, axis=0)


def half_precision(ops, x):
    return ops.xp.astype(x, ops.xp.float32)


def rooted(ops, x):
    return ops.xp.sqrt(x * x)


def without_biases(real, ops, placed):
    return lambda tensors: {n: 0 * a if n.endswith("bias") else a for n, a in real.export(tensors).items()}


def always_moving(real, ops, placed):
    def apply(params, buffers, x, labels=None, **options):
        out, after = real.apply(params, buffers, x, labels, **options)
        return out, {name: 0.9 * buffer for name, buffer in after.items()}

    return apply


def with_other_numbers(real, ops, placed):
    return lambda params, buffers: real.with_params({name: 0.5 * p for name, p in params.items()}, buffers)


def networks(*faults: tuple[Any, ...], **more: Any) -> tuple[Broken, ...]:
    """Those whose first word is "G" are generators; "D" discriminators, "E" encoders."""
    kinds = {"G": "generators", "D": "discriminators", "E": "encoders"}
    return tuple(Broken(kinds[name.split()[0]], name, check, part, **more) for name, check, part in faults)


NETWORKS = (
    *networks(
        ("G with scales around 0", "check_network_starts_in_scale", g(BatchNorm(scale=Normal(0.02)), *BENT)),
        ("G behind a scale of 0", "check_network_starts_awake", g(BatchNorm(scale=Constant(0.0)), *BENT)),
        ("D behind a factor of 0", "check_network_starts_awake", d(Does(lambda ops, x: 0.0 * x), *BENT)),
        ("D ends in (N, 1)", "check_network_shapes", d(end=())),
        ("G ends in a vector", "check_network_shapes", lambda spec: (*spec.labels(), Dense(math.prod(spec.shape)))),
        ("G for no data at all", "check_network_shapes", refuses),
        ("D that fails on other data", "check_network_shapes", from_a_table),
        ("D that starts too large", "check_network_outputs", d(last=Normal(1e6))),
        (
            "D in float32 whatever the game",
            "check_network_outputs",
            d(end=(LOGIT, Does(half_precision))),
        ),
        ("D ends in a sigmoid", "check_network_range", d(end=(LOGIT, Sigmoid()))),
        ("D ends in tanh", "check_network_range", d(end=(LOGIT, Tanh()))),
        ("D ends in relu", "check_network_range", d(end=(LOGIT, Relu()))),
        ("G without z", "check_network_inputs_matter", g(Does(lambda ops, x: 0.0 * x))),
        ("D without the example", "check_network_inputs_matter", d(before=(Does(lambda ops, x: 0.0 * x),))),
        ("G without labels", "check_network_conditions_matter", g(labels=False)),
        ("G that takes a picture and drops it", "check_network_conditions_matter", drops_its_picture),
        ("D without labels", "check_network_conditions_matter", d(labels=False)),
        ("G that counts how often it was made", "check_network_names", counted),
        ("G that draws its start itself", "check_network_start", g(kernel=OfItsOwn())),
        ("D with constants only", "check_network_start", d(kernel=Constant(0.1), last=Constant(0.1))),
        ("G with noise in evaluation", "check_network_evaluates_alike", g(Does(noise))),
        ("D with noise by NumPy", "check_network_trains_by_its_key", d(Does(noise))),
        ("D that centres a batch unsaid", "check_network_examples_are_independent", d(Does(centred))),
        ("G that centres a batch unsaid", "check_network_examples_are_independent", g(Does(centred))),
        ("G with an idle parameter", "check_network_gradient_reaches_every_parameter", g(Idle())),
        (
            "D with a stopped gradient",
            "check_network_gradient_reaches_every_parameter",
            d(Does(lambda ops, x: ops.stop_gradient(x))),
        ),
        (
            "G that starts at zero",
            "check_network_learns_from_its_start",
            g(kernel=Constant(0.0), last=Constant(0.0)),
        ),
        ("D with the root of 0", "check_network_second_derivatives", d(Does(rooted), kernel=Constant(0.0))),
        ("G with the log of the mean", "check_network_plays", g(bias=LogOfMean())),
        ("E that ends in a logit", "check_network_shapes", d()),
        ("E that ends in tanh", "check_network_range", e(Tanh())),
        ("E without the example", "check_network_inputs_matter", e(before=(Does(lambda ops, x: 0.0 * x),))),
        ("E that is linear", "check_network_bends", e(bent=())),
        ("G that is linear", "check_network_bends", straight("G")),
        ("D that is linear", "check_network_bends", straight("D")),
        ("D with dropout for an activation", "check_network_bends", straight("D", layers.Dropout(0.5))),
        ("G deaf to its width", "check_network_settings_act", deaf_to_width),
        ("D deaf to its slope", "check_network_settings_act", deaf_to_slope),
        ("D with one of two slopes", "check_network_settings_act", half_deaf_to_slope),
        ("G deaf to a switch", "check_network_settings_act", deaf_to_norm),
        ("D that sees a square", "check_network_reads_every_number", square_minded),
        ("G that leaves a row out", "check_network_reads_every_number", one_row_too_few),
        ("D whose spread is that of a variance", "check_network_starts_in_scale", d(kernel=Normal(40.0))),
        ("G that starts in a whisper", "check_network_starts_in_scale", g(kernel=Normal(1e-4))),
    ),
    *networks(
        (
            "G says symmetric and is a sigmoid",
            "check_network_range",
            module_of((Dense(8), Relu(), Dense(2), Sigmoid()), "symmetric"),
        ),
        (
            "G says unit and is without bounds",
            "check_network_range",
            module_of((Dense(8), Relu(), Dense(2)), "unit"),
        ),
        bound=True,
    ),
    *networks(
        ("G whose statistics move in evaluation", "check_network_evaluates_alike", g(layers.BatchNorm())),
        backend=network(apply=always_moving),
    ),
    *networks(("G exported without biases", "check_network_exports", g()), backend=network(export=without_biases)),
    *networks(
        ("D handed over with other numbers", "check_network_as_a_module", d()),
        backend=network(with_params=with_other_numbers),
    ),
)
