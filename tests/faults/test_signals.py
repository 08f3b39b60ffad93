"""Whoever asks a run to end: it saves, says how to go on, and tells the number; asked again, it leaves at once."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import gankit
from gankit import checkpoint
from gankit.play.interrupt import ENDS, Stopped, StoppedAtOnce, deferred_interrupt
from gankit.runs.folder import Run
from tests.cli_runner import COMMAND, INTERRUPTIBLE
from tests.faults.conftest import Counting
from tests.faults.processes import finish, signalled, start, train

LONG = 10**7
KINDS = {
    "SIGINT once": [signal.SIGINT],
    "SIGTERM once": [signal.SIGTERM],
    "SIGINT twice": [signal.SIGINT, signal.SIGINT],
    "SIGTERM twice": [signal.SIGTERM, signal.SIGTERM],
}


def whole(run: Run) -> bool:
    """Whether a run folder, if it was begun, has only good checkpoints and lines in order."""
    for path in run.checkpoints():
        checkpoint.read(path)
    steps = [json.loads(line)["step"] for line in run.metrics_file.read_bytes().splitlines() or []]
    return steps == sorted(set(steps))


@pytest.mark.parametrize("kind", KINDS)
def test_21_a_signal_at_a_random_moment(backend: str, kind: str, tmp_path: Path, counting: Counting) -> None:
    count = counting(21, 2 if backend == "torch" else 1, 20, f"{kind}, {backend}")
    numbers = KINDS[kind]
    draw = random.Random(kind)
    for i in range(count.cases):
        run = Run(tmp_path / f"run-{i}")
        code, err, took = signalled(train(backend, run.folder, LONG), tmp_path, list(numbers), draw, 10.0)
        assert took < 20, took
        if not run.folder.exists() and (not err or code < 0):  # Python itself had hardly begun
            assert code in (128 + numbers[0], -numbers[0])
            count()
            continue
        # The second may come when all is done and Python itself is closing: a shell makes the same number of it.
        closing = {-numbers[0]} if len(numbers) == 2 and err else set()
        assert code in {128 + numbers[0]} | closing, (code, err)
        assert "Traceback" not in err, err
        if run.metrics_file.exists():
            assert whole(run)
        if len(numbers) == 2 and run.checkpoints():
            assert "Everything is saved" in err or "Stopped at once" in err
        if len(numbers) == 1:
            assert "Nothing is lost" in err or "Everything is saved" in err
            if "everything" in err:
                typed = shlex.split(err.strip().splitlines()[-1])
                assert typed[:2] == ["gankit", "train"]
                step = int(err.split("at step ")[1].split(";")[0].replace(",", ""))
                assert checkpoint.step_of(checkpoint.find(run.folder)) == step
        count()


def test_21_a_terminal_that_closes_and_a_run_that_ignores_it(tmp_path: Path, counting: Counting) -> None:
    count = counting(21, 2, None, "SIGHUP")
    run = Run(tmp_path / "run")
    process = start(train("torch", "run", LONG), tmp_path, stdout=subprocess.DEVNULL)
    while not run.checkpoints() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 129 and "Everything is saved" in err
    count()
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    command = [*COMMAND[:-1], ignoring + COMMAND[-1], *train("torch", "nohup", 3_000)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "nohup" / "config.toml").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)  # as under nohup
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    count()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    code, _, err = finish(train("torch", "run", 20, data="digits"), folder)
    assert code == 0, err
    return folder


@pytest.mark.parametrize("command", ["demo", "evaluate", "sample", "figure", "reproduce"])
def test_21_other_commands_end_too(command: str, trained: Path, counting: Counting) -> None:
    count = counting(21, 1, 4, command)
    arguments = {
        "demo": ["demo", "--steps", "100000"],
        "evaluate": ["evaluate", "run", "--n", "100000"],
        "sample": ["sample", "run", "--n", "5000000", "--out", "x.npy"],
        "figure": ["figure", "interpolation", "run", "--rows", "500", "--columns", "500"],
        "reproduce": ["reproduce", "gan-2014-mnist", "--budget", "1h"],
    }[command]
    draw = random.Random(command)
    for _ in range(count.cases):
        code, err, took = signalled(arguments, trained, [signal.SIGTERM], draw, 2.0)
        assert code in (143, -15) and took < 15 and "Traceback" not in err, (code, err)
        count()


def test_21_in_python_fit_stops_between_steps_and_leaves_the_handlers(backend: str, counting: Counting) -> None:
    """As in a notebook, whose kernel sends SIGINT; and where a callback is what is running."""
    count = counting(21, 4, None, f"in Python, {backend}")
    mine = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in ENDS}
    try:
        small = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}}
        game = gankit.build(backend, data="ring", **small)

        class Interrupting:
            every = 5

            def __call__(self, trainer: Any, step: int, terms: Any) -> None:
                signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            game.fit(steps=100, callbacks=[Interrupting()])
        assert game.steps_done == 5
        count()
        timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            game.fit(steps=LONG)
        timer.join()
        again = gankit.build(backend, data="ring", **small).fit(steps=game.steps_done)
        assert all((a == again.players[r].parameters[n]).all() for r in again.players for n, a in
                   game.players[r].parameters.items())  # fmt: skip
        count()
        assert {number: signal.getsignal(number) for number in ENDS} == before
        count()
        own = signal.signal(signal.SIGINT, lambda number, frame: None)
        game.fit(steps=2, callbacks=[])
        assert signal.getsignal(signal.SIGINT) is not own
        count()
    finally:
        signal.signal(signal.SIGINT, mine)


def test_21_the_second_wish_is_not_a_double_of_the_first(counting: Counting) -> None:
    count = counting(21, 3, None, "asked twice")
    mine = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with deferred_interrupt() as asked:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # a wrapper that passes it on
            count()
            time.sleep(0.3)
            with pytest.raises(StoppedAtOnce):
                signal.raise_signal(signal.SIGINT)
            count()
            with pytest.raises(Stopped):
                asked.check()
            count()
    finally:
        signal.signal(signal.SIGINT, mine)


def test_23_whoever_listens_or_not(tmp_path: Path, counting: Counting) -> None:
    count = counting(23, 10)
    plain = [*INTERRUPTIBLE, *train("torch", "{}", 60)]

    def play(name: str, shell: str, **environment: str | None) -> tuple[int, str]:
        command = shlex.join(word.replace("{}", name) for word in plain)
        env = {
            **os.environ,
            "COMMAND": command,
            **{key: value for key, value in environment.items() if value is not None},
        }
        for key, value in environment.items():
            if value is None:
                env.pop(key, None)
        done = subprocess.run(
            ["bash", "-c", shell.replace("GANKIT", command)], cwd=tmp_path, capture_output=True, text=True, timeout=120,
            env=env, errors="replace",
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert Run(tmp_path / name).checkpoint_file(60).is_file(), (name, done.stdout, done.stderr)
        count()
        return done.returncode, done.stdout

    assert play("pipe", "set -o pipefail; GANKIT | head -1")[0] == 0
    assert play("closed", "GANKIT >&-")[0] == 0
    assert play("full", "GANKIT > /dev/full")[0] == 0
    assert play("deaf", "GANKIT >&- 2>&-")[0] == 0
    assert play("nowhere", "GANKIT < /dev/null")[0] == 0
    assert play("dumb", 'script -qec "$COMMAND" /dev/null', TERM="dumb")[0] == 0
    assert play("c", "GANKIT", LANG="C", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")[0] == 0
    assert play("latin", "GANKIT", PYTHONIOENCODING="ascii")[0] == 0
    assert play("homeless", "GANKIT", HOME=None)[0] == 0
    assert play("ro", "GANKIT", HOME="/proc/nowhere", XDG_CACHE_HOME="/proc/nowhere")[0] == 0
    assert sys.stdout is not None
