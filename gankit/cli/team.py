"""A run that several workers play: the first of them owns the folder and writes, the others follow it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gankit.cli.settings import Options
from gankit.errors import ConfigError, GankitError, WorkersError
from gankit.plug.launched import launched

if TYPE_CHECKING:
    from gankit.interfaces import Workers
    from gankit.runs.folder import Run


def team(options: Options) -> Workers | None:
    """The workers that this process was started beside; None where it is alone. Raises ConfigError, on each of them,
    where they were not started with one command."""
    from gankit import __version__
    from gankit.play.workers import several
    from gankit.plug.making import open_backend

    if launched() == 1 and options.devices is None:
        return None
    workers = several(open_backend(options.backend, options.device or "auto", "float32", devices=options.devices).ops)
    if workers is not None:
        plain = {name: value for name, value in asdict(options.without_paths()).items() if name != "out"}
        mine = json.dumps({"gankit": __version__, **plain}, default=str)
        first, *others = (json.loads(text) for text in workers.everybody(mine))
        for rank, other in enumerate(others, 1):
            if other != first:
                name = next(name for name in first if other.get(name) != first[name])
                raise ConfigError(
                    f"Worker {rank} was started otherwise than worker 0: {name} {first[name]!r} → {other.get(name)!r}. "
                    "Start all of them with one command, and the same packages."
                )
    return workers


def first_of(run: Path, backend: str | None, device: str, devices: str | None) -> bool:
    """Whether this process is the one, of those that were started together for a run, that speaks and writes."""
    from gankit import checkpoint
    from gankit.play.workers import writes
    from gankit.plug import registry
    from gankit.plug.making import open_backend

    if launched() == 1 and devices is None:
        return True
    wrote = checkpoint.outline(checkpoint.find(run))[0]["backend"]
    name = backend or (wrote if wrote in registry.names("backends") else None)
    return writes(open_backend(name, device, "float32", devices=devices).ops)


def typed(options: Options) -> str:
    """The command that starts a run again, with its workers where all of them are on this host."""
    here = os.environ.get("LOCAL_WORLD_SIZE")  # as torchrun sets it
    alone = launched() == 1 or here != os.environ["WORLD_SIZE"]
    return options.command() if alone else f"torchrun --nproc-per-node {here} -m {options.command()}"


def among(trainer: Any) -> str:
    """How many workers play a game, and on how many hosts, in words that follow others."""
    from gankit.play import workers

    ops = trainer.backend.ops
    return workers.among(workers.shares(ops), workers.hosts(ops))


def tell(workers: Workers | None, what: Mapping[str, Any]) -> None:
    """By the first worker: what the others are to do next."""
    if workers is not None:
        workers.everybody(json.dumps(what))


@contextmanager
def leading(workers: Workers | None) -> Iterator[None]:
    """Inside, before it has told anything, the first worker's end is that of the others, who say why too."""
    try:
        yield
    except BaseException as error:
        number = getattr(error, "number", None)  # of a signal
        told: dict[str, Any] = {"exit": getattr(error, "exit_code", 1) if number is None else 128 + number}
        tell(workers, told | ({"error": str(error)} if isinstance(error, GankitError) else {}))
        raise


def position(run: Run, trainer: Any) -> dict[str, Any]:
    """Where the game is taken up, to be told: from a checkpoint of the run, or from the start."""
    from gankit.limits import CHANGEABLE

    path = run.checkpoint_file(trainer.steps_done)
    return {
        "config": run.config().to_plain(),
        "checkpoint": str(path) if trainer.steps_done else None,
        "settings": {key: trainer.config.to_plain()[key] for key in (*CHANGEABLE, "players")},
        "backend": trainer.backend.name,
    }


def follow(options: Options, workers: Workers) -> None:
    """Play as one of the other workers, to the end or to where all stop; raises typer.Exit where that is too early."""
    from gankit.play.interrupt import Stopped, StoppedAtOnce, TimeIsUp
    from gankit.runs.rollback import NotFinite

    trainer, code = _told(options, workers)
    while trainer is not None:
        try:
            _play(trainer, options)
        except NotFinite:
            trainer, code = _told(options, workers)
            continue
        except TimeIsUp:
            pass
        except StoppedAtOnce:
            raise
        except KeyboardInterrupt as stopped:
            code = 128 + (stopped.number if isinstance(stopped, Stopped) else 2)
        part(workers)
        break
    if code:
        raise typer.Exit(code)


def _play(trainer: Any, options: Options) -> None:
    """What the first worker does between two steps, as far as it may end the game."""
    from gankit.runs.rollback import FiniteState, FiniteTerms

    looks = options.on_nan != "tell"
    callbacks = [FiniteTerms(options.log_every), FiniteState(options.checkpoint_every)] if looks else []
    trainer.fit(steps=options.steps - trainer.steps_done, callbacks=callbacks)
    if looks:
        FiniteState(1)(trainer, trainer.steps_done, {})


def part(workers: Workers | None) -> None:
    """Wait for all, so that whoever ends a worker that is done does not end the one that still writes."""
    if workers is not None:
        workers.highest([0])


def _told(options: Options, workers: Workers) -> tuple[Any, int]:
    """(the game that the first worker says is played, at the step where it is taken up, 0); or (None, exit code)."""
    from gankit import checkpoint
    from gankit.building import begin, opened
    from gankit.config import Config

    told = json.loads(workers.everybody("")[0])
    if "error" in told:
        raise WorkersError(f"Worker 0 cannot begin, and worker {workers.rank} with it: {told['error']}")
    if "exit" in told:
        return None, told["exit"]
    device, devices = options.device or "auto", options.devices
    if told["checkpoint"] is None:
        config = Config().with_settings({"penalties": (), **told["config"]})
        return begin(config, options.backend, device, devices=devices), 0
    path = Path(told["checkpoint"])
    if not path.is_file():
        raise ConfigError(
            f"Worker {workers.rank} does not see {path}, from which the run goes on: the run folder must be on a disk "
            "that all workers share."
        )
    arrays, meta = checkpoint.read(path)
    backend = options.backend or told["backend"]
    return opened(path, arrays, meta, backend, device, settings=told["settings"], devices=devices), 0
