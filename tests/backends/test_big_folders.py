"""Folders too large for memory: one run, whoever decodes what when, however it is stopped, whatever is cached."""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gankit
from gankit.data import decoding, folder
from gankit.data.kept import DONE
from gankit.data.lazy import Pictures
from gankit.data.store import Store
from tests.cli_runner import INTERRUPTIBLE, Cli

SMALL = ["--set", "generator.hidden=[16]", "--set", "discriminator.hidden=[16]", "--set", "batch_size=16"]
EVERY = ["--log-every", "5", "--sample-every", "20", "--checkpoint-every", "20", "--steps", "100"]
LARGE = """from typing import Any
from gankit.data import decoding, store
decoding.IN_MEMORY = decoding.WORTH = 0
store.BETWEEN = 0.05
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    monkeypatch.setattr(decoding, "WORTH", 0)
    return Cli(monkeypatch, capsys)


def faces(path: Path, n: int = 700) -> Path:
    rng = np.random.default_rng(0)
    path.mkdir(parents=True)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(path / f"{i:04d}.png")
    return path


def arguments(backend: str, out: str, data: str = "./faces@8", *more: str) -> list[str]:
    return ["train", "--backend", backend, "--data", data, *SMALL, *EVERY, "--out", out, *more]


def traces(run: Path) -> dict[str, bytes]:
    """What may not hang on who decoded what when."""
    logs = [run / name for name in ("config.toml", "metrics.jsonl", "vitals.jsonl", "samples.png")]
    return {path.name: path.read_bytes() for path in (*logs, sorted((run / "checkpoints").iterdir())[-1])}


def test_the_run_is_the_same_cold_and_warm_with_any_workers_and_without_a_cache(
    cli: Cli, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces(tmp_path / "faces")
    monkeypatch.setattr("gankit.data.store.usable_cores", lambda: 1)
    assert cli(*arguments(backend, "cold")).code == 0
    want = traces(tmp_path / "cold")
    assert cli(*arguments(backend, "warm")).code == 0
    assert list((tmp_path / "cache").rglob("done"))
    shutil.rmtree(tmp_path / "cache")
    monkeypatch.setattr("gankit.data.store.usable_cores", lambda: 4)
    assert cli(*arguments(backend, "four")).code == 0
    shutil.rmtree(tmp_path / "cache")
    assert cli(*arguments(backend, "bare", "./faces@8", "--no-cache")).code == 0
    assert not (tmp_path / "cache").exists()
    for other in ("warm", "four", "bare"):
        assert traces(tmp_path / other) == want, other


def test_a_run_killed_while_pictures_are_decoded_ends_as_if_it_had_not_been(
    cli: Cli, backend: str, tmp_path: Path
) -> None:
    faces(tmp_path / "faces")
    assert cli(*arguments(backend, "whole", "./faces@8", "--no-cache")).code == 0
    os.environ["GANKIT_CACHE"] = str(tmp_path / "cache")
    asked_for = f"\n{inspect.getsource(only_what_is_asked_for)}\nstore.Store._next = only_what_is_asked_for\n"
    command = [sys.executable, "-c", LARGE + asked_for + INTERRUPTIBLE[-1], *arguments(backend, "run")]
    process, first = subprocess.Popen(command, cwd=tmp_path), tmp_path / "run/checkpoints/step-000020.safetensors"
    deadline = time.monotonic() + 120
    while not first.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = np.fromfile(next((tmp_path / "cache").rglob("done")), np.uint8) == DONE
    assert 0 < done.sum() < len(done), "it was killed while decoding went on"
    code, out, err = cli(*arguments(backend, "run"))
    assert code == 0 and "Resuming" in out, err
    assert traces(tmp_path / "run") == traces(tmp_path / "whole")


def test_a_picture_found_broken_saves_what_is_done_and_may_be_skipped_from_there(
    cli: Cli, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the end the run is the one that skipped from the start."""
    bad = faces(tmp_path / "faces") / "0600.png"
    bad.write_bytes(bad.read_bytes()[:60])
    monkeypatch.setattr("gankit.data.dataset.FOR_THE_MEAN", 8)
    monkeypatch.setattr(Store, "start", lambda store, start=Store.start: start(store) if store._urgent else None)
    monkeypatch.setattr(Store, "_next", only_what_is_asked_for)
    code, _, err = cli(*arguments(backend, "run"))
    assert code == 2 and "0600.png cannot be read as an image" in err and "--skip-broken" in err
    assert "is saved" in err and list((tmp_path / "run" / "checkpoints").iterdir())
    code, out, err = cli(*arguments(backend, "run", "./faces@8", "--skip-broken"))
    assert code == 0 and "Resuming" in out and "1 images cannot be read" in err, err
    assert (tmp_path / "run" / "skipped.txt").read_text().startswith("0600.png: ")
    code, out, err = cli("train", "--out", "run", *EVERY, "--steps", "120")
    assert code == 0 and "Resuming" in out, err
    assert cli(*arguments(backend, "other", "./faces@8", "--skip-broken", "--steps", "120")).code == 0
    run, other = traces(tmp_path / "run"), traces(tmp_path / "other")
    assert run == other
    bad.write_bytes((tmp_path / "faces" / "0601.png").read_bytes())
    code, _, err = cli("train", "--out", "run", "--steps", "130")
    assert code == 2 and "is not the data" in err


def only_what_is_asked_for(store: Any, wait: bool) -> list[int] | None:
    """In place of the rest: so a step is reached before the broken picture is."""
    while not store._stopped:
        with store._changed:
            while store._urgent:
                unit = [row for row in store._urgent.popleft() if not store._taken[row]]
                if unit:
                    store._taken[unit] = True
                    return unit
            if not wait:
                return None
            store._changed.wait(0.05)
    return None


def test_in_memory_and_from_disk_are_the_same_run(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the mean is taken of all, as of 500 pictures. The bytes are the same, wherever they are scaled."""
    where, parameters = faces(tmp_path / "faces", 500), []
    for most in (2**28, 0):
        monkeypatch.setattr(decoding, "IN_MEMORY", most)
        data = folder(where, size=8, cache=False)
        assert isinstance(data.x, Pictures) == (most == 0)
        sizes = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}}
        gan = gankit.build(backend, data=data, batch_size=16, **sizes).fit(steps=40)
        parameters.append(gan.generator.parameters)
    for name, values in parameters[0].items():
        np.testing.assert_array_equal(values, parameters[1][name])
