"""From names and settings to a game that is ready to be played: `build` and `load`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from gankit import checkpoint
from gankit.config import Config, Part, Setting, check_choice
from gankit.data.dataset import Dataset, scaling
from gankit.data.sources import data_name
from gankit.data.spec import DataSpec
from gankit.data.stream import Stream, examples_of, open_training
from gankit.errors import CheckpointError, ConfigError, DataError, did_you_mean, one_of
from gankit.interfaces import Backend, Network, Trainer
from gankit.layers import Layers, buffers, draw, output_range, parameters, place
from gankit.networks.native import Native, wrapped
from gankit.networks.spec import GameSpec
from gankit.play.game import Assembled, Start
from gankit.play.rules import Game
from gankit.plug import registry
from gankit.plug.capabilities import FLOAT64, PRECISIONS, demand, needs
from gankit.plug.spelling import check_spelling

NATIVE = "native"
"""The name that a module of the user's own goes by in a config."""


def build(
    backend: str | None = None,
    recipe: str = "mlp",
    data: Any = None,
    *,
    seed: int = 0,
    dtype: str | None = None,
    device: str = "auto",
    loss: str | Mapping[str, Setting] | None = None,
    penalties: Sequence[str | Mapping[str, Setting]] | None = None,
    **settings: Setting,
) -> Trainer:
    """Put a game together and return its trainer, before the first step.

    backend: "torch" or "jax", or another that is installed; by default the one that is.
    recipe: a named game (`gankit.recipes()`), whose settings are the defaults of all that follow.
    data: a registered name, an array (n, ...), a pair (x, labels), an .npz or .npy file, a folder of images
        (`faces@64`); see `gankit.data.open_data`. Or an iterable of batches, such as a DataLoader; see
        `gankit.data.batches`.
    seed: of everything random. The same seed is the same run on every backend.
    dtype: "float32" or "float64".
    device: "auto", "cpu", "cuda", "cuda:1", ...
    loss, penalties: by name, or as tables with settings; see `gankit.plugins()`.
    settings: any other field of `gankit.Config`, such as `k=2`, `batch_size=100`, `generator={"hidden": [64, 64]}`;
        `generator` and `discriminator` may be modules of your own, `torch.nn.Module` or `flax.nnx.Module` (see
        `gankit.Native`).

    Raises ConfigError, UnknownNameError, DataError or DeviceError, before anything is computed.
    """
    brought, settings = _brought(settings)
    config = configure(recipe, data, seed=seed, dtype=dtype, loss=loss, penalties=penalties, **settings)
    return begin(config, backend, device, data, brought)


def begin(
    config: Config,
    backend: str | None = None,
    device: str = "auto",
    data: Any = None,
    brought: Mapping[str, Native] = MappingProxyType({}),
) -> Trainer:
    """The trainer of a config before the first step; data: where it is not what the config names."""
    source = config.data if data is None else data
    opened = open_training(source, conditional=config.conditional, num_classes=config.num_classes)
    dataset = examples_of(opened)
    spec = GameSpec(dataset.shape, config.latent_dim, _classes(config, dataset), dataset.value_range is not None)
    generator = _architecture("generator", config, spec, brought)
    units = scaling(dataset, generator.output if isinstance(generator, Native) else output_range(generator))
    data_spec = DataSpec(dataset.shape, spec.num_classes, units)
    return assemble(config, open_backend(backend, device, config.dtype, config.precision), data_spec, opened, brought)


def load(
    path: str | os.PathLike[str],
    backend: str | None = None,
    device: str = "auto",
    *,
    generator: Any = None,
    discriminator: Any = None,
) -> Trainer:
    """Open a checkpoint, or the latest of a run folder, on any backend.

    backend: by default the one that wrote it where it is installed, else the one that is.
    generator, discriminator: modules like those that the game was built with, where it was built with your own.
    The data is opened again when it is trained on, where the game's config says how; else pass it to `fit`.
    """
    path = checkpoint.find(path)
    arrays, meta = checkpoint.read(path)
    try:
        config = Config().with_settings({"penalties": (), **meta["config"]})
        spec = DataSpec.from_checkpoint(arrays, meta)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} has a damaged header: {type(error).__name__}: {error}.") from error
    if backend is None and meta["backend"] in registry.names("backends"):
        backend = meta["backend"]
    brought, _ = _brought({"generator": generator, "discriminator": discriminator})
    opened = open_backend(backend, device, config.dtype, config.precision)
    return assemble(config, opened, spec, None, brought).restore(path)


def configure(
    recipe: str,
    data: Any = None,
    *,
    loss: Any = None,
    penalties: Any = None,
    dtype: str | None = None,
    **settings: Setting,
) -> Config:
    """The config of a recipe with changes; what is None stays the recipe's."""
    recipe_settings = cast(Mapping[str, Setting], registry.load("recipes", recipe))
    named = {"loss": loss, "penalties": penalties, "dtype": dtype, "data": None if data is None else data_name(data)}
    config = Config().with_settings(recipe_settings)
    return config.with_settings(
        {**settings, **{name: value for name, value in named.items() if value is not None}, "recipe": recipe}
    )


def open_backend(name: str | None, device: str, dtype: str, precision: str = "full") -> Backend:
    """The backend of that name on a device; by default the first that is installed."""
    if name is None:
        installed = registry.names("backends")
        if not installed:
            raise ConfigError("No backend is installed. Type pip install 'gankit[torch]' or pip install 'gankit[jax]'.")
        name = installed[0]
    check_choice("dtype", dtype)
    kind = cast(Callable[..., Backend], registry.load("backends", name))
    backend = kind(device=device, dtype=dtype, **({} if precision == "full" else {"precision": precision}))
    demand(backend, {dtype, precision} & {FLOAT64, *PRECISIONS}, f"dtype={dtype!r}, precision={precision!r}")
    return backend


def make(kind: str, part: Part, *arguments: Any) -> Any:
    """The object a Part stands for; raises ConfigError when its settings don't fit."""
    target = cast(Callable[..., Any], registry.load(kind, part.name))
    settings = dict(part.settings)
    if kind == "losses" and "base" in settings:  # a loss around another
        settings["base"] = make("losses", _as_part(settings["base"]))
    signature = inspect.signature(target)
    parameters = signature.parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [name for name in list(parameters)[len(arguments) :] if name != "self"]
    for name in settings:
        if name not in known and not open_ended:
            raise ConfigError(
                f"{part.name!r} ({kind}) has no setting {name!r}.{did_you_mean(name, known)} Possible: {one_of(known)}."
            )
    unfit = f"{part.name!r} ({kind}) does not take {dict(part.settings)}"
    try:
        signature.bind(*arguments, **settings)
    except TypeError as error:
        raise ConfigError(f"{unfit}: {error}.") from error
    try:
        return target(*arguments, **settings)
    except TypeError as error:
        if not part.settings:  # nothing that a user said: the part itself is wrong
            raise
        raise ConfigError(f"{unfit}: {error}.") from error


def assemble(
    config: Config,
    backend: Backend,
    spec: DataSpec,
    dataset: Dataset | Stream | None,
    brought: Mapping[str, Native] = MappingProxyType({}),
) -> Trainer:
    """The trainer of a game on an open backend; raises ConfigError when its networks don't fit the data."""
    game_spec = GameSpec(spec.shape, config.latent_dim, spec.num_classes, spec.bounded)
    g_network, g_start = _network("generator", config, game_spec, brought, backend)
    d_network, d_start = _network("discriminator", config, game_spec, brought, backend)
    g_optimizer = make("optimizers", config.generator_optimizer)
    d_optimizer = make("optimizers", config.discriminator_optimizer)
    loss = make("losses", config.loss)
    check_spelling("losses", loss)
    if getattr(loss, "needs_mismatched", False) and spec.num_classes == 1:
        raise ConfigError("mismatched=True needs wrong labels, and there is but one class.")
    if config.conditional and config.fake_labels != "data" and getattr(loss, "pairs_examples", False):
        raise ConfigError(
            f"fake_labels={config.fake_labels!r}: this loss compares each fake with the real example in its place, and "
            "the two must have one label. Use fake_labels='data'."
        )
    span = 1.0 if spec.scaling.low is not None and spec.scaling.offset == spec.scaling.low else 2.0
    rules = Game(
        ops=backend.ops,
        generator=g_network,
        discriminator=d_network,
        generator_optimizer=backend.optimizer(g_optimizer),
        discriminator_optimizer=backend.optimizer(d_optimizer),
        loss=loss,
        penalties=_distinct("penalties", config.penalties),
        constraints=_distinct("constraints", config.constraints),
        augmentations=tuple(make("augmentations", part, game_spec, span) for part in config.augmentations),
        k=config.k,
        schedule=cast(Any, config.schedule),
        gradient_clip=config.gradient_clip,
        accumulate=config.accumulate,
    )
    assembled = Assembled(config, backend, spec, rules, (g_start, d_start), (g_optimizer, d_optimizer))
    return cast(Callable[..., Trainer], registry.load("trainers", config.trainer))(assembled, dataset)


def _distinct(kind: str, parts: Iterable[Part]) -> tuple[Any, ...]:
    made = tuple(make(kind, part) for part in parts)
    for part in made:
        check_spelling(kind, part)
    names = [part.name for part in made]
    if len(set(names)) < len(names):
        raise ConfigError(f"{kind}={names}: each can be there once; set its weight instead.")
    return made


def _brought(settings: Mapping[str, Any]) -> tuple[dict[str, Native], dict[str, Setting]]:
    """The user's own modules among the settings, and the settings with their names in their places."""
    settings, brought = dict(settings), {}
    for role in ("generator", "discriminator"):
        value = settings.get(role)
        # A module of MLX is a dict as well, but one to be called.
        if value is not None and (callable(value) or not isinstance(value, str | Mapping | Part)):
            brought[role] = value if isinstance(value, Native) else Native(value)
            settings[role] = {"name": NATIVE, "module": brought[role].name}
    return brought, settings


def _architecture(role: str, config: Config, spec: GameSpec, brought: Mapping[str, Native]) -> Layers | Native:
    """The layer records of a player, or its module."""
    part: Part = getattr(config, role)
    if part.name != NATIVE:
        return cast(Layers | Native, make(f"{role}s", part, spec))
    if role not in brought:
        raise ConfigError(
            f"This game's {role} is a module of your own, {part.settings.get('module')}. Pass one like it: "
            f"gankit.load(path, {role}=...)."
        )
    return brought[role]


def _network(
    role: str, config: Config, spec: GameSpec, brought: Mapping[str, Native], backend: Backend
) -> tuple[Network, Start]:
    """A player's network on the backend, and how its arrays are drawn; raises ConfigError when its shapes don't fit."""
    inside, outside, what = {
        "generator": ((spec.latent_dim,), spec.shape, "an example"),
        "discriminator": (spec.shape, (), "one logit an example"),
    }[role]
    architecture, name = _architecture(role, config, spec, brought), getattr(config, role).name
    if isinstance(architecture, Native):
        try:
            network, arrays, got = wrapped(architecture, role, spec, backend)
        except ConfigError as error:
            if name == NATIVE:
                raise
            raise ConfigError(f"{name!r} ({role}): {error}") from error
        start: Start = lambda purpose, streams, mean: arrays  # noqa: E731
        name = architecture.name
    else:
        placed = place(architecture, inside)
        demand(backend, needs(architecture), f"{name!r} ({role})")
        network, got = backend.network(placed), placed[-1].output_shape
        start = partial(draw, parameters(placed) | buffers(placed))
    if got != outside:
        flatten = " Flatten (N, 1) to (N,)." if got == (1,) and role == "discriminator" else ""
        raise ConfigError(f"{name!r} ends in shape {got}; it must end in {outside}, {what}.{flatten}")
    return network, start


def _classes(config: Config, dataset: Dataset) -> int | None:
    """How many classes the networks are told of: none in an unconditional game."""
    if not config.conditional:
        return None
    if dataset.labels is None:
        raise DataError(f"The loss is conditional, but {dataset.name} has no labels. Pass data=(x, labels).")
    if dataset.num_classes is None:
        seen = int(dataset.labels.max()) + 1
        raise ConfigError(
            f"The loss is conditional, but nothing says how many classes {dataset.name} has. Pass num_classes={seen} "
            "(one more than its greatest label), or more if some never occur."
        )
    return dataset.num_classes


def _as_part(value: Any) -> Part:
    value = {"name": value} if isinstance(value, str) else dict(value)
    return Part(value.pop("name"), value)
