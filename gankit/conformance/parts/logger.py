"""What any logger is judged by, a stranger's included: what it keeps, what it leaves alone, and a game beside it.

python -m gankit.conformance --logger tensorboard
"""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gankit.config import Config
from gankit.conformance.compare import bit_equal, require
from gankit.conformance.games import leaves, small, start
from gankit.conformance.parts.common import imports_no_framework, made
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.play.interrupt import Asked, Stopped
from gankit.runs.loggers import Loggers

METHODS = {"start": ("folder", "config", "step"), "log": ("step", "terms"), "finish": ()}
OF_THE_RUN = {
    "config.toml": "seed = 5\n",
    "metrics.jsonl": '{"step": 10}\n',
    "checkpoints/step-000010.safetensors": "x",
}
"""What lies in a run folder before a logger is begun."""


class Said(list[str]):
    """What core tells the user of a logger that failed."""


@contextmanager
def folder() -> Iterator[Path]:
    """A run folder, which is the working directory's too: whatever is written lands in it."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        for file, text in OF_THE_RUN.items():
            (run / file).parent.mkdir(parents=True, exist_ok=True)
            (run / file).write_text(text)
        os.chdir(name)
        try:
            yield run
        finally:
            os.chdir(here)


def session(logger: Any, run: Path, told: Mapping[int, Mapping[str, float]], begin: int = 0) -> Said:
    """One start of a run under the logger: what core says of it where it fails."""
    said = Said()
    with Loggers({"broken": logger}, run, 10, said.append).start(Config(), begin) as loggers:
        for step, terms in told.items():
            loggers(None, step, dict(terms))
    return said


def number(i: int) -> float:
    """Numbers of six digits, which single precision holds exactly and nothing else in a file looks like."""
    return 1000.25 + i


def kept(run: Path, value: float) -> bool:
    """Whether a number is in any of the files beside the run's own, as a text or as a float of either size."""
    own = {run / name for name in OF_THE_RUN}
    return any(_in(path, value) for path in run.parent.rglob("*") if path.is_file() and path not in own)


def _in(path: Path, value: float) -> bool:
    texts = [repr(value).encode(), f"{value:.5e}".encode(), f"{value:.6g}".encode()]
    forms = texts + [struct.pack(order + size, value) for order in "<>" for size in "fd"]
    content = path.read_bytes()
    return any(form in content for form in forms)


def needs_files(run: Path, values: Iterable[float]) -> None:
    """Raises NotApplicable for a logger whose numbers go elsewhere, such as to a server: none of them is in a file,
    not even rounded to a whole one."""
    contents = [path.read_bytes() for path in run.parent.rglob("*") if path.is_file()]
    for value in values:
        rounded = str(int(value)).encode()
        if kept(run, value) or (value > 1000 and any(rounded in content for content in contents)):
            return
    raise NotApplicable("What it is told is in no file here, as a text or a float; what it keeps cannot be seen.")


def check_logger_contract(candidate: Candidate) -> None:
    """The logger would be switched off at its first step, and the user find an empty folder."""
    logger = made(candidate)
    for name, arguments in METHODS.items():
        method = getattr(logger, name, None)
        require(callable(method), f"{candidate} has no method {name}({', '.join(arguments)}).")
        try:
            inspect.signature(method).bind(*arguments)  # type: ignore[arg-type]
        except TypeError as error:
            raise AssertionError(f"{candidate}: {name}({', '.join(arguments)}) cannot be called: {error}.") from error
    with folder() as run:
        said = session(logger, run, {10: {"d_loss": 1.0, "g_loss": 2.0}})
    require(not said, f"{candidate}: {' '.join(said)}")


def check_logger_writes_nothing_before_it_is_started(candidate: Candidate) -> None:
    """A dry run, or a run that is refused, would leave files behind."""
    with folder() as run:
        before = sorted(run.parent.rglob("*"))
        made(candidate)
        after = sorted(run.parent.rglob("*"))
    found = [str(path.relative_to(run.parent)) for path in after if path not in before]
    require(not found, f"{candidate}: being made it writes {', '.join(found)}. Write from start() on.")


def check_logger_keeps_all_that_it_is_told(candidate: Candidate) -> None:
    """The last steps before the end of a run, or some of the terms, would be missing."""
    told = {
        10 * i: {"d_loss": number(i), "D(x)": number(100 + i), "grad norm/G": number(200 + i) / 1e6}
        for i in range(1, 6)
    }
    with folder() as run:
        session(made(candidate), run, told)
        needs_files(run, [value for terms in told.values() for value in terms.values()])
        for step, terms in told.items():
            for name, value in terms.items():
                require(
                    kept(run, value), f"{candidate}: {name} of step {step} is in no file after finish(), to six digits."
                )


def check_logger_keeps_it_when_the_run_goes_on(candidate: Candidate) -> None:
    """With `--resume` the first half of the curves would be gone."""
    first = {step: {"d_loss": number(step)} for step in (10, 20, 30)}
    again = {step: {"d_loss": number(500 + step)} for step in (30, 40)}
    with folder() as run:
        session(made(candidate), run, first)
        needs_files(run, map(number, first))
        said = session(made(candidate), run, again, begin=20)  # from a checkpoint at step 20: 30 comes again
        require(not said, f"{candidate}, where a run goes on: {' '.join(said)}")
        for step, value in ((10, number(10)), (20, number(20)), (30, number(530)), (40, number(540))):
            require(kept(run, value), f"{candidate}: a run goes on from step 20, and what step {step} said is gone.")


def check_logger_takes_every_number(candidate: Candidate) -> None:
    """The logger would be switched off in the middle of a run: where a term begins later, or is not finite."""
    told: dict[int, dict[str, float]] = {
        10: {"d_loss": 1.0},
        20: {"d_loss": float("nan"), "g_loss": float("inf"), "D(G(z))": 1e-300},
        30: {"r1": -0.0, "d_loss": -1e30, "FID, n=1,000": 3.0},
        40: {"g_loss": 1.0},
        50: {"d_loss": float(np.float32(0.1))},
    }
    with folder() as run:
        said = session(made(candidate), run, told)
    require(not said, f"{candidate}: {' '.join(said)} Terms come and go, their names are any text, numbers any float.")


def check_logger_leaves_the_run_alone(candidate: Candidate) -> None:
    """The run could not be resumed, or would be another one: the logger changes what is not its own."""
    terms = {"d_loss": 1.0, "g_loss": 2.0}
    with folder() as run:
        logger, own_terms, here, drawn = made(candidate), dict(terms), os.getcwd(), _drawn()
        errors = np.geterr()
        logger.start(run, Config(), 0)
        logger.log(10, terms)
        logger.finish()
        require(terms == own_terms, f"{candidate} changes the terms that it is handed: {terms}.")
        require(os.getcwd() == here, f"{candidate} changes the working directory.")
        require(_drawn() == drawn, f"{candidate} draws from NumPy's global generator.")
        require(np.geterr() == errors, f"{candidate} changes how NumPy treats errors (np.seterr).")
        for name, text in OF_THE_RUN.items():
            same = (run / name).is_file() and (run / name).read_text() == text
            require(same, f"{candidate} changes the run's own {name}. Write to a file, or a folder, of your own.")


def _drawn() -> bytes:
    """How far NumPy's global generator is."""
    state: Any = np.random.get_state()
    return f"{state[2]} ".encode() + bytes(state[1].tobytes())


def check_logger_runs_apart(candidate: Candidate) -> None:
    """Two runs of one process, such as a sweep, would write into one file."""
    with folder() as run:
        other = run.parent / "other"
        other.mkdir()
        first, second = made(candidate), made(candidate)
        for logger, own in ((first, run), (second, other)):
            logger.start(own, Config(), 0)
        first.log(10, {"d_loss": number(1)})
        second.log(10, {"d_loss": number(2)})
        first.finish()
        second.log(20, {"d_loss": number(3)})
        second.finish()
        needs_files(run, [number(1), number(2)])
        for value, own, foreign in ((1, run, other), (2, other, run), (3, other, run)):
            there = [path for path in own.rglob("*") if path.is_file() and _in(path, number(value))]
            elsewhere = [path for path in foreign.rglob("*") if path.is_file() and _in(path, number(value))]
            said = f"{candidate}: two runs at once, and what one was told is"
            require(bool(there), f"{said} not in its own folder.")
            require(not elsewhere, f"{said} in the other's folder.")


def check_logger_survives_a_folder_that_cannot_be_written(candidate: Candidate) -> None:
    """A full disk would end a run of days: a logger that fails raises an Exception, and core plays on without it."""
    with folder() as run, only_exceptions(candidate):
        logger = made(candidate)
        logger.start(run / "config.toml" / "below", Config(), 0)  # a file is in the place of a folder
        logger.log(10, {"d_loss": 1.0})
        logger.finish()
    with folder() as run, only_exceptions(candidate):
        logger = made(candidate)
        logger.start(run, Config(), 0)
        shutil.rmtree(run)
        run.write_text("")
        logger.log(10, {"d_loss": 1.0})
        logger.finish()


@contextmanager
def only_exceptions(candidate: Candidate) -> Iterator[None]:
    """Inside, the logger may raise any Exception, and nothing else."""
    with Asked().taken((signal.SIGINT,)):  # somebody's Ctrl-C is a `Stopped`, and no fault of the logger
        try:
            yield
        except (KeyboardInterrupt, SystemExit) as error:
            if isinstance(error, Stopped):
                raise
            what = f"{candidate}, a folder that cannot be written: {type(error).__name__} ends the run."
            raise AssertionError(f"{what} Raise an Exception.") from error
        except Exception:
            return  # core says so, and plays on without the logger


def check_logger_leaves_what_is_in_its_way(candidate: Candidate) -> None:
    """Files would be deleted to make room for the logger's own. Raise an Exception, and core plays on without it."""
    with folder() as run:
        in_the_way = run / "config.toml"
        session(made(candidate), in_the_way / "below", {10: {"d_loss": 1.0}})
        require(in_the_way.is_file(), f"{candidate} deletes the file that is in the place of its folder.")
    with folder() as run:
        with Loggers({"broken": made(candidate)}, run, 10, Said().append).start(Config(), 0) as loggers:
            shutil.rmtree(run)
            run.write_text("")
            loggers(None, 10, {"d_loss": 1.0})
        require(run.is_file(), f"{candidate} deletes the file that came into the place of its folder.")


def check_logger_changes_nothing_of_the_game(candidate: Candidate) -> None:
    """The run would be another one with the logger than without."""
    trained = []
    for logged in (False, True):
        config = small(dtype="float32")
        with folder() as run:
            trainer = start(candidate.on.open("float32"), config)
            loggers = Loggers({"broken": made(candidate)} if logged else {}, run, 1, Said().append)
            with loggers.start(config, 0):
                trainer.fit(steps=4, callbacks=[loggers])
        trained.append(leaves(trainer))
        require(config == small(dtype="float32"), f"{candidate} changes the settings that it is handed: {config}.")
    bit_equal(trained[1], trained[0], f"{candidate}: four steps with it beside four without")


def check_logger_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the logger, and everybody would wait for the import."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_logger_contract,
    check_logger_writes_nothing_before_it_is_started,
    check_logger_keeps_all_that_it_is_told,
    check_logger_keeps_it_when_the_run_goes_on,
    check_logger_takes_every_number,
    check_logger_leaves_the_run_alone,
    check_logger_runs_apart,
    check_logger_survives_a_folder_that_cannot_be_written,
    check_logger_leaves_what_is_in_its_way,
    check_logger_changes_nothing_of_the_game,
    check_logger_imports_no_framework,
)
