"""Whatever a process, a disk or another process does: a run folder holds a good checkpoint, and goes on from it."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gankit import checkpoint, disk
from gankit.config import Config
from gankit.errors import CheckpointError, RunInUseError
from gankit.runs.folder import Run, fresh
from gankit.runs.owner import NAME, Owner
from gankit.runs.records import Checkpoints
from gankit.runs.writing import Writing
from tests.cli_runner import Cli
from tests.faults import killing
from tests.faults.conftest import Counting
from tests.faults.killing import Saved
from tests.faults.processes import finish, gone, start, traces, train

STEPS = 200


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    run.begin(Config())
    return run


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PAUSES", (0.0, 0.0))


def test_01_a_killed_writer_leaves_the_last_checkpoint_that_it_told_of(tmp_path: Path, counting: Counting) -> None:
    count = counting(1, 60, 200)
    command = [sys.executable, killing.__file__, str(tmp_path / "run"), str(count.cases), "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    count(int(done.stdout))


def test_02_a_killed_run_goes_on_to_the_bit_equal_end(backend: str, tmp_path: Path, counting: Counting) -> None:
    count = counting(2, 2, 20, backend)
    code, _, err = finish(train(backend, "whole", STEPS), tmp_path)
    assert code == 0, err
    draw, killed = random.Random(2), 0
    while killed < count.cases:
        process = start(train(backend, "run", STEPS), tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(1.0, 9.0))
        process.kill()
        if process.wait() == 0:  # it was done before
            assert traces(tmp_path / "run") == traces(tmp_path / "whole")
            shutil.rmtree(tmp_path / "run")
        killed += 1
        count()
    code, _, err = finish(train(backend, "run", STEPS), tmp_path)
    assert code == 0, err
    assert traces(tmp_path / "run") == traces(tmp_path / "whole")


class Faulty:
    """Calls of the operating system that fail: the k-th alone, or it and all that follow."""

    CALLS = ("open", "mkdir", "replace", "fsync", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made, self.at, self.error, self.persistent = 0, 0, 0, False
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))
        real = open

        def opened(*arguments: Any, **settings: Any) -> Any:
            self._count(None)
            file = real(*arguments, **settings)
            return FaultyFile(file, self)

        monkeypatch.setattr(disk, "open", opened, raising=False)

    def arm(self, at: int, error: int, persistent: bool) -> None:
        self.made, self.at, self.error, self.persistent = 0, at, error, persistent

    def disarm(self) -> int:
        """How many calls there were."""
        made, self.at = self.made, 0
        return made

    def _count(self, path: Any) -> None:
        self.made += 1
        if self.at and (self.made == self.at or (self.persistent and self.made > self.at)):
            raise OSError(self.error, os.strerror(self.error))

    def _failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **settings: Any) -> Any:
            self._count(arguments[0])
            return real(*arguments, **settings)

        return call


class FaultyFile:
    def __init__(self, file: Any, faults: Faulty) -> None:
        self._file, self._faults = file, faults

    def write(self, piece: Any) -> int:
        self._faults._count(None)
        return int(self._file.write(piece))

    def __enter__(self) -> FaultyFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.usefixtures("at_once")
def test_03_whichever_call_fails_the_last_checkpoint_stays_good(
    run: Run, monkeypatch: pytest.MonkeyPatch, counting: Counting
) -> None:
    errors = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EINTR, errno.EDQUOT)
    saves, step = Checkpoints(run, 1, keep=2), 3
    for first in (1, 2, 3):
        saves.save(Saved(first, 100))
    faults = Faulty(monkeypatch)
    faults.arm(0, 0, False)
    saves.save(Saved(step, 100))
    calls = faults.disarm()
    assert calls >= 8
    count = counting(3, calls * len(errors) * 2)
    for persistent in (False, True):
        for error in errors:
            for k in range(1, calls + 1):
                step += 1
                faults.arm(k, error, persistent)
                try:
                    saves.save(Saved(step, 100))
                    saved = True
                except OSError as failed:
                    saved = False
                    assert "run" in str(failed) or failed.errno == error, failed
                faults.disarm()
                path, arrays, _ = checkpoint.newest(run.checkpoints(), pytest.fail, run.folder)
                there = checkpoint.step_of(path)
                assert there == step or (not saved and there == step - 1), (k, error, persistent)
                assert (arrays["x"] == there).all()
                if not saved:
                    saves.save(Saved(step, 100))  # the cause is gone
                for left in run.folder.glob("*/.*.tmp"):
                    left.unlink()  # where the unlink itself failed
                count()


def test_03_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counting: Counting) -> None:
    count, real, log = counting(3, 3, None, "short writes"), open, tmp_path / "log"

    class Short(FaultyFile):
        def write(self, piece: Any) -> int:
            return int(self._file.write(piece[:3]))

    monkeypatch.setattr(disk, "open", lambda *a, **s: Short(real(*a, **s), None), raising=False)  # type: ignore[arg-type]
    for line in (b'{"step": 10}\n', b'{"step": 20}\n', b'{"step": 30}\n'):
        disk.append(log, line)
        count()
    assert log.read_bytes() == b'{"step": 10}\n{"step": 20}\n{"step": 30}\n'


def test_04_a_full_disk_is_told_once_and_played_through(tmp_path: Path, counting: Counting) -> None:
    """A real one, in a namespace of its own; where there is none to be had, a limit on the size of files."""
    count = counting(4, 2, None, "full, then free again")
    code = "import sys; sys.argv[1:] = {}; from gankit.cli import main; main()"
    arguments = train("torch", "disk/run", 60_000, "--log-every", "5", "--checkpoint-every", "50")
    script = (
        "mkdir -p disk && mount -t tmpfs -o size=400k tmpfs disk || exit 99\n"
        f'{sys.executable} -c "$0" & child=$!\n'
        'for i in $(seq 600); do [ -n "$(ls disk/run/checkpoints 2>/dev/null)" ] && break; sleep 0.1; done\n'
        "head -c 10m /dev/zero > disk/filler 2>/dev/null\nsleep 3\nrm disk/filler\nsleep 2\n"
        "kill -TERM $child; wait $child; echo code $?; cp -r disk/run kept\n"
    )
    command = ["unshare", "-rm", "sh", "-c", script, code.format(arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, env=dict(os.environ))
    if done.returncode == 99 or not shutil.which("unshare"):
        pytest.skip("no file system can be mounted here")
    assert done.stderr.count("Could not write") >= 1 and "No space left on device" in done.stderr, done.stderr
    assert done.stderr.count("Could not write") <= 6, "each cause is told once"
    assert "disk/run" in done.stderr and "Free some space" in done.stderr
    count()
    run = Run(tmp_path / "kept")
    path, _, meta = checkpoint.newest(run.checkpoints(), pytest.fail, run.folder)
    steps = [json.loads(line)["step"] for line in run.metrics_file.read_text().splitlines()]
    assert "code 143" in done.stdout and meta["steps_done"] == checkpoint.step_of(path) > 0
    assert steps == list(range(5, 5 * len(steps) + 1, 5)), "lines that had to wait are there, in order"
    assert steps[-1] > meta["steps_done"] - 5, "the checkpoint succeeds when there is space again"
    count()


@contextmanager
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As root sees it, too."""

    def refuse(*arguments: Any, **settings: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(disk, "open", refuse, raising=False)
        yield


@pytest.mark.usefixtures("at_once")
def test_04_a_read_only_a_deleted_and_a_limited_folder(
    run: Run, monkeypatch: pytest.MonkeyPatch, counting: Counting, tmp_path: Path
) -> None:
    count, said = counting(4, 4, None, "read-only, deleted, limited"), list[str]()
    writing, saves = Writing(said.append), Checkpoints(run, 1)
    assert writing.attempt(saves.save, Saved(1))
    with read_only(monkeypatch):
        for step in (2, 3):
            assert not writing.attempt(saves.save, Saved(step))
    assert len(said) == 1 and "Make that disk writable" in said[0] and "checkpoints" in said[0]
    count()
    assert writing.attempt(saves.save, Saved(4)) and checkpoint.step_of(checkpoint.find(run.folder)) == 4
    count()
    shutil.rmtree(run.folder)
    assert writing.attempt(saves.save, Saved(5)) and run.exists(), "a folder that was removed is begun again"
    count()
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", sys.executable, "-m", "gankit"]
    command = [*limited, *train("torch", "small", 40, "--set", "generator.hidden=[64]")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1 and "Allow larger files" in done.stderr, done.stderr
    assert len((tmp_path / "small" / "metrics.jsonl").read_bytes().splitlines()) == 4
    count()


def test_04_a_run_that_cannot_be_written_is_measured(
    cli: Cli, tmp_path: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = counting(4, 1, None, "evaluated where nothing can be written")
    assert cli(*train("torch", "run", 20)).code == 0

    def refuse(path: Path, content: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(checkpoint, "write_atomically", refuse)
    code, out, err = cli("evaluate", "run", "--metric", "modes", "--n", "100")
    assert code == 0 and "modes" in out and "The numbers are not kept" in err, (out, err)
    count()


def test_05_files_of_the_dead_are_collected_and_no_others(run: Run, counting: Counting) -> None:
    count, dead, folder = counting(5, 50 + 5), gone(os.getpid()), run.folder / "checkpoints"
    folder.mkdir()
    for i in range(50):
        name = f".step-{i:06d}.safetensors.{disk.host()}.{dead}.tmp" if i % 2 else f".config.toml.{dead}.tmp"
        (folder / name if i % 2 else run.folder / f".step-{i:06d}.png.{dead}.tmp").write_bytes(b"half")
    others = [
        folder / f".step-000001.safetensors.{disk.host()}.{os.getpid()}.tmp",
        folder / f".step-000001.safetensors.00000000.{dead}.tmp",
        folder / ".cache.tmp",
        run.folder / ".cache.tmp",
        run.folder / "notes.tmp",
    ]
    for other in others:
        other.write_bytes(b"theirs")
    run.rewind(0)
    for other in others:
        assert other.read_bytes() == b"theirs", other
        count()
    left = {path for path in run.folder.rglob("*.tmp")} - set(others)
    assert not left
    count(50)


def test_06_there_is_always_a_good_checkpoint(run: Run, counting: Counting) -> None:
    count, over, seen = counting(6, 200), threading.Event(), list[int]()
    wrong = list[str]()

    def watch() -> None:
        while not over.is_set():
            try:
                path, arrays, _ = checkpoint.opened(run.folder, wrong.append)
                seen.append(checkpoint.step_of(path))
                if not (arrays["x"] == seen[-1]).all():
                    wrong.append(f"{path} holds another step")
            except CheckpointError as error:
                wrong.append(str(error))

    saves = Checkpoints(run, 1, keep=1)
    checkpoint.write(run.best_checkpoint, {"x": np.zeros(1)}, {"steps_done": 0})
    saves.save(Saved(0, 1000))
    thread = threading.Thread(target=watch)
    thread.start()
    for step in range(1, count.cases + 1):
        saves.save(Saved(step, 1000))
        count()
    over.set()
    thread.join()
    assert not wrong and len(seen) > 10 and seen == sorted(seen)
    assert run.best_checkpoint.is_file() and [checkpoint.step_of(path) for path in run.checkpoints()] == [count.cases]


def test_06_the_last_finite_checkpoint_stays(run: Run, counting: Counting) -> None:
    count = counting(6, 20, None, "after NaN")
    saves = Checkpoints(run, 1, keep=2)
    for step in (1, 2, 3):
        saves.save(Saved(step, 100))
    for step in range(4, 4 + count.cases):
        trainer = Saved(step, 100)
        trainer.save = lambda path, step=step: checkpoint.write(  # type: ignore[method-assign]
            path, {"x": np.full(3, np.nan)}, {"steps_done": step}
        )
        saves.save(trainer)
        steps = [checkpoint.step_of(path) for path in run.checkpoints()]
        assert steps[0] == 3 and steps[-1] == step, steps
        count()


def hold(folder: Path) -> subprocess.Popen[str]:
    """A process that holds a folder until its stdin is closed."""
    code = (
        "import sys; from pathlib import Path; from gankit.runs.owner import Owner\n"
        "owner = Owner(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_07_one_owner_at_a_time_and_none_after_a_crash(tmp_path: Path, counting: Counting) -> None:
    count = counting(7, 20)
    folder = tmp_path / "run"
    for i in range(5):
        process = hold(folder)
        with pytest.raises(RunInUseError, match=f"process {process.pid} on {socket.gethostname()}"):
            Owner(folder)
        count()
        with process:
            process.kill()
        said = list[str]()
        with Owner(folder, said.append):  # what it left is free, whatever its number means now
            assert len(said) == 1 and str(process.pid) in said[0]
        assert not (folder / NAME).exists()
        count()
        holder = {"pid": (os.getpid(), 1, gone(0), 2**40, "x")[i], "host": socket.gethostname()}
        folder.mkdir(exist_ok=True)
        (folder / NAME).write_text(json.dumps(holder))  # of a number that another process has by now
        with Owner(folder), pytest.raises(RunInUseError):
            Owner(folder)
        count()
    for content in (b"", b"[]", b"\xff" * 5000, b"{"):
        folder.mkdir(exist_ok=True)
        (folder / NAME).write_bytes(content)
        with Owner(folder):
            count()
    owners = [fresh(tmp_path / "new") for _ in range(3)]
    assert len({owner.folder for owner in owners}) == 3
    for owner in owners:
        owner.release()
    count()


def test_07_a_second_training_is_told_who_has_the_folder(tmp_path: Path, counting: Counting) -> None:
    count = counting(7, 3, None, "trainings and readers")
    run = Run(tmp_path / "run")
    process = start(train("torch", "run", 10**7), tmp_path, stdout=subprocess.DEVNULL)
    while not run.checkpoints() and process.poll() is None:
        time.sleep(0.05)
    code, _, err = finish(train("torch", "run", 10**7), tmp_path)
    assert code == 2 and f"process {process.pid} on" in err
    count()
    code, out, err = finish(["sample", "run", "--out", "x.npy"], tmp_path)
    assert code == 0 and "64 samples" in out, err
    count()
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "Everything is saved" in err
    lines = [json.loads(line)["step"] for line in run.metrics_file.read_text().splitlines()]
    assert lines == sorted(set(lines))
    count()


def test_08_a_latest_cut_anywhere_falls_back(run: Run, counting: Counting) -> None:
    saves = Checkpoints(run, 1)
    for step in (1, 2):
        saves.save(Saved(step, 20))
    latest = run.checkpoint_file(2)
    whole = latest.read_bytes()
    count = counting(8, len(whole))
    for length in range(len(whole)):
        latest.write_bytes(whole[:length])
        said = list[str]()
        path, _, _ = checkpoint.opened(run.folder, said.append)
        assert checkpoint.step_of(path) == 1
        assert len(said) == 1 and str(latest) in said[0] and str(path) in said[0], "both are named"
        count()


def test_08_every_file_deleted_in_turn(
    backend: str, cli: Cli, tmp_path: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli(*train(backend, "run", 40)).code == 0
    names = sorted(str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file())
    count = counting(8, len(names), None, f"deleted, {backend}")
    for name in names:
        shutil.copytree(tmp_path / "run", tmp_path / "other")
        (tmp_path / "other" / name).unlink()
        code, _, err = cli(*train(backend, "other", 45))
        if name == "config.toml":
            assert code == 2 and "no config.toml" in err
        else:
            assert code == 0, (name, err)
        shutil.rmtree(tmp_path / "other")
        count()
