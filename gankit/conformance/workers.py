"""Several workers that play one game compute what one would, write once, and stop together.

They are played by two processes, or by one with two devices where the backend has that, on the CPU. What they come to
is read back and compared; the checks share one such run.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree_by_name, require
from gankit.conformance.games import Recorder, small, start, with_dropout
from gankit.conformance.results import Check, NotApplicable
from gankit.conformance.running import normalised
from gankit.conformance.subject import Subject
from gankit.errors import CapabilityError
from gankit.interfaces import Backend
from gankit.layers import Dense, Flatten, LeakyRelu, MinibatchStddev, Reshape, Sigmoid
from gankit.parts.together import workers_of
from gankit.play.sharing import sharing
from gankit.play.workers import writes
from gankit.plug import registry
from gankit.plug.capabilities import DATA_PARALLEL
from gankit.plug.making import open_backend

STEPS, COUNT, NEAR = 10, 2, 1e-9
SAMPLES = 2_100
"""Enough for three parts, of which one worker has two."""
PATIENCE = 180
"""Seconds given to the other processes."""
PROGRAM = "import sys; from gankit.conformance.workers import carry_out; carry_out(*sys.argv[1:])"
MASKED = {"augmentations": ["translation", "cutout"], "dtype": "float64"}
CLIPPED, PENALISED = {"gradient_clip": 0.05, "accumulate": 2}, {"penalties": [{"name": "r1", "weight": 5.0}]}
COMPARING = {
    "generator": (Dense(6), Sigmoid(), Reshape((3, 2, 1))),
    "discriminator": (MinibatchStddev(4), Flatten(), Dense(5), LeakyRelu(), Dense(1), Reshape(())),
}
NATIVE = {"generator": "native", "discriminator": "native"}
GAMES: Mapping[str, Callable[[Backend], Any]] = {
    "clipped": lambda backend: start(backend, small(**CLIPPED)),
    "penalised": lambda backend: start(backend, small(**PENALISED)),
    "normalised": normalised,
    "compared": lambda backend: start(backend, small(**NATIVE, **PENALISED), brought=COMPARING),
    "masked": lambda backend: start(backend, with_dropout(**MASKED)),
}


class Told(NamedTuple):
    """What became of the workers.

    states: by worker, every array and logged term under `game/name`. files: which of theirs were written, by worker.
    stops: (what each says, after how many steps) where the second one is stopped after its third.
    """

    states: tuple[Mapping[str, Array], ...]
    files: tuple[bool, ...]
    stops: tuple[tuple[str, int], ...]


class Stop:
    """A callback that fails on the second worker."""

    every = 1

    def __call__(self, trainer: Any, step: int, terms: Any) -> None:
        workers = workers_of(trainer.backend.ops)
        if workers is not None and workers.rank == 1 and step == 3:
            raise RuntimeError("stopped")


def states(make: Callable[[], Backend]) -> dict[str, Array]:
    """Every array and logged term of every game after some steps."""
    found: dict[str, Array] = {}
    for game, begin in GAMES.items():
        recorder = Recorder()
        trainer = begin(make()).fit(steps=STEPS, callbacks=[recorder])
        arrays = {name: x for name, x in trainer._game.pack(trainer._state)[0].items() if not name.startswith("data/")}
        arrays |= {f"log/{term}": np.array([line[term] for line in recorder.terms]) for term in recorder.terms[0]}
        found |= {f"{game}/{name}": x for name, x in arrays.items()}
        if game == "clipped":
            with sharing():
                found["shared/samples"] = trainer.sample(SAMPLES, seed=1)
    return found


def carry_out(backend: str, devices: str, folder: str) -> None:
    """What a worker does; devices: how many it has, "" for one."""

    def make() -> Backend:
        return open_backend(backend, "cpu", "float64", devices=devices or None)

    workers = workers_of(make().ops)
    rank = 0 if workers is None else workers.rank
    np.savez(Path(folder) / f"{rank}.npz", allow_pickle=False, **states(make))
    trainer = GAMES["penalised"](make())
    trainer.save(Path(folder) / f"saved-{rank}")
    said = ""
    try:
        trainer.fit(steps=20, callbacks=[Stop()])
    except Exception as error:  # whatever it is, it is what is asked for
        said = f"{type(error).__name__}: {error}"
    (Path(folder) / f"{rank}.json").write_text(json.dumps([said, trainer.steps_done, writes(trainer.backend.ops)]))


@cache
def _told(backend: str, program: str) -> Told:
    """What two workers come to, or one with two devices."""
    kind: Any = registry.load("backends", backend)
    devices = str(COUNT) if "devices" in inspect.signature(kind).parameters else ""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={COUNT}"
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for rank in range(1 if devices else COUNT):
            told = {"XLA_FLAGS": flags.strip()} if devices else _places(rank, folder)
            command = [sys.executable, "-c", program, backend, devices, folder]
            pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            processes.append(subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1", **told}, **pipes))
        try:
            for process in processes:
                _, err = process.communicate(timeout=PATIENCE)
                require(process.returncode == 0, f"A worker failed:\n{err[-1500:]}")
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        ranks, loaded = range(len(processes)), []
        for rank in ranks:
            with np.load(Path(folder) / f"{rank}.npz") as found:
                loaded.append(dict(found))
        files = tuple((Path(folder) / f"saved-{rank}.safetensors").exists() for rank in ranks)
        stops = tuple(tuple(json.loads((Path(folder) / f"{rank}.json").read_text())[:2]) for rank in ranks)
    return Told(tuple(loaded), files, stops)


def _places(rank: int, folder: str) -> dict[str, str]:
    """What torchrun would set. The port is chosen by the first, and the same for all."""
    note = Path(folder) / "port"
    if not rank:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            note.write_text(str(free.getsockname()[1]))
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": COUNT, "MASTER_PORT": note.read_text()}
    return {name: str(value) for name, value in place.items()} | {"MASTER_ADDR": "127.0.0.1"}


def _of(subject: Subject) -> Told:
    if DATA_PARALLEL not in subject.capabilities:
        raise CapabilityError(f"needs {DATA_PARALLEL}, which the backend does not declare", DATA_PARALLEL)
    return _told(subject.name, PROGRAM)


def _alike(subject: Subject, game: str, cause: str) -> None:
    told, want = _of(subject), _alone(subject.name)
    for rank, state in enumerate(told.states):
        own, one = ({k: x for k, x in each.items() if k.startswith(f"{game}/")} for each in (state, want))
        agree_by_name(own, one, f"{STEPS} steps, worker {rank} of {COUNT} beside one alone", atol=NEAR, cause=cause)


@cache
def _alone(backend: str) -> Mapping[str, Array]:
    return states(lambda: open_backend(backend, "cpu", "float64"))


def check_workers_average_their_gradients(subject: Subject) -> None:
    """A game with two workers would differ from a game with one, or the workers would drift apart."""
    _alike(subject, "clipped", "a gradient that is averaged after it was clipped, or an average that one worker moves.")


def check_workers_average_their_penalties(subject: Subject) -> None:
    """A penalty would cover the rows of one worker only."""
    _alike(subject, "penalised", "a second derivative that is not averaged.")


def check_batch_norm_is_by_all_workers(subject: Subject) -> None:
    """Batch norm would see only a part of the minibatch, so a game would depend on the number of workers."""
    _alike(subject, "normalised", "statistics of a worker's own rows, in the pass or among the running ones.")


def check_workers_compare_with_all_rows(subject: Subject) -> None:
    """A D that compares the examples of a minibatch would see those of one worker, or G not learn from the rest."""
    _alike(subject, "compared", "the rows of other workers left out, or the gradient that reaches one's own by theirs.")


def check_workers_draw_as_one_would(subject: Subject) -> None:
    """All workers would train on the same latents, masks and shifts, so more workers would add nothing."""
    _alike(subject, "masked", "numbers drawn for a worker's own rows from a key that all have.")


def check_workers_share_samples(subject: Subject) -> None:
    """`gankit evaluate` by several workers would measure other samples than by one, or the same ones out of order."""
    _alike(subject, "shared", "parts that come back in another order, or that are computed otherwise.")


def check_one_worker_writes(subject: Subject) -> None:
    """Two processes would write the same file at once and corrupt it."""
    told = _of(subject)
    if len(told.files) == 1:
        raise NotApplicable("one process has both devices")
    require(told.files == (True, False), f"The workers wrote {told.files}; the first one is to, and no other.")


def check_workers_stop_at_one_step(subject: Subject) -> None:
    """If one worker stops, the others would wait for it forever."""
    told = _of(subject)
    if len(told.stops) == 1:
        raise NotApplicable("one process has both devices")
    (first, *at), (second, *there) = told.stops
    what = (
        f"After an error on the second worker in step 3 the first one says {first!r} at step {at}, and the second one"
    )
    what = f"{what} {second!r} at step {there}"
    require(at == there == [3] and second == "RuntimeError: stopped", f"{what}; both are to stop after step 3.")
    # Whoever waits for one that is gone finds out in the end, later, and without a step that all have.
    stopped = first.startswith("WorkersError: Worker 1 has stopped")
    require(stopped, f"{what}. The first one was not told, and has waited for the other in vain.")


CHECKS: tuple[Check, ...] = (
    check_workers_average_their_gradients,
    check_workers_average_their_penalties,
    check_batch_norm_is_by_all_workers,
    check_workers_compare_with_all_rows,
    check_workers_draw_as_one_would,
    check_workers_share_samples,
    check_one_worker_writes,
    check_workers_stop_at_one_step,
)
