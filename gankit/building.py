"""From names and settings to a game that is ready to be played: `build` and `load`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from gankit import checkpoint, registry
from gankit.config import Config, Part, Setting
from gankit.data.dataset import Dataset, scaling
from gankit.data.sources import open_data
from gankit.data.spec import DataSpec
from gankit.errors import CheckpointError, ConfigError, DataError, did_you_mean, one_of
from gankit.game import Assembled
from gankit.interfaces import Backend, Trainer
from gankit.layers import Layers, output_range, place
from gankit.networks.spec import GameSpec
from gankit.step import Game


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
    data: a registered name, an array (n, ...), a pair (x, labels), an .npz or .npy file; see `gankit.data.open_data`.
    seed: of everything random. The same seed is the same run on every backend.
    dtype: "float32" or "float64".
    device: "auto", "cpu", "cuda", "cuda:1", ...
    loss, penalties: by name, or as tables with settings; see `gankit.plugins()`.
    settings: any other field of `gankit.Config`, such as `k=2`, `batch_size=100`, `generator={"hidden": [64, 64]}`.

    Raises ConfigError, UnknownNameError, DataError or DeviceError, before anything is computed.
    """
    config = configure(recipe, data, seed=seed, dtype=dtype, loss=loss, penalties=penalties, **settings)
    return begin(config, backend, device, data)


def begin(config: Config, backend: str | None = None, device: str = "auto", data: Any = None) -> Trainer:
    """The trainer of a config before the first step; data: where it is not what the config names."""
    dataset = open_data(config.data if data is None else data, num_classes=config.num_classes)
    spec = GameSpec(dataset.shape, config.latent_dim, _classes(config, dataset), dataset.value_range is not None)
    units = scaling(dataset, output_range(_layers("generators", config.generator, spec)))
    data_spec = DataSpec(dataset.shape, spec.num_classes, units)
    return assemble(config, open_backend(backend, device, config.dtype), data_spec, dataset)


def load(path: str | os.PathLike[str], backend: str | None = None, device: str = "auto") -> Trainer:
    """Open a checkpoint, or the latest of a run folder, on any backend.

    backend: by default the one that wrote it where it is installed, else the one that is.
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
    trainer = assemble(config, open_backend(backend, device, config.dtype), spec, None)
    return trainer.restore(path)


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
    named = {"loss": loss, "penalties": penalties, "dtype": dtype, "data": None if data is None else _data_name(data)}
    config = Config().with_settings(recipe_settings)
    return config.with_settings(
        {**settings, **{name: value for name, value in named.items() if value is not None}, "recipe": recipe}
    )


def open_backend(name: str | None, device: str, dtype: str) -> Backend:
    """The backend of that name on a device; by default the first that is installed."""
    if name is None:
        installed = registry.names("backends")
        if not installed:
            raise ConfigError("No backend is installed. Type pip install 'gankit[torch]' or pip install 'gankit[jax]'.")
        name = installed[0]
    kind = cast(Callable[..., Backend], registry.load("backends", name))
    return kind(device=device, dtype=dtype)


def make(kind: str, part: Part, *arguments: Any) -> Any:
    """The object a Part stands for; raises ConfigError when its settings don't fit."""
    target = cast(Callable[..., Any], registry.load(kind, part.name))
    settings = dict(part.settings)
    if part.name == "conditional" and kind == "losses":
        settings["base"] = make("losses", _as_part(settings["base"]))
    parameters = inspect.signature(target).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [name for name in list(parameters)[len(arguments) :] if name != "self"]
    for name in settings:
        if name not in known and not open_ended:
            raise ConfigError(
                f"{part.name!r} ({kind}) has no setting {name!r}.{did_you_mean(name, known)} Possible: {one_of(known)}."
            )
    try:
        return target(*arguments, **settings)
    except TypeError as error:
        raise ConfigError(f"{part.name!r} ({kind}) does not take {dict(part.settings)}: {error}.") from error


def assemble(config: Config, backend: Backend, spec: DataSpec, dataset: Dataset | None) -> Trainer:
    """The trainer of a game on an open backend; raises ConfigError when its networks don't fit the data."""
    game_spec = GameSpec(spec.shape, config.latent_dim, spec.num_classes, spec.bounded)
    latent = (config.latent_dim,)
    g_placed = place(_layers("generators", config.generator, game_spec), latent)
    d_placed = place(_layers("discriminators", config.discriminator, game_spec), spec.shape)
    _require_shape(config.generator, g_placed[-1].output_shape, spec.shape, "an example")
    _require_shape(config.discriminator, d_placed[-1].output_shape, (), "one logit an example")
    g_optimizer = make("optimizers", config.generator_optimizer)
    d_optimizer = make("optimizers", config.discriminator_optimizer)
    rules = Game(
        ops=backend.ops,
        generator=backend.network(g_placed),
        discriminator=backend.network(d_placed),
        generator_optimizer=backend.optimizer(g_optimizer),
        discriminator_optimizer=backend.optimizer(d_optimizer),
        loss=make("losses", config.loss),
        penalties=_penalties(config.penalties),
        k=config.k,
        schedule=cast(Any, config.schedule),
    )
    assembled = Assembled(config, backend, spec, rules, (g_placed, d_placed), (g_optimizer, d_optimizer))
    return cast(Callable[..., Trainer], registry.load("trainers", config.trainer))(assembled, dataset)


def _penalties(parts: Iterable[Part]) -> tuple[Any, ...]:
    penalties = tuple(make("penalties", part) for part in parts)
    names = [penalty.name for penalty in penalties]
    if len(set(names)) < len(names):
        raise ConfigError(f"penalties={names}: each can be there once; set its weight instead.")
    return penalties


def _layers(kind: str, part: Part, spec: GameSpec) -> Layers:
    return cast(Layers, make(kind, part, spec))


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


def _require_shape(part: Part, got: tuple[int, ...], wanted: tuple[int, ...], what: str) -> None:
    if got != wanted:
        raise ConfigError(f"{part.name!r} ends in shape {got}; it must end in {wanted}, {what}.")


def _as_part(value: Any) -> Part:
    value = {"name": value} if isinstance(value, str) else dict(value)
    return Part(value.pop("name"), value)


def _data_name(data: Any) -> str:
    if isinstance(data, str | os.PathLike):
        return os.fspath(data)
    return data.name if isinstance(data, Dataset) else "array"
