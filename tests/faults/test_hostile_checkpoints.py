"""Checkpoints from anybody: opened as what they say, or refused as a CheckpointError, within seconds."""

from __future__ import annotations

import copy
import os
import random
import resource
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import gankit
from tests.faults.conftest import Counting
from tests.faults.mutations import File, keep, mutated

SEED = 20_141_210
SMALL = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "latent_dim": 4, "batch_size": 4}
FITS = (gankit.CheckpointError,)
"""What a file may end in."""
HERE = (gankit.DeviceError,)
"""What may be said of this machine instead."""


def games(backend: str) -> list[gankit.building.Trainer]:  # type: ignore[name-defined]
    points = np.random.default_rng(0).normal(size=(32, 2)).astype("f4")
    pictures = np.random.default_rng(0).integers(0, 255, (32, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(32) % 3
    ramp = {"name": "adam", "lr": {"schedule": "ramp", "start": 1e-3, "stop": 1e-4, "begin": 2, "end": 9}}
    return [
        gankit.build(backend, data=points, ema=0.9, penalties=["r1"], **SMALL),
        gankit.build(backend, "cgan", (pictures, labels), num_classes=3, generator_optimizer=ramp, **SMALL),
        gankit.build(backend, data=pictures, given="downsample", **SMALL),
    ]


@pytest.fixture
def files(backend: str, tmp_path: Path) -> list[bytes]:
    made = []
    for i, game in enumerate(games(backend)):
        made.append(game.fit(steps=2).save(tmp_path / f"{i}").read_bytes())
    return made


def test_15_mutated_checkpoints_are_opened_or_refused(
    files: list[bytes], backend: str, counting: Counting, tmp_path: Path
) -> None:
    count = counting(15, 2_000, 50_000, backend)
    draw, path, seeds = random.Random(SEED), tmp_path / "mutant.safetensors", Path("build") / "fault-seeds"
    wrong: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    slowest = 0.0
    for i in range(count.cases):
        content = mutated(draw.choice(files), draw)
        path.write_bytes(content)
        begun = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer = gankit.load(path, backend)
                if not set(trainer.spec.given) - {"label"}:
                    trainer.sample(2)
                ends["opened"] += 1
        except FITS as error:
            str(error).encode()
            ends[type(error).__name__] += 1
        except HERE:
            ends["said of the machine"] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong[f"{type(error).__name__}: {str(error)[:150]}"] += 1
            keep(seeds, i, content)
        took = time.process_time() - begun
        slowest = max(slowest, took)
        if took > 2 and i:
            wrong[f"took {took:.1f} s"] += 1
            keep(seeds, i, content)
        count()
    print(dict(ends), f"slowest {slowest:.2f} s")
    assert not wrong, "\n".join(f"{n} {what}" for what, n in wrong.most_common(20))


@pytest.mark.parametrize(("low", "high"), [(0, 2**31), (0, 1e308), (-(2**63), 255), (-1, 255), (0, 256)])
def test_15_bytes_are_clipped_to_what_bytes_can_hold(
    files: list[bytes], backend: str, counting: Counting, tmp_path: Path, low: float, high: float
) -> None:
    """Five of 100,000 mutants came through once: their pictures were to be clipped to numbers that overflow."""
    count, file = counting(15, 1, None, f"{low} to {high}, {backend}"), File(files[1])
    file.meta["data"] |= {"low": low, "high": high}
    with pytest.raises(gankit.CheckpointError, match=r"damaged header: data is uint8 and runs from"):
        gankit.load(write(tmp_path / "x.safetensors", file.content()), backend)
    count()


def test_15_no_file_costs_more_than_it_has(
    files: list[bytes], backend: str, counting: Counting, tmp_path: Path
) -> None:
    count = counting(15, 5, None, f"costs, {backend}")
    path, file = tmp_path / "x.safetensors", File(files[0])
    wide = copy.deepcopy(file)
    wide.meta["config"]["generator"]["hidden"] = [10**9]
    deep = copy.deepcopy(file)
    deep.meta["config"]["generator"]["hidden"] = [1] * 1_000_000
    many = copy.deepcopy(file)
    many.table |= {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(1_000_000)}
    long = copy.deepcopy(file)
    long.table["x"] = {"dtype": "F64", "shape": [2**40], "data_offsets": [len(file.payload), len(file.payload) + 2**43]}
    contents = [each.content() for each in (wide, deep, many, long)]
    gankit.load(write(path, files[0]), backend)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in contents:
        write(path, content)
        begun = time.process_time()
        with pytest.raises(gankit.CheckpointError):
            gankit.load(path, backend)
        assert time.process_time() - begun < 2, "seconds of the processor"
        count()
    os.truncate(write(path, contents[-1]), 2**43 + len(contents[-1]))  # all of it is there, and empty
    with pytest.raises(gankit.CheckpointError):
        gankit.load(path, backend)
    count()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "in KB"


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
