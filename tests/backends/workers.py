"""Small games that several workers play, and what becomes of each: run by `test_workers.py`, alone and as N processes.

RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 python -m tests.backends.workers FOLDER 20
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import gankit
from gankit.errors import GankitError
from gankit.play.interrupt import Deadline, TimeIsUp

_RNG = np.random.default_rng(5)
PICTURES = _RNG.integers(0, 256, (40, 28, 28, 1), dtype=np.uint8)
CLASSES = np.arange(40) % 4
MIXED = (PICTURES, CLASSES)
SMALL: Mapping[str, Any] = {
    "data": "ring",
    "generator": {"hidden": [8]},
    "discriminator": {"hidden": [8]},
    "latent_dim": 4,
    "batch_size": 16,
}
WIDTH: Mapping[str, Any] = {"generator": {"width": 4}, "discriminator": {"width": 4}, "batch_size": 8}
GAMES: Mapping[str, Mapping[str, Any]] = {
    "plain": SMALL,
    "gradient penalty, k": {**SMALL, "loss": "wasserstein", "penalties": ["gradient-penalty"], "k": 2},
    "lazy r1, accumulated, clipped, averaged": {
        **SMALL,
        "penalties": [{"name": "r1", "weight": 1.0, "every": 4}],
        "accumulate": 2,
        "gradient_clip": 0.5,
        "ema": 0.9,
    },
    "relativistic average": {**SMALL, "loss": "relativistic-average"},
    "lecam": {**SMALL, "penalties": ["lecam"]},
    "feature matching": {**SMALL, "loss": "feature-matching"},
    "dragan": {**SMALL, "penalties": ["dragan"]},
    "consensus": {**SMALL, "loss": "relativistic-average", "schedule": "simultaneous", "consensus": 0.1},
    "batch norm, accumulated": {"recipe": "dcgan", "data": PICTURES, **WIDTH, "accumulate": 2},
    "batch norm, differentiated twice": {"recipe": "dcgan", "data": PICTURES, **WIDTH, "penalties": ["r1"]},
    "conditional, augmented": {
        "recipe": "cdcgan",
        "data": MIXED,
        "num_classes": 4,
        **WIDTH,
        "fake_labels": "uniform",
        "augmentations": ["colour", "translation", "cutout"],
    },
    "dropout": {
        "recipe": "gan-2014",
        "data": PICTURES,
        "generator": {"units": 8},
        "discriminator": {"units": 8},
        "batch_size": 8,
    },
    "others' conditions": {
        "recipe": "masked-rows",
        "data": "grid",
        "generator": {"hidden": 8},
        "discriminator": {"hidden": 8},
        "penalties": ["mismatched", "diversity"],
        "batch_size": 8,
    },
}
Told = dict[str, Any]


class Log:
    """Every term of every step."""

    every = 1

    def __init__(self) -> None:
        self.lines: list[dict[str, float]] = []

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.lines.append(dict(terms))


class At:
    """A callback that does something after a step."""

    every = 1

    def __init__(self, step: int, do: Any) -> None:
        self._step, self._do = step, do

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        if step == self._step:
            self._do()


def build(backend: str, game: Mapping[str, Any], **more: Any) -> Any:
    return gankit.build(backend=backend, **{"dtype": "float64", **game, **more})


def states(backend: str, steps: int, games: Mapping[str, Mapping[str, Any]] = GAMES, **more: Any) -> dict[str, Any]:
    """Every array of every game after so many steps, and every term on the way, under `game/name`."""
    found = {}
    for name, game in games.items():
        log = Log()
        trainer = build(backend, game, **more).fit(steps=steps, callbacks=[log])
        arrays = {leaf: x for leaf, x in trainer._game.pack(trainer._state)[0].items() if not leaf.startswith("data/")}
        for term in log.lines[0]:
            arrays[f"log/{term}"] = np.array([line[term] for line in log.lines])
        found |= {f"{name}/{leaf}": x for leaf, x in arrays.items()}
    return found


def said(f: Any) -> str:
    """What an error says; "" where there is none."""
    try:
        f()
    except (GankitError, KeyboardInterrupt, RuntimeError, TimeIsUp) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def accidents(backend: str, rank: int) -> Told:
    """How all workers come to stop."""

    def stopped(step: int, do: Any) -> tuple[str, int]:
        """(what this worker says, its steps) when the second one does that after a step."""
        trainer = build(backend, SMALL)
        callbacks = [At(step, do)] if rank == 1 else []
        return said(lambda: trainer.fit(steps=30, callbacks=callbacks)), trainer.steps_done

    def fail() -> None:
        raise RuntimeError("the disk is full")

    stream = ([PICTURES] * 2)[: 2 - rank]  # the second worker has fewer
    return {
        "uneven": said(lambda: build(backend, SMALL, batch_size=9)),
        "uneven parts": said(lambda: build(backend, SMALL, accumulate=16)),
        "other game": said(lambda: build(backend, SMALL, seed=rank).fit(steps=1)),
        "interrupted": stopped(3, lambda: os.kill(os.getpid(), signal.SIGINT)),
        "error": stopped(5, fail),
        "time": stopped(4, lambda: Deadline(0.0)(None, 4, {})),
        "exhausted": said(lambda: build(backend, {"recipe": "dcgan", **WIDTH}, data=iter(stream)).fit(steps=30)),
    }


def from_a_file(backend: str, folder: Path, **more: Any) -> tuple[dict[str, Any], int]:
    """(the state of a game whose examples stay in a file, after some steps; how many rows its minibatches read)."""
    from gankit.play import feed

    rows, real = [0], feed.native_floats

    def counting(x: Any) -> Any:
        rows[0] += int(np.prod(x.shape[:-1]))
        return real(x)

    path = folder / f"points-{os.getpid()}.npy"
    np.save(path, np.random.default_rng(3).normal(size=(64, 2)))
    game = {**SMALL, "data": np.load(path, mmap_mode="r"), "k": 2}
    state = states(backend, 4, {"file": game}, **more)
    trainer = build(backend, game, **more)
    feed.native_floats = counting
    try:
        trainer._feed(None).chunk(0, 3)
    finally:
        feed.native_floats = real
    return state, rows[0]


def free_port() -> int:
    """One of this machine on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def left_to_autograd() -> list[str]:
    """Which phases of the games so far are not played as recorded."""
    from gankit_torch.recording import Recorded

    phases = [x for x in gc.get_objects() if isinstance(x, Recorded)]
    assert phases
    return [phase._f.__qualname__ for phase in phases if not phase.possible]


def far_apart() -> bool:
    """Whether the workers have no memory that they share."""
    from gankit_torch.workers import _lines

    assert _lines.cache_info().misses == 1, "asked once, by what they have computed"
    return _lines() is None


def evaluated(path: Path, **how: Any) -> tuple[dict[str, float], int]:
    """(what a game measures, how many rows this process's extractor looked at)."""
    from gankit.metrics.cnn import DigitsCnn

    rows, real = [], DigitsCnn.open

    def counting(self: Any, backend: Any) -> Any:
        look = real(self, backend)
        return lambda x: (rows.append(len(x)), look(x))[1]

    DigitsCnn.open = counting  # type: ignore[method-assign]
    try:
        (row,) = gankit.evaluate(path, n=2000, metrics=["frechet", "class-balance"], weights="raw", **how)
    finally:
        DigitsCnn.open = real  # type: ignore[method-assign]
    assert not row.failed and not row.skipped, row
    return {each.label: each.value for each in row.measurements}, sum(rows)


def together(module: Sequence[str], count: int, **options: Any) -> list[subprocess.Popen[str]]:
    """`python -m module ...` as so many workers on this machine."""
    return started([["-m", *module]] * count, **options)


def started(commands: Sequence[Sequence[str]], *, threads: int = 1, **options: Any) -> list[subprocess.Popen[str]]:
    """`python command` for each, as workers of one game."""
    count, port = len(commands), free_port()
    shared = {**os.environ, "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"LOCAL_WORLD_SIZE": str(count), "OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [
        subprocess.Popen([sys.executable, *command], env={**shared, "RANK": str(rank)}, **pipes, **options)
        for rank, command in enumerate(commands)
    ]


def main(folder: str, steps: str, *far: str) -> None:
    if far and os.environ["RANK"] == "1":  # as on another host
        del os.memfd_create
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background ignores it, and so would this
    rank = int(os.environ["RANK"])
    state, rows = from_a_file("torch", Path(folder))
    found = {**states("torch", int(steps)), **state}
    np.savez(Path(folder) / f"{rank}.npz", **found)
    assert far_apart() == bool(far)
    path = Path(folder) / "digits.safetensors"
    told = {"rows": rows, "autograd": left_to_autograd(), "evaluated": evaluated(path), **accidents("torch", rank)}
    (Path(folder) / f"{rank}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
