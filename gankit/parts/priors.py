"""Distributions of z. The paper says "a prior on input noise variables", and no more.

Each is created for one game, `normal(latent_dim)`, and draws float64 with NumPy from the given generator, row after
row, so that a longer draw starts with the shorter one. Every number has mean 0 and variance 1, as the initialisers of
networks expect.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError, ShapeError
from gankit.layers import Layer, Parameter, Portable
from gankit.parts.initializers import Normal as Gaussian

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Plain:
    """A prior whose draws are z itself."""

    width: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        return ()


@dataclass(frozen=True)
class Normal(Plain):
    """Independent N(0, 1)."""

    def draw(self, rng: np.random.Generator, lead: Shape) -> Array:
        return rng.standard_normal((*lead, self.width))

    def confined(self, z: Array, start: Array) -> Array:
        return z


@dataclass(frozen=True)
class Uniform(Plain):
    """U(-sqrt 3, sqrt 3), the prior of Goodfellow et al. 2014 for MNIST."""

    def draw(self, rng: np.random.Generator, lead: Shape) -> Array:
        # The bits of `rng.uniform`, in three quarters of its time, and on any machine: in C, some fuse `a + b * u`.
        noise = rng.random((*lead, self.width))
        noise *= 2.0 * np.sqrt(3.0)
        noise -= np.sqrt(3.0)
        return noise

    def confined(self, z: Array, start: Array) -> Array:
        return np.clip(z, -np.sqrt(3.0), np.sqrt(3.0))


@dataclass(frozen=True)
class Sphere(Plain):
    """Uniform on the sphere of radius sqrt(latent_dim), where a normal prior of many dimensions has its mass anyway.
    White 2016; Karras et al. 2018 normalise z so."""

    def draw(self, rng: np.random.Generator, lead: Shape) -> Array:
        return self.confined(rng.standard_normal((*lead, self.width)))

    def confined(self, z: Array, start: Array | None = None) -> Array:
        return np.asarray(z * (math.sqrt(self.width) / np.linalg.norm(z, axis=-1, keepdims=True)))


@dataclass(frozen=True)
class Truncated(Plain):
    """A normal cut off at `limit` standard deviations, rescaled to variance 1. Brock et al. 2019, section 3.1."""

    limit: float = 2.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.limit <= 8.0:
            raise ConfigError(f"truncated: limit={self.limit}; expected a number of deviations from 0.1 to 8.")

    @property
    def deviation(self) -> float:
        """Of the normal after it was cut."""
        density = math.exp(-0.5 * self.limit**2) / math.sqrt(2 * math.pi)
        return math.sqrt(1 - 2 * self.limit * density / (1 - 2 * self.below))

    @property
    def below(self) -> float:
        """The probability of what is cut away on one side."""
        return 0.5 * math.erfc(self.limit / math.sqrt(2))

    def draw(self, rng: np.random.Generator, lead: Shape) -> Array:
        below = self.below
        return normal_quantile(below + (1 - 2 * below) * rng.random((*lead, self.width))) / self.deviation

    def confined(self, z: Array, start: Array) -> Array:
        most = self.limit / self.deviation
        return np.clip(z, -most, most)


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians whose means G learns, so that data in separate pieces need no bridges.

    A draw is a one-hot component and noise, and G's first layer makes z from the two. Gurumurthy et al. 2017
    ("DeLiGAN"). std: of each Gaussian; the means start so far apart that the total variance is 1.
    """

    latent_dim: int
    components: int = 10
    std: float = 0.5

    def __post_init__(self) -> None:
        if type(self.components) is not int or not 1 <= self.components <= 10_000:
            raise ConfigError(f"mixture: components={self.components!r}; expected a whole number from 1 to 10,000.")
        if not 0 < self.std <= 1:
            raise ConfigError(f"mixture: std={self.std}; expected a deviation above 0, at most 1.")

    @property
    def width(self) -> int:
        return self.components + self.latent_dim

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (LearntMeans(self.components, self.std),)

    def draw(self, rng: np.random.Generator, lead: Shape) -> Array:
        shares = rng.random((*lead, 1 + self.latent_dim))
        which = np.floor(shares[..., :1] * self.components)
        chosen = (which == np.arange(self.components)).astype(np.float64)
        return np.concatenate([chosen, normal_quantile(shares[..., 1:] + 2.0**-54)], axis=-1)

    def confined(self, z: Array, start: Array) -> Array:
        """The component stays what it is."""
        return np.concatenate([start[..., : self.components], z[..., self.components :]], axis=-1)


@dataclass(frozen=True)
class LearntMeans(Portable):
    """(components + n,) -> (n,): the mean of the component that the first numbers choose, and noise about it."""

    components: int
    std: float

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1 or shape[0] <= self.components:
            raise ShapeError(f"LearntMeans({self.components}) takes ({self.components} + n,), got {shape}.")
        return (shape[0] - self.components,)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return {"means": Parameter((self.components, *self.output_shape(shape)), Gaussian(math.sqrt(1 - self.std**2)))}

    def compute(self, ops: Any, params: Mapping[str, Any], x: Any, condition: Any) -> Any:
        return ops.xp.matmul(x[:, : self.components], params["means"]) + self.std * x[:, self.components :]


CENTRE = (
    (
        2509.0809287301227,
        33430.57558358813,
        67265.7709270087,
        45921.95393154987,
        13731.69376550946,
        1971.5909503065513,
        133.14166789178438,
        3.3871328727963665,
    ),
    (
        5226.495278852854,
        28729.085735721943,
        39307.89580009271,
        21213.794301586597,
        5394.196021424751,
        687.1870074920579,
        42.31333070160091,
        1.0,
    ),
)
TAIL = (
    (
        0.0007745450142783414,
        0.022723844989269184,
        0.2417807251774506,
        1.2704582524523684,
        3.6478483247632045,
        5.769497221460691,
        4.630337846156546,
        1.4234371107496835,
    ),
    (
        1.0507500716444169e-09,
        0.0005475938084995345,
        0.015198666563616457,
        0.14810397642748008,
        0.6897673349851,
        1.6763848301838038,
        2.053191626637759,
        1.0,
    ),
)
FAR = (
    (
        2.0103343992922881e-07,
        2.7115555687434876e-05,
        0.0012426609473880784,
        0.026532189526576124,
        0.29656057182850487,
        1.7848265399172913,
        5.463784911164114,
        6.657904643501103,
    ),
    (
        2.0442631033899397e-15,
        1.421511758316446e-07,
        1.8463183175100548e-05,
        0.0007868691311456133,
        0.014875361290850615,
        0.1369298809227358,
        0.599832206555888,
        1.0,
    ),
)
"""Polynomials, from the highest power down: numerator and denominator of Wichura's rational functions."""


def normal_quantile(p: Array) -> Array:
    """The inverse of the normal distribution function on (0, 1), to 1e-15. Wichura 1988, algorithm AS 241."""
    q = p - 0.5
    square = 0.180625 - q * q
    r = np.sqrt(-np.log(np.minimum(p, 1.0 - p)))
    tail = np.where(r <= 5.0, _ratio(TAIL, r - 1.6), _ratio(FAR, r - 5.0))
    return np.where(np.abs(q) <= 0.425, q * _ratio(CENTRE, square), np.copysign(tail, q))


def _ratio(both: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    above, below = (np.polyval(np.array(each), x) for each in both)
    return np.asarray(above / below)
