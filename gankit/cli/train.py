"""`gankit train` and `gankit demo`: begin a run, or take one up where it was left."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gankit import switches
from gankit.cli.duration import seconds
from gankit.cli.heap import keep_freed_memory
from gankit.cli.session import Session, is_unmeasured, warn
from gankit.cli.settings import Options, told_steps
from gankit.cli.team import among, follow, leading, position, team, tell
from gankit.errors import ConfigError, did_you_mean, one_of

if TYPE_CHECKING:
    from gankit.config import Config
    from gankit.interfaces import Logger
    from gankit.runs.folder import Run

DEMO_STEPS = 3_000
"""By trial: 99 of 100 samples then lie nearest to a real digit of the class asked for; 95 after 1,000 steps."""

Backend = Annotated[str | None, typer.Option(help="torch, jax, or another installed backend; by default the first.")]
Name = Annotated[str | None, typer.Option(metavar="NAME")]
Every = Annotated[int, typer.Option(min=1, metavar="STEPS")]
Names = Annotated[list[str] | None, typer.Option(metavar="NAME", help="You can give it more than once.")]


def demo(
    backend: Backend = None,
    out: Annotated[Path, typer.Option(help="The run folder; if it exists, a numbered one.")] = Path("runs/demo"),
    steps: Annotated[int, typer.Option(min=1)] = DEMO_STEPS,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Train a small GAN on the built-in digits. Takes at most a minute."""
    # Matrices this small are multiplied sooner by one thread than shared out: 5 ms a step against 8 (torch, 2 cores).
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options = Options(backend=backend, recipe="cgan", data="digits", steps=steps, seed=seed, out=out)
    folder = play(options, new=True, quietly=True)
    typer.echo(
        f"\nEach column of {folder / 'samples.png'} is a class, 0 to 9. Each row has its own noise.\n"
        "Try next:\n"
        f"  gankit sample {_quoted(folder)} --labels 3 --n 64 --out threes.png\n"
        f"  gankit train --out {_quoted(folder)} --steps {2 * steps}\n"
        "  gankit train --data ring --steps 3000\n"
        "  gankit train --help"
    )


def train(
    backend: Backend = None,
    recipe: Annotated[str | None, typer.Option(help="A set of defaults; see `gankit recipes`.  [default: mlp]")] = None,
    data: Annotated[
        str | None, typer.Option(help="Built-in data, .npz, .npy, a table (.csv), or images: faces@64, faces.zip@64.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many steps in total, including those done before.  [default: the recipe's, mostly 5,000]"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The seed of everything random.  [default: 0]")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or float64.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = None,
    devices: Annotated[
        str | None, typer.Option(metavar="N", help="JAX: how many devices share each minibatch, or all.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.  [default: runs/RECIPE-DATA]")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as generator.hidden=64,64; repeatable."),
    ] = None,
    loss: Name = None,
    penalty: Names = None,
    lr: Annotated[float | None, typer.Option(help="The learning rate of both optimizers.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="How many examples a minibatch has.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A condition computed from the examples, such as downsample; repeatable."),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME=DATA", help="More data, such as b=faces@64; repeatable.")
    ] = None,
    log_every: Every = 100,
    sample_every: Every = 1_000,
    checkpoint_every: Every = 1_000,
    logger: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another logger, such as tensorboard; repeatable.")
    ] = None,
    evaluate_every: Annotated[
        int, typer.Option(min=0, metavar="STEPS", help="Measure on validation data and keep the best; 0: never.")
    ] = 0,
    evaluate: Annotated[
        str | None, typer.Option(metavar="METRIC", help="What to measure; by default what fits the data.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Save and stop after this time, such as 30min or 2h.")
    ] = None,
    keep: Annotated[
        int, typer.Option(min=1, help="How many checkpoints to keep, besides the best and the last finite one.")
    ] = 3,
    on_nan: Annotated[
        str, typer.Option(metavar="POLICY", help="What to do on NaN or infinity: tell, stop, or rollback.")
    ] = "tell",
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Skip images that cannot be read.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Do not use the cache of decoded images.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Start a new run in a new folder.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the networks and how long training takes; write nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out with the settings that you change here.")
    ] = False,
) -> None:
    """Train a GAN. Repeat the command to resume a run."""
    if no_cache:
        os.environ["GANKIT_CACHE"] = "off"  # wherever in this process data is opened
    if skip_broken:
        data = _skipping(data)
    options = Options(
        backend=backend, recipe=recipe, data=data, steps=steps or told_steps(recipe, out), seed=seed, dtype=dtype,
        device=device, devices=devices, loss=loss, penalty=tuple(penalty or ()), lr=lr, batch_size=batch_size,
        given=tuple(given or ()), source=tuple(source or ()), set=tuple(set_ or ()), out=out,
        log_every=log_every, sample_every=sample_every, checkpoint_every=checkpoint_every,
        evaluate_every=evaluate_every, evaluate=evaluate, logger=tuple(logger or ()), budget=budget,
        keep=keep, on_nan=on_nan, resume=resume,
    )  # fmt: skip
    if budget is not None:
        seconds(budget)
    _check_policy(on_nan)
    if evaluate is not None:
        _check_metric(evaluate, evaluate_every)
    if dry_run:
        from gankit.cli.dry_run import dry_run as show

        show(options)
        return
    play(options, new=new)


def play(options: Options, *, new: bool = False, quietly: bool = False) -> Path:
    """Train as told, in a new run folder or in the one that is there, and return it.

    Exits 128 and the signal's number after Ctrl-C (130), SIGTERM (143) or SIGHUP (129), and 1 where something could
    not be written. quietly: say nothing of a folder that is taken.
    """
    from gankit.cli.output import tolerant_output
    from gankit.play.interrupt import ENDS, Stopped, deferred_interrupt

    if switches.on("heap"):
        keep_freed_memory()
    with tolerant_output(), ExitStack() as stack:
        try:
            with deferred_interrupt(ENDS) as asked:
                workers = team(options)
                if workers is not None and workers.rank:
                    follow(options, workers)
                    raise typer.Exit
                with leading(workers):
                    loggers = _loggers(options)
                    run, trainer = _opened(options, new, quietly, stack)
                    if trainer is not None:
                        asked.check()
                if workers is not None:
                    tell(workers, {"exit": 0} if trainer is None else position(run, trainer))
                if trainer is not None:
                    Session(run, trainer, replace(options, out=run.folder), loggers, asked, workers).play()
                return run.folder
        except KeyboardInterrupt as stopped:
            typer.echo("\nInterrupted before the first step. Nothing is lost.", err=True)
            raise typer.Exit(128 + (stopped.number if isinstance(stopped, Stopped) else 2)) from None


def _opened(options: Options, new: bool, quietly: bool, stack: ExitStack) -> tuple[Run, Any]:
    """The run folder, now ours, and its game at the step where it goes on; no game where nothing is left to do."""
    from gankit.building import configure
    from gankit.data.tables.table import described
    from gankit.runs.folder import Run, fresh
    from gankit.runs.owner import Owner

    if options.resume:
        return _taken_up(options, new, stack)
    config = configure(options.recipe or "mlp", options.data, **options.settings())
    folder = options.out or Path("runs") / f"{config.recipe}-{Path(config.data).stem}"
    if new:
        owner = stack.enter_context(fresh(folder, warn))
    else:
        Run(folder).exists()  # raises, before anything is made, where the folder holds something else
        owner = stack.enter_context(Owner(folder, warn))
    run = Run(owner.folder)
    if new and run.folder != folder and not quietly:
        typer.echo(f"{folder} exists and stays as it is. The new run is in {run.folder}.")
    if run.exists():
        return run, _resumed(run, config, options)
    trainer = _built(config, options)
    run.begin(config)
    run.note_data(config)
    _note(run, trainer, options)
    typer.echo(f"{run.folder}: {trainer!r}{among(trainer)}")
    if getattr(trainer.spec, "codec", None) is not None:
        typer.echo(described(trainer.data))
    if skipped := run.note_skipped(config, trainer):
        which = "image cannot be read and is" if skipped == 1 else "images cannot be read and are"
        warn(f"{skipped:,} {which} skipped; see {run.skipped_file}.")
    return run, trainer


def _taken_up(options: Options, new: bool, stack: ExitStack) -> tuple[Run, Any]:
    """The run folder of --out, which must be one, and its game, trained otherwise from here on."""
    from gankit.runs.folder import Run
    from gankit.runs.owner import Owner

    if options.out is None or new or (options.recipe, options.data, options.seed) != (None, None, None):
        raise ConfigError("--resume continues a run: name its folder with --out, without --recipe, --data or --seed.")
    if not Run(options.out).exists():
        raise ConfigError(f"There is no run in {options.out} to resume. Leave out --resume to start one.")
    run = Run(stack.enter_context(Owner(options.out, warn)).folder)
    return run, _resumed(run, run.config().with_settings(options.settings()), options)


def _resumed(run: Run, config: Config, options: Options) -> Any:
    """The game of a run folder at its latest checkpoint; None when it is done."""
    from gankit import checkpoint
    from gankit.building import opened
    from gankit.data.broken import SKIP
    from gankit.limits import check_changeable
    from gankit.runs.folder import differences
    from gankit.runs.rollback import rates, rollbacks, with_lower_rates

    old = run.config()
    if not options.names_a_game():
        config = old  # `gankit train --out RUN --steps 9000` means the game that is there
    skips = config.data == old.data + SKIP
    before = replace(old, data=config.data) if skips else old
    changes = differences(before, config)
    changed = {key: value for key, value in config.to_plain().items() if value != before.to_plain().get(key)}
    if options.resume:
        check_changeable(changed)
    elif changes:
        raise ConfigError(
            f"{run.folder} has a run with different settings:\n  " + "\n  ".join(changes) + "\n"
            "Add --new to start a run in a new folder, choose another folder with --out, or keep the old settings: "
            f"gankit train --out {_quoted(run.folder)} --steps {options.steps}{_onwards(run, changed)}"
        )
    if skips:
        old = run.skip_broken(old)
    found = run.usable_checkpoint(warn)
    if found is None:
        typer.echo(f"{run.folder} has no checkpoint yet. Starting from step 0.")
        trainer = _built(config, options)
        run.rewind(0)
        run.note_data(config)
        return trainer
    path, arrays, meta = found
    done = checkpoint.step_of(path)
    halved, now = rollbacks(run, done)
    possible = [old, *run.configs_before(done)]
    run.check_played(path, meta, *(with_lower_rates(each, n) for n in (halved, now) for each in reversed(possible)))
    run.check_data(config)
    if done >= options.steps and not is_unmeasured(run, done, options):
        typer.echo(f"{run.folder} has already done {done:,} steps. To continue, ask for more: --steps {2 * done}")
        return None
    if meta[checkpoint.SEAL] is None:
        warn(f"{path} has no hash, because an older version wrote it. It cannot be checked for damage.")
    current = with_lower_rates(config, now)
    settings = {key: current.to_plain()[key] for key in {**changed, **run.changed_since(done)}}
    settings |= {"data": old.data, **(rates(current) if now else {})}
    device = options.device or "auto"
    trainer = opened(path, arrays, meta, options.backend, device, settings=settings, devices=options.devices)
    if changes:
        run.change(done, config)
        typer.echo(f"New settings from step {done:,} on:\n  " + "\n  ".join(changes))
    across = "" if meta["backend"] == trainer.backend.name else f" (written by {meta['backend']})"
    typer.echo(f"Resuming {run.folder} on {trainer.backend.name} from step {done:,}{across}{among(trainer)}.")
    run.rewind(done)
    _note(run, trainer, options)
    return trainer


def _onwards(run: Run, changed: Mapping[str, Any]) -> str:
    """How to go on with other settings, where these can change."""
    from gankit.limits import CHANGEABLE

    if not changed.keys() <= set(CHANGEABLE):
        return ""
    return f". To continue with the new settings: --resume --out {_quoted(run.folder)}, and only what changes."


def _built(config: Config, options: Options) -> Any:
    from gankit.building import begin

    return begin(config, options.backend, options.device or "auto", devices=options.devices)


def _note(run: Run, trainer: Any, options: Options) -> None:
    from gankit.runs.folder import environment

    run.note_environment(environment(trainer, options.without_paths().command()), trainer.steps_done)


def _skipping(data: str | None) -> str:
    from gankit.data.broken import SKIP

    if data is None:
        raise ConfigError("--skip-broken skips images of a folder. Name the folder with --data.")
    return data if SKIP in data else data + SKIP


def _check_policy(name: str) -> None:
    from gankit.runs.rollback import POLICIES

    if name not in POLICIES:
        raise ConfigError(f"--on-nan {name}:{did_you_mean(name, POLICIES)} Possible: {one_of(POLICIES)}.")


def _check_metric(name: str, every: int) -> None:
    from gankit.metrics.best import settle

    if not every:
        raise ConfigError(f"--evaluate {name} measures during training. Say how often: --evaluate-every STEPS.")
    settle(name)


def _loggers(options: Options) -> dict[str, Logger]:
    """Opened before anything else, so that a misspelt one leaves no folder behind."""
    if not options.logger:
        return {}
    from gankit.runs.loggers import open_loggers

    return open_loggers(options.logger)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
