"""The generator of a checkpoint as one function, latents and conditions to examples: what `gan.sample` computes.

The map to and from the user's units is part of it, and so is the choice of weights: the moving average where there is
one. It is over `ops`, so each backend can trace it.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gankit import checkpoint, header, switches
from gankit.arrays import Array
from gankit.building import described
from gankit.config import Config
from gankit.data.dataset import Scaling
from gankit.data.spec import DataSpec
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.interfaces import Backend, Network, Port, Prior, Tensors
from gankit.networks.native import Native
from gankit.play.assembled import average_of
from gankit.play.assembling import NATIVE, architecture, game_spec, network_of
from gankit.play.feed import EXAMPLES
from gankit.play.game import G
from gankit.play.plans import plans
from gankit.play.streams import Streams
from gankit.plug.making import open_backend, prior_of

FAST = ("onednn", "patches")
"""Fast paths that a graph does not keep: they ask how many rows there are, or suit the training loop on a CPU alone."""
TAKEN = {"z", "n", "seed"}
"""Names that snippets use themselves."""


@dataclass(frozen=True)
class Input:
    """One condition of G. name: as Python allows it. of: the condition's own. unit: None where G sees it as it is."""

    name: str
    of: str
    port: Port
    dtype: str
    unit: Scaling | None

    def some(self, n: int, rng: np.random.Generator) -> Array:
        """n rows that it may be, to try a function on."""
        shape = (n, *self.port.shape)
        if self.port.kind == "class":
            return (np.arange(n) % (self.port.num_classes or 1)).astype(self.dtype)
        if self.port.kind == "mask":
            return rng.integers(0, 2, shape).astype(self.dtype)
        model = rng.uniform(-1.0, 1.0, shape)
        x = model if self.unit is None else self.unit.to_user(model)
        return np.asarray(x, self.dtype)


@dataclass(frozen=True, eq=False)
class Generator:
    """A G with its weights on an open backend.

    families: the names of its parameters, and of its buffers. inputs: the conditions that it reads. units: offset and
    scale of these, by name, and of the examples, as the backend's arrays. prior: what its z is drawn from. steps: how
    long it was trained.
    """

    config: Config
    spec: DataSpec
    backend: Backend
    network: Network
    weights: Tensors
    families: tuple[frozenset[str], frozenset[str]]
    inputs: tuple[Input, ...]
    units: Mapping[str, tuple[Any, Any]]
    prior: Prior
    steps: int

    @property
    def dtype(self) -> str:
        """Of what comes out: bytes where the data is bytes, else that of the game."""
        return "uint8" if self.spec.scaling.is_integer else self.config.dtype

    @property
    def told(self) -> tuple[str, str]:
        """What it takes and what it gives, in words."""
        taken = [f"z (n, {self.prior.width}) {self.config.dtype}"]
        taken += [f"{own.name} ({_commas('n', *own.port.shape)}) {own.dtype}" for own in self.inputs]
        return ", ".join(taken), f"examples ({_commas('n', *self.spec.shape)}) {self.dtype}"

    def function(self, weights: Tensors, inputs: Mapping[str, Any]) -> Any:
        """Examples (n, *shape) in the user's units, from z and conditions in theirs."""
        ops, scaling = self.backend.ops, self.spec.scaling
        xp, z = ops.xp, inputs["z"]
        given = {own.of: self._in_model_units(own, inputs[own.name]) for own in self.inputs}
        params, buffers = ({name: weights[name] for name in weights if name in own} for own in self.families)
        made, _ = self.network.apply(params, buffers, z, given, train=False, key=None)
        x = xp.reshape(ops.to_float(made), (z.shape[0], *self.spec.shape))
        offset, scale = self.units[EXAMPLES]
        x = x * scale + offset
        if scaling.low is not None:
            x = xp.clip(x, scaling.low, scaling.high)
        return xp.astype(xp.round(x), xp.uint8) if scaling.is_integer else x

    def run(self, inputs: Mapping[str, Array]) -> Array:
        """The function here and now."""
        ops = self.backend.ops
        found = ops.compile(lambda weights, given: self.function(weights, given))(
            self.weights, {name: ops.asarray(x) for name, x in inputs.items()}
        )
        return ops.to_numpy(found)

    def some(self, n: int, seed: int = 0) -> dict[str, Array]:
        """n rows of everything that it takes, z first."""
        config, rng = self.config, np.random.default_rng(seed)
        z = Streams(seed).first_latents("sample", n, config.latent_dim, config.prior).astype(config.dtype)
        return {"z": z} | {own.name: own.some(n, rng) for own in self.inputs}

    def _in_model_units(self, own: Input, x: Any) -> Any:
        ops = self.backend.ops
        if own.port.kind == "class":
            return x
        offset, scale = self.units.get(own.name, (0.0, 1.0))
        return (ops.to_float(x) - offset) / scale if own.unit else ops.to_float(x)


def open_generator(
    opened: checkpoint.Opened, backend: str | None, player: str = G, integers: str = "int64"
) -> Generator:
    """The G of a checkpoint that was read, on a backend's CPU; nothing else of the game is built.

    player: which G, in a game of several. integers: the dtype in which classes come.
    Raises ConfigError for a G that is a module of the user's own, and CheckpointError for a damaged file.
    """
    path, arrays, meta = opened
    config, spec = described(path, arrays, meta)
    with header.of_the_file(path):
        possible = {plan.role: plan for plan in plans(config) if plan.kind == G}
    if player not in possible:
        raise ConfigError(f"player={player!r} is no {G}.{did_you_mean(player, possible)} Choose {one_of(possible)}.")
    plan = possible[player]
    with header.of_the_file(path):
        prior, told = prior_of(config.prior, config.latent_dim), game_spec(config, spec, plan.source)
        native = plan.network.name == NATIVE or isinstance(architecture(plan, told, {}), Native)
    if native:
        raise ConfigError(
            f"The {plan.role} of this game is a module of your own, {plan.network.settings.get('module', '')}, and "
            "gankit exports networks of its layers. Export it with its framework: gan.generator.native is the module, "
            "for torch.export.export or jax.export."
        )

    look = partial(checkpoint.require_player, path, {name: array.shape for name, array in arrays.items()})

    # In full precision, whatever the game was trained in: not all that opens the file has bfloat16.
    on = open_backend(backend, "cpu", config.dtype)
    with switches.without(*FAST), header.of_the_file(path):
        network, _, takes, *_ = network_of(plan, told, prior, {}, on, look)
    own = checkpoint.under(f"{player}/params", arrays)
    averages = checkpoint.under(average_of(player), arrays)  # beside G's there are those of other players
    average = {name: array for name, array in averages.items() if name in own}
    if average:
        checkpoint.require_same_leaves(path, average, {name: array.shape for name, array in own.items()})
    weights = {**own, **average}
    weights |= checkpoint.under(f"{player}/buffers", arrays)
    seen = spec.sources[plan.source] if plan.source else spec
    inputs = tuple(_input(name, told.given[name], seen, config, integers) for name in told.given if name in takes)
    scalings = {EXAMPLES: seen.scaling} | {own.name: own.unit for own in inputs if own.unit is not None}
    asarray = on.ops.asarray
    return Generator(
        config=config,
        spec=seen,
        backend=on,
        network=network,
        weights=network.restore(weights),
        families=(frozenset(network.shapes[0]), frozenset(network.shapes[1])),
        inputs=inputs,
        units={name: (asarray(unit.offset), asarray(unit.scale)) for name, unit in scalings.items()},
        prior=prior,
        steps=int(meta["steps_done"]),
    )


def _input(name: str, port: Port, spec: DataSpec, config: Config, integers: str) -> Input:
    unit = spec.unit(name)
    plain = name.replace("-", "_")
    safe = f"given_{plain}" if plain in TAKEN or keyword.iskeyword(plain) or not plain.isidentifier() else plain
    dtype = "uint8" if unit is not None and unit.is_integer else config.dtype
    return Input(safe, name, port, integers if port.kind == "class" else dtype, unit)


def agree(got: Array, want: Array) -> str:
    """How two runs of one function differ too much, or "": bytes by more than one, floats by more than 1e-5 of the
    greatest."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.shape} {got.dtype} instead of {want.shape} {want.dtype}"
    apart = np.abs(got.astype(np.float64) - want).max(initial=0.0)
    most = 1.0 if want.dtype.kind in "iu" else 1e-5 * max(1.0, float(np.abs(want).max(initial=0.0)))
    return "" if apart <= most else f"they differ by {apart:.2g}"


def _commas(*shape: object) -> str:
    return ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
