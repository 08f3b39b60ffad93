"""From names and settings to a game that is ready to be played: `build` and `load`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from gankit import checkpoint, header
from gankit.config import Config, Part, Setting
from gankit.data.dataset import Dataset
from gankit.data.sources import data_name, open_data
from gankit.data.spec import DataSpec
from gankit.data.stream import BatchStream, examples_of, open_training
from gankit.errors import ConfigError, DataError
from gankit.hub import located
from gankit.interfaces import LABEL, Trainer
from gankit.layers import output_range
from gankit.limits import check_changeable
from gankit.networks.native import Native
from gankit.play.assembling import NATIVE, architecture, assemble
from gankit.play.conditions import bare_spec, data_spec, makers_of, ports, settled, split_by
from gankit.play.game import PHASES, G
from gankit.play.labelled import drawn_sources, told_classes
from gankit.play.plans import plans
from gankit.plug import registry
from gankit.plug.making import make, open_backend
from gankit.runs.folder import Run

__all__ = ["NATIVE", "assemble", "begin", "build", "configure", "load", "make", "open_backend"]
NOTHING: Mapping[str, Any] = MappingProxyType({})
ENCODER_FOLDER = "encoder"
"""Of the run in which an encoder was trained for a G, in that G's run folder."""


def build(
    backend: str | None = None,
    recipe: str = "mlp",
    data: Any = None,
    *,
    seed: int = 0,
    dtype: str | None = None,
    device: str = "auto",
    devices: int | str | None = None,
    loss: str | Mapping[str, Setting] | None = None,
    penalties: Sequence[str | Mapping[str, Setting]] | None = None,
    sources: Mapping[str, Any] | None = None,
    **settings: Setting,
) -> Trainer:
    """Build a game and return its trainer, ready for the first step.

    backend: "torch", "jax" or another installed backend. The default is the first one installed.
    recipe: a set of defaults with a name (see `gankit.recipes()`). The arguments below change them.
    data: a registered name, an array (n, ...), a pair (x, labels) or (x, {name: condition}), an .npz or .npy file, a
        folder of images (`faces@64`); see `gankit.data.open_data`. Or an iterable of batches, such as a DataLoader; see
        `gankit.data.batches`.
    seed: the seed of everything random. The same seed gives the same run on every backend.
    dtype: "float32" or "float64".
    device: "auto", "cpu", "cuda", "cuda:1", ...
    devices: on JAX, how many devices share each minibatch, or "all". On torch, start a process for each device with
        torchrun. See docs/scale.md.
    sources: more data by name, for recipes that need several data sets, such as `sources={"b": "mnist"}`.
    loss, penalties: a name, or a table with a name and settings. See `gankit.plugins()`.
    settings: any other field of `gankit.Config`, such as `k=2`, `batch_size=100`, `generator={"hidden": [64, 64]}`.
        `generator`, `discriminator` and the `network` of other players in `players` may be your own modules,
        `torch.nn.Module` or `flax.nnx.Module` (see `gankit.Native`).

    Raises ConfigError, UnknownNameError, DataError or DeviceError before it computes anything.
    """
    brought, settings = _brought(settings)
    named = {} if sources is None else {"sources": {name: data_name(source) for name, source in sources.items()}}
    config = configure(recipe, data, seed=seed, dtype=dtype, loss=loss, penalties=penalties, **settings, **named)
    return begin(config, backend, device, data, brought, sources or {}, devices)


def begin(
    config: Config,
    backend: str | None = None,
    device: str = "auto",
    data: Any = None,
    brought: Mapping[str, Native] = NOTHING,
    sources: Mapping[str, Any] = NOTHING,
    devices: int | str | None = None,
) -> Trainer:
    """The trainer of a config before the first step; data, sources: where they are not what the config names."""
    game = prepared(config, data, brought, sources)
    opened = open_backend(backend, device, game.config.dtype, game.config.precision, devices)
    return assemble(game.config, opened, game.spec, game.data, brought, game.sources)


class Prepared(NamedTuple):
    """A game whose data are open and whose conditions are settled, before it has a backend.

    sources: those that are brought; what is drawn from the game's own data is drawn again wherever it is played on.
    """

    config: Config
    spec: DataSpec
    data: Dataset | BatchStream
    sources: Mapping[str, Dataset]


def prepared(
    config: Config, data: Any = None, brought: Mapping[str, Native] = NOTHING, sources: Mapping[str, Any] = NOTHING
) -> Prepared:
    """Open a config's data, and settle what follows from them; data, sources: where they are not what it names."""
    source = config.data if data is None else data
    labelled = config.conditional or bool(getattr(make("losses", config.loss), "conditional", False))
    opened = split_by(config, open_training(source, conditional=labelled, num_classes=config.num_classes))
    others = {name: open_data(other) for name, other in {**config.sources, **sources}.items()}
    every = told_classes(config, others) | drawn_sources(config, opened)
    dataset = examples_of(opened)
    bare = bare_spec(config, dataset, every)
    makers = makers_of(config, bare)
    config = settled(config, dataset, makers, labelled)
    classes = _classes(dataset, config) if LABEL in config.conditions else None
    spec = replace(bare, given=ports(config, dataset, makers, classes))
    outputs = {}
    for plan in plans(config):
        if plan.kind == G:
            own = replace(spec, shape=every[plan.source].shape) if plan.source else spec
            network = architecture(plan, own, brought)
            outputs[plan.source] = network.output if isinstance(network, Native) else output_range(network)
    whole = data_spec(config, dataset, every, makers, outputs, classes)
    return Prepared(config, whole, opened, others)


def load(
    path: str | os.PathLike[str],
    backend: str | None = None,
    device: str = "auto",
    *,
    devices: int | str | None = None,
    generator: Any = None,
    discriminator: Any = None,
    players: Mapping[str, Any] | None = None,
    sources: Mapping[str, Any] | None = None,
    **settings: Setting,
) -> Trainer:
    """Open a checkpoint, the latest checkpoint of a run folder, or `hf://user/repo`, on any backend.

    path: from the Hub, gankit downloads one file, the checkpoint. It is data, and nothing in it is executed.
    backend: by default the one that wrote the checkpoint if it is installed, otherwise the first one installed.
    devices: as in `build`. You can resume with any number.
    generator, discriminator: if the game was built with your own modules, pass modules of the same kind.
    players: the same for other players, by role.
    sources: the additional data of the game, if gankit cannot open it again by name.
    settings: changes in how the game is trained, such as `generator_optimizer={"lr": 1e-5}`. If the game was built
        with a loss or another object of your own, pass it here: `loss=MyLoss()`. You cannot change networks or data.
    When you train on, gankit opens the data again if the config says how. Otherwise pass the data to `fit`.
    """
    path = located(path)
    file, arrays, meta = checkpoint.opened(path)
    if meta[checkpoint.SEAL] is None:
        warnings.warn(
            f"{file} has no hash, because an older version wrote it. It cannot be checked for damage. Save it again to "
            "add a hash.",
            checkpoint.CheckpointWarning,
            stacklevel=2,
        )
    modules = {"generator": generator, "discriminator": discriminator, **(players or {})}
    check_changeable(settings)
    trainer = opened(
        file, arrays, meta, backend, device, modules=modules, sources=sources, settings=settings, devices=devices
    )
    folder = Path(path)
    if folder.is_dir() and hasattr(trainer, "history"):
        trainer.history.take_up(Run(folder).metrics_file, trainer.steps_done)
    encoder = folder / ENCODER_FOLDER
    if encoder.is_dir() and hasattr(trainer, "inferring"):
        trainer.inferring = lambda: load(encoder, trainer.backend.name, device)
    return trainer


def opened(
    path: Path,
    arrays: Mapping[str, Any],
    meta: Mapping[str, Any],
    backend: str | None = None,
    device: str = "auto",
    *,
    modules: Mapping[str, Any] = NOTHING,
    sources: Mapping[str, Any] | None = None,
    settings: Mapping[str, Setting] = NOTHING,
    devices: int | str | None = None,
) -> Trainer:
    """`load`, of a checkpoint that was read already. modules: by role. settings: changes of its config."""
    brought = {
        role: module if isinstance(module, Native) else Native(module)
        for role, module in modules.items()
        if module is not None
    }
    config, spec = described(path, arrays, meta)
    config, shapes = config.with_settings(settings), {name: array.shape for name, array in arrays.items()}
    if backend is None and meta["backend"] in registry.names("backends"):
        backend = meta["backend"]
    on = open_backend(backend, device, config.dtype, config.precision, devices)
    others = {name: open_data(source) for name, source in (sources or {}).items()}
    with header.of_the_file(path, bool(brought)):
        look = partial(checkpoint.require_player, path, shapes)
        trainer = assemble(config, on, spec, None, brought, others, look)
        adopt = getattr(trainer, "adopt", None)  # a trainer of somebody else's may only know the path
        return cast(Trainer, trainer.restore(path) if adopt is None else adopt(path, arrays, meta))


def described(path: Path, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> tuple[Config, DataSpec]:
    """The game and the data of a checkpoint that was read; raises CheckpointError for a header that cannot be true."""
    header.check(path, meta, {name: array.shape for name, array in arrays.items()})
    header.check_units(path, arrays)
    with header.of_the_file(path):
        return Config().with_settings({"penalties": (), **meta["config"]}), DataSpec.from_checkpoint(arrays, meta)


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
    # How long it is trained is not a part of the game; `usual_steps` knows.
    config = Config().with_settings({name: value for name, value in recipe_settings.items() if name != "steps"})
    return config.with_settings(
        {**settings, **{name: value for name, value in named.items() if value is not None}, "recipe": recipe}
    )


def _brought(settings: Mapping[str, Any]) -> tuple[dict[str, Native], dict[str, Setting]]:
    """The user's own modules among the settings, by role, and the settings with their names in their places."""
    settings, brought = dict(settings), {}

    def named(role: str, value: Any) -> Any:
        # A module of MLX is a dict as well, but one to be called.
        if value is None or (isinstance(value, str | Mapping | Part) and not callable(value)):
            return value
        brought[role] = value if isinstance(value, Native) else Native(value)
        return {"name": NATIVE, "module": brought[role].name}

    for role in PHASES:
        if role in settings:
            settings[role] = named(role, settings[role])
    further = settings.get("players")
    if isinstance(further, Mapping):
        settings["players"] = {
            role: {**table, "network": named(role, table["network"])}
            if isinstance(table, Mapping) and "network" in table
            else table
            for role, table in further.items()
        }
    return brought, settings


def _classes(dataset: Dataset, config: Config) -> int:
    """How many classes the networks of a game with labels are told of."""
    if dataset.labels is None:
        raise DataError(f"The loss is conditional, but {dataset.name} has no labels. Pass data=(x, labels).")
    if dataset.num_classes is None:
        seen = int(dataset.labels.max()) + 1
        raise ConfigError(
            f"The loss is conditional, but the number of classes of {dataset.name} is unknown. Pass num_classes={seen} "
            "(one more than its largest label), or more if some classes never occur."
        )
    return dataset.num_classes
