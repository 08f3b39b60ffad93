"""Any network, a stranger's included, open on a backend: for the smallest game that it accepts, in a small size."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.conformance.cases import by_name
from gankit.conformance.compare import Array, require
from gankit.conformance.parts.common import target
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.errors import CapabilityError, ConfigError, DataError, ShapeError
from gankit.interfaces import Backend, Network, as_given
from gankit.layers import Layer, Layers, Shape, buffers, draw, parameters, place
from gankit.networks import GameSpec, Native
from gankit.networks.native import wrapped
from gankit.play.streams import Streams
from gankit.plug.capabilities import demand, needs

N, LATENT, CLASSES = 6, 5, 3
SHAPES: tuple[tuple[Shape, bool], ...] = (
    ((2,), False),
    ((8, 8, 1), True),
    ((28, 28, 1), True),
    ((32, 32, 3), True),
    ((48, 48, 1), True),
    ((64, 64, 3), True),
)
"""Examples of games, the smallest first, each with whether its data are bounded."""

SIZES = ("width", "units", "hidden", "channels", "filters", "features", "embedding", "dim")
"""Settings that say how large a network is. Most checks judge it with a sixteenth of each, 8 at the least."""

REFUSALS = (ConfigError, ShapeError, DataError)
"""What a network says in when it is not for a game."""

Pair = tuple[dict[str, Any], dict[str, Any]]
"""Parameters and buffers on the device."""


def specs() -> Iterator[GameSpec]:
    """Every example of a game, conditional ones first."""
    for shape, bounded in SHAPES:
        for classes in (CLASSES, None):
            yield GameSpec(shape, LATENT, classes, bounded)


@dataclass(frozen=True)
class Net:
    """A network on a backend.

    arrays: what it starts from, by canonical name. ends: the shape that one example leaves it in.
    settings: that it was made with.
    """

    role: str
    spec: GameSpec
    architecture: Layers | Native
    backend: Backend
    network: Network
    arrays: dict[str, Array]
    ends: Shape
    settings: Mapping[str, Any]

    @property
    def native(self) -> bool:
        """Whether it is a framework's own module."""
        return isinstance(self.architecture, Native)

    @property
    def main(self) -> str:
        """The name of what the other player sees: G's examples, D's logits."""
        return "output" if self.role == "generator" else "logits"

    @property
    def what(self) -> str:
        """For messages."""
        told = "" if self.spec.num_classes is None else f" and {self.spec.num_classes} classes"
        return f"the {self.role} for examples of shape {self.spec.shape}{told}"

    @property
    def inside(self) -> Shape:
        """The shape of one of its inputs."""
        return (self.spec.latent_dim,) if self.role == "generator" else self.spec.shape

    def inputs(self, n: int = N, seed: int = 0) -> Array:
        """Latents or examples, (n, ...)."""
        return np.random.default_rng(seed).normal(size=(n, *self.inside))

    def labels(self, n: int = N) -> Array | None:
        """(n,) classes in a conditional game."""
        return None if self.spec.num_classes is None else (np.arange(n) % self.spec.num_classes).astype(np.int32)

    def generic(self, seed: int = 0, scale: float = 1.0) -> dict[str, Array]:
        """Parameters away from where they start, where many are 0; buffers as they start."""
        rng, trained = np.random.default_rng(seed), self.network.shapes[0]
        moved = dict(self.arrays)
        for name in sorted(trained):
            array = self.arrays[name]
            typical = max(float(np.sqrt((array**2).mean())), 1 / math.sqrt(math.prod(array.shape[:-1])), 0.1)
            moved[name] = scale * (array + 0.5 * typical * rng.normal(size=array.shape))
        return moved

    def held(self, arrays: Mapping[str, Array]) -> Pair:
        """On the device."""
        return self.network.init(arrays)

    def apply(
        self, params: Any, buffers: Any, x: Any, labels: Any, *, train: bool = False, seed: int = 0
    ) -> tuple[dict[str, Any], Any]:
        """(outputs by name, buffers after them), on the device; D's logits are `logits`, G's examples `output`."""
        key = self.backend.ops.key((np.uint32(seed), np.uint32(2))) if train else None
        out, after = self.network.apply(params, buffers, x, as_given(labels), train=train, key=key)
        parts = by_name(out)
        if self.role == "discriminator" and "output" in parts:
            parts["logits"] = parts.pop("output")
        return parts, after

    def outputs(
        self, arrays: Mapping[str, Array], x: Array, labels: Array | None, *, train: bool = False, seed: int = 0
    ) -> dict[str, Array]:
        """Outputs by name, as NumPy."""
        ops = self.backend.ops
        y = None if labels is None else ops.asarray(labels)
        run = ops.compile(lambda p, b, x, y: self.apply(p, b, x, y, train=train, seed=seed)[0])
        return {name: ops.to_numpy(array) for name, array in run(*self.held(arrays), ops.asarray(x), y).items()}


def role(candidate: Candidate) -> str:
    """ "generator" or "discriminator"."""
    return candidate.kind.removesuffix("s")


def small_settings(candidate: Candidate) -> list[dict[str, Any]]:
    """Settings that make the network smaller, the smallest first; none at all in the end."""
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(target(candidate)).parameters.items():
        value = parameter.default
        if name in SIZES and isinstance(value, int) and not isinstance(value, bool):
            found[name] = min(value, max(8, value // 16))
        if name in SIZES and isinstance(value, tuple | list) and all(isinstance(width, int) for width in value):
            found[name] = [min(width, max(8, width // 16)) for width in value]
    return [found, *({name: value} for name, value in found.items()), {}] if found else [{}]


def opened(candidate: Candidate, spec: GameSpec, backend: Backend, settings: Mapping[str, Any], seed: int = 0) -> Net:
    """The network for a game; raises one of REFUSALS where it is not for that game."""
    architecture = candidate.made(spec, **settings)
    if isinstance(architecture, Native):
        network, arrays, ends = wrapped(architecture, role(candidate), spec, backend)
    else:
        records = isinstance(architecture, tuple) and all(isinstance(layer, Layer) for layer in architecture)
        require(
            records,
            f"{candidate.name!r} returns a {type(architecture).__name__}; it must return a tuple of layer records "
            "(gankit.layers), or a gankit.Native.",
        )
        placed = place(architecture, (spec.latent_dim,) if role(candidate) == "generator" else spec.shape)
        demand(backend, needs(architecture), repr(candidate.name))
        network, ends = backend.network(placed), placed[-1].output_shape
        arrays = draw(parameters(placed) | buffers(placed), f"init/{role(candidate)}", Streams(seed))
    return Net(role(candidate), spec, architecture, backend, network, arrays, ends, settings)


def smallest(
    candidate: Candidate, dtype: str = "float64", *, conditional: bool | None = None, bounded: bool | None = None
) -> Net:
    """In the smallest game that it accepts, one with labels if it takes them.

    conditional: whether there must be labels. bounded: whether examples must have a least and greatest value. None: as
        it comes.
    Raises NotApplicable where it accepts no such game.
    """
    backend, said = candidate.on.open(dtype), "no reason"
    for spec in specs():
        if conditional not in (None, spec.num_classes is not None) or bounded not in (None, spec.bounded):
            continue
        for settings in small_settings(candidate):
            try:
                return opened(candidate, spec, backend, settings)
            except CapabilityError:
                raise
            except REFUSALS as error:
                said = str(error)
    raise NotApplicable(f"It accepts no such game: {said}")


def close(a: Array, b: Array, backend: Backend, factor: float = 1e4) -> bool:
    """Whether two outputs are one up to roundings of a network's length."""
    size = max(1.0, float(np.abs(a).max()), float(np.abs(b).max()))
    return bool(np.allclose(a, b, rtol=0, atol=factor * float(np.finfo(backend.dtype).eps) * size))
