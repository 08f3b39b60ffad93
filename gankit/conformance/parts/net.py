"""Any network, a stranger's included, open on a backend: for the smallest game that it accepts, in a small size."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import LABELLED
from gankit.conformance.cases import by_name
from gankit.conformance.compare import require
from gankit.conformance.examples import TABLE
from gankit.conformance.parts.common import target
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.errors import CapabilityError, ConfigError, DataError, ShapeError
from gankit.interfaces import Backend, Choice, Network, Port
from gankit.layers import Layer, Layers, Shape, buffers, draw, parameters, place
from gankit.networks import GameSpec, Native
from gankit.networks.native import wrapped
from gankit.play.streams import Streams
from gankit.plug.capabilities import demand, needs

N, LATENT, CLASSES = 6, 5, 3
SHAPES: tuple[tuple[Shape, bool], ...] = (
    ((2,), False),
    ((8, 8, 1), True),
    ((64, 1), True),
    ((28, 28, 1), True),
    ((32, 32, 3), True),
    ((48, 48, 1), True),
    ((64, 64, 3), True),
)
"""Examples of games, the smallest first, each with whether its data are bounded."""


@dataclass(frozen=True)
class Rows:
    """The codec of a table that is numbers already."""

    choices: tuple[Choice, ...]

    def encode(self, frame: Any, where: str = "") -> Array:
        return np.asarray(frame)

    def told(self, name: Any, values: Any, n: int) -> Array:
        return np.zeros((n, 0))

    def decode(self, x: Array) -> Any:
        return x

    def to_plain(self) -> dict[str, Any]:
        return {}


PICTURE, MASK = "image", "mask"
"""The conditions that are a picture, and where it is known."""

SIZES = ("width", "units", "hidden", "channels", "filters", "features", "embedding", "dim")
"""Settings that say how large a network is. Most checks judge it with a sixteenth of each, 8 at the least."""

REFUSALS = (ConfigError, ShapeError, DataError)
"""What a network says in when it is not for a game."""

Pair = tuple[dict[str, Any], dict[str, Any]]
"""Parameters and buffers on the device."""


def specs() -> Iterator[GameSpec]:
    """Every example of a game: with labels, without, as rows of a table, then with a picture as the condition, of the
    size of the examples and of a quarter of their sides, then with labels of some examples only."""
    for shape, bounded in SHAPES:
        for classes in (CLASSES, None):
            yield GameSpec(shape, LATENT, classes, bounded)
    for classes in (CLASSES, None):
        yield GameSpec((6,), LATENT, classes, bounded=False, choices=TABLE)
    for shape, bounded in SHAPES:
        if len(shape) == 3:
            for part in (1, 4):
                port = Port("image", (shape[0] // part, shape[1] // part, shape[2]))
                yield GameSpec(shape, LATENT, None, bounded, {PICTURE: port})
            known = {PICTURE: Port("image", shape), MASK: Port("mask", (*shape[:2], 1))}
            yield GameSpec(shape, LATENT, None, bounded, known)
    for shape, bounded in SHAPES:
        yield GameSpec(shape, LATENT, None, bounded, sources={LABELLED: Port("image", shape, CLASSES)})


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
        """The name of what the other players see: G's examples, D's logits, an encoder's latents."""
        return "logits" if self.role == "discriminator" else "output"

    @property
    def what(self) -> str:
        """For messages."""
        return f"the {self.role} for {game(self.spec)}"

    @property
    def inside(self) -> Shape:
        """The shape of one of its inputs."""
        return (self.spec.latent_dim,) if self.role == "generator" else self.spec.shape

    def inputs(self, n: int = N, seed: int = 0) -> Array:
        """Latents or examples, (n, ...)."""
        return np.random.default_rng(seed).normal(size=(n, *self.inside))

    def given(self, n: int = N, seed: int = 0) -> dict[str, Array]:
        """The game's conditions by name: every class in turn, pictures of noise, half of one known where there is a
        mask."""
        rng, made = np.random.default_rng(100 + seed), dict[str, Array]()
        for name, port in self.spec.given.items():
            if port.kind == "class":
                made[name] = (np.arange(n) % (port.num_classes or 1)).astype(np.int32)
            elif port.kind == "mask":
                made[name] = (rng.random((n, *port.shape)) < 0.5).astype(np.float64)
            else:
                made[name] = rng.normal(size=(n, *port.shape))
        if MASK in made:
            made[PICTURE] = np.tanh(made[PICTURE]) * made[MASK]
        return made

    def generic(self, seed: int = 0, scale: float = 1.0) -> dict[str, Array]:
        """Parameters away from where they start, where many are 0; buffers as they start."""
        rng, trained = np.random.default_rng(seed), self.network.shapes[0]
        moved = dict(self.arrays)
        for name in sorted(trained):
            array = self.arrays[name]
            typical = max(float(np.sqrt((array**2).mean())), 1 / math.sqrt(math.prod(array.shape[:-1])), 0.1)
            moved[name] = scale * (array + 0.5 * typical * rng.normal(size=array.shape))
        return moved

    def on_device(self, given: Mapping[str, Array]) -> dict[str, Any]:
        """Conditions as networks are handed them."""
        return {name: self.backend.ops.asarray(values) for name, values in given.items()}

    def held(self, arrays: Mapping[str, Array]) -> Pair:
        """On the device."""
        return self.network.init(arrays)

    def apply(
        self, params: Any, buffers: Any, x: Any, given: Any, *, train: bool = False, seed: int = 0
    ) -> tuple[dict[str, Any], Any]:
        """(outputs by name, buffers after them), on the device; D's logits are `logits`, all else is `output`."""
        key = self.backend.ops.key((np.uint32(seed), np.uint32(2))) if train else None
        out, after = self.network.apply(params, buffers, x, given, train=train, key=key)
        parts = by_name(out)
        if self.role == "discriminator" and "output" in parts:
            parts["logits"] = parts.pop("output")
        return parts, after

    def outputs(
        self, arrays: Mapping[str, Array], x: Array, given: Mapping[str, Array], *, train: bool = False, seed: int = 0
    ) -> dict[str, Array]:
        """Outputs by name, as NumPy."""
        ops = self.backend.ops
        y = self.on_device(given)
        run = ops.compile(lambda p, b, x, y: self.apply(p, b, x, y, train=train, seed=seed)[0])
        return {name: ops.to_numpy(array) for name, array in run(*self.held(arrays), ops.asarray(x), y).items()}


def game(spec: GameSpec) -> str:
    """A game in words."""
    ports = [
        f"{port.num_classes} classes" if port.kind == "class" else f"{name} ({port})"
        for name, port in spec.given.items()
    ]
    return f"examples of shape {spec.shape}" + (f" and {', '.join(ports)}" if ports else "")


def role(candidate: Candidate) -> str:
    """ "generator", "discriminator" or "encoder"."""
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

    conditional: whether there must be conditions. bounded: whether examples must have a least and greatest value.
        None: as it comes.
    Raises NotApplicable where it accepts no such game.
    """
    backend, said = candidate.on.open(dtype), "no reason"
    for spec in specs():
        if conditional not in (None, bool(spec.given)) or bounded not in (None, spec.bounded):
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
