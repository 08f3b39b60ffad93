"""Everything about a run that can be known without a framework, asked before the first run of a sweep begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gankit import checkpoint
from gankit.building import Prepared, configure, prepared
from gankit.cli.session import is_unmeasured
from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.data.sources import open_data
from gankit.errors import CheckpointError, ConfigError, GankitError, did_you_mean, one_of
from gankit.layers import place
from gankit.networks.native import Native
from gankit.play.assembling import architecture, game_spec
from gankit.play.balance import Balance
from gankit.play.game import G
from gankit.play.plans import plans
from gankit.plug import registry
from gankit.plug.making import distinct, make, prior_of
from gankit.runs.folder import Run, differences
from gankit.runs.loggers import open_loggers
from gankit.runs.rollback import POLICIES
from gankit.sweeping.spec import Planned, Spec


def check(spec: Spec, runs: Sequence[Planned]) -> None:
    """Raises the first error that one of the runs would end with before its first step, naming the run."""
    if spec.fixed.on_nan not in POLICIES:
        meant = did_you_mean(spec.fixed.on_nan, POLICIES)
        raise ConfigError(f"{spec.path}: on_nan = {spec.fixed.on_nan!r}.{meant} Possible: {one_of(POLICIES)}.")
    if spec.fixed.logger:
        open_loggers(spec.fixed.logger)
    opened: dict[str, Dataset] = {}
    backends = registry.names("backends")
    for run in runs:
        try:
            if not backends or run.options.backend not in (None, *backends):
                meant = did_you_mean(str(run.options.backend), backends)
                raise ConfigError(f"The backend {run.options.backend!r} is not installed.{meant}" if backends else NONE)
            config = configured(run)
            _check_game(config, _prepared(config, opened))
        except GankitError as error:
            raise type(error)(f"{spec.path}, {_named(run)}: {error}") from error


NONE = "No backend is installed. Type pip install 'gankit[torch]' or pip install 'gankit[jax]'."


def configured(run: Planned) -> Config:
    """The game of a run, as `gankit train` makes it of its options."""
    return configure(run.options.recipe or "mlp", run.options.data, **run.options.settings())


def check_folders(spec: Spec, runs: Sequence[Planned]) -> None:
    """Raise ConfigError, with the difference, where a folder holds a run of another game than the spec's by now, or one
    that has been played further."""
    for planned in runs:
        run = Run(planned.folder)
        if not run.exists():
            continue
        changes = differences(run.config(), configured(planned))
        if (done := steps_done(planned)) > planned.options.steps:
            changes.append(f"steps: {done:,} → {planned.options.steps:,}")
        if changes:
            raise ConfigError(
                f"{planned.folder} was played by another spec than {spec.path} is now:\n  "
                + "\n  ".join(changes)
                + "\n"
                "Put the spec back as it was, or name another folder with --out: what is there stays."
            )


def steps_done(run: Planned) -> int:
    """How far a run has come, by the name of its last checkpoint."""
    return max((checkpoint.step_of(path) for path in Run(run.folder).checkpoints()), default=0)


def is_finished(run: Planned) -> bool:
    """Whether nothing is left to play: the last checkpoint is there, its header can be read, and it is measured."""
    head = header(run)
    unmeasured = is_unmeasured(Run(run.folder), run.options.steps, run.options)
    return head is not None and (head.get("finite") is False or not unmeasured)


def header(run: Planned) -> Mapping[str, Any] | None:
    """Of the checkpoint of the last step; None where that is not there, or damaged."""
    try:
        return checkpoint.outline(Run(run.folder).checkpoint_file(run.options.steps))[0]
    except CheckpointError:
        return None


def _named(run: Planned) -> str:
    return ", ".join(f"{key} = {value!r}" for key, value in run.values.items()) or f"seed {run.seed}"


def _prepared(config: Config, opened: dict[str, Dataset]) -> Prepared:
    """`prepared`, with each data set opened once for all runs."""

    def data(name: str) -> Dataset:
        if name not in opened:
            opened[name] = open_data(name)
        return opened[name]

    own = data(config.data)
    own = own if config.num_classes is None else open_data(own, num_classes=config.num_classes)
    return prepared(config, own, sources={name: data(source) for name, source in config.sources.items()})


def _check_game(config: Config, game: Prepared) -> None:
    """Make every part that is no backend's, and lay out the players' networks: what `assemble` does, on paper."""
    config = game.config
    own = game_spec(config, game.spec)
    make("losses", config.loss)
    distinct("penalties", config.penalties)
    distinct("constraints", config.constraints)
    for part in config.augmentations:
        make("augmentations", part, own, 2.0)
    if config.balance:
        Balance(**config.balance, k=config.k)
    for plan in plans(config):
        make("optimizers", plan.optimizer)
        prior = prior_of(config.prior, config.latent_dim) if plan.kind == G else None
        spec = game_spec(config, game.spec, plan.source)
        layers = architecture(plan, spec, {})
        if not isinstance(layers, Native):
            first = (prior.width,) if prior else spec.shape
            place((*(prior.layers if prior else ()), *layers), first)
