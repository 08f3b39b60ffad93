"""Cut anywhere, carried anywhere, changed nowhere: what is taken up again is the game that was left."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.plug import registry
from gankit.runs.folder import Run
from gankit.runs.lines import lines as run_lines
from tests.cli_runner import Cli
from tests.faults.conftest import BACKENDS, FULL, Counting
from tests.faults.processes import SMALL, train
from tests.parity.test_recipes import game
from tests.recipe_games import GAMES

STEPS = 24
TINY: dict[str, Any] = {
    "generator": {"hidden": [8]},
    "discriminator": {"hidden": [8]},
    "latent_dim": 4,
    "batch_size": 8,
}
RAMP = {"name": "adam", "lr": {"schedule": "ramp", "start": 1e-3, "stop": 1e-4, "begin": 2, "end": 20}}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "conditional": {"recipe": "cgan", "data": "digits"},
    "lazy R1": {"penalties": [{"name": "r1", "every": 4}]},
    "EMA": {"ema": 0.9},
    "schedule": {"generator_optimizer": RAMP},
    "dropout": {"discriminator": {"name": "gan-2014", "units": 8}},
    "batch norm": {"data": "digits", "generator": {"name": "dcgan", "width": 4}},
    "k = 5": {"k": 5},
    "accumulate": {"accumulate": 2},
}
RESUME = """
import sys, warnings, gankit
game = gankit.load(sys.argv[1])
game.fit(steps=int(sys.argv[3]) - game.steps_done).save(sys.argv[2])
"""


def built(backend: str, kind: str) -> Any:
    settings = {"data": "ring", **TINY, **KINDS[kind]}
    return gankit.build(backend, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_10_a_cut_at_any_step_changes_nothing(backend: str, kind: str, tmp_path: Path, counting: Counting) -> None:
    count = counting(10, 1, 10, f"{kind}, {backend}")
    draw = random.Random(kind)
    whole = built(backend, kind).fit(steps=STEPS).save(tmp_path / "whole")
    for _ in range(count.cases):
        cut = draw.randint(1, STEPS - 1)
        half = built(backend, kind).fit(steps=cut).save(tmp_path / "half")
        if FULL:
            command = [sys.executable, "-c", RESUME, str(half), str(tmp_path / "end"), str(STEPS)]
            subprocess.run(command, check=True, timeout=120)
        else:  # a process is seconds; the suite of conformance starts one as well
            game = gankit.load(half, backend)
            game.fit(steps=STEPS - cut).save(tmp_path / "end")
        assert (tmp_path / "end.safetensors").read_bytes() == whole.read_bytes(), cut
        count()


def test_11_saved_loaded_and_saved_is_the_same_file(tmp_path: Path, counting: Counting) -> None:
    count, draw = counting(11, 100), np.random.default_rng(11)
    kinds = ("f2", "f4", "f8", "i4", "i8", "u1", "b1")
    for i in range(count.cases):
        arrays: dict[str, Any] = {
            "0-d": np.asarray(draw.normal()), "empty": np.zeros((0, 3)), "nan": np.full(3, np.nan),
            "strided": np.arange(24.0).reshape(4, 6)[::2, ::3], "fortran": np.asfortranarray(draw.normal(size=(3, 2))),
            "ключ/鍵/é 'quoted' \"twice\" \\": np.ones(2),
            "payload": np.frombuffer(draw.bytes(8), np.uint64).copy().view("f8"),
        }  # fmt: skip
        for j in range(draw.integers(0, 6)):
            shape = tuple(draw.integers(0, 4, draw.integers(0, 4)))
            arrays[f"x{j}"] = draw.integers(0, 2, shape).astype(kinds[draw.integers(len(kinds))])
        first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
        meta = {"steps_done": i, "text": "é\n\u2028", "numbers": [1.5, 1e-300, 2**53]}
        checkpoint.write(first, arrays, meta)
        again, read = checkpoint.read(first)
        checkpoint.write(second, again, read)
        assert first.read_bytes() == second.read_bytes()
        assert all(again[name].tobytes() == np.asarray(a, order="C").tobytes() for name, a in arrays.items())
        count()


def test_12_a_changed_config_or_header_is_refused_with_the_difference(
    cli: Cli, tmp_path: Path, counting: Counting
) -> None:
    count = counting(12, 8, None, "configs")
    run = Run(tmp_path / "run")
    assert cli(*train("torch", "run", 20)).code == 0
    text = run.config_file.read_text()
    for old, new in (("batch_size = 64", "batch_size = 7"), ("seed = 0", "seed = 5"), ("k = 1", "k = 2")):
        assert old in text
        run.config_file.write_text(text.replace(old, new))
        code, _, err = cli("train", "--out", "run", "--steps", "30")
        assert code == 2 and f"{old.split()[0]}: {new.split()[-1]} → {old.split()[-1]}" in err, err
        count()
        assert cli("report", "run").code == 0
        assert f">{old.split()[-1]}<" in (run.folder / "report.html").read_text()
        count()
    run.config_file.write_text(text)
    arrays, meta = checkpoint.read(run.checkpoint_file(20))
    checkpoint.write(run.checkpoint_file(20), arrays, {**meta, "config": {**meta["config"], "batch_size": 9}})
    code, _, err = cli("train", "--out", "run", "--steps", "30")
    assert code == 2 and "batch_size: 64 → 9" in err
    count()
    checkpoint.write(run.checkpoint_file(5000), arrays, meta)
    _, _, err = cli("train", "--out", "run", "--steps", "30")
    assert "has the wrong step in its name" in err and "step-000020" in err
    count()


def test_12_other_thread_counts_are_close(backend: str, tmp_path: Path, counting: Counting) -> None:
    count = counting(12, 2, None, f"threads, {backend}")
    code = (
        "import sys, gankit; g = gankit.build(sys.argv[1], data='digits', generator={'hidden': [32]}, "
        "discriminator={'hidden': [32]}, dtype='float64'); g.fit(steps=10).save(sys.argv[2])"
    )
    found = []
    for threads in ("1", "2"):
        path = tmp_path / f"{threads}.safetensors"
        import os

        env = {**os.environ, "OMP_NUM_THREADS": threads, "XLA_FLAGS": ""}
        subprocess.run([sys.executable, "-c", code, backend, str(path)], check=True, env=env, timeout=120)
        found.append(checkpoint.read(path)[0])
        count()
    for name, array in found[0].items():
        np.testing.assert_allclose(array, found[1][name], rtol=1e-9, atol=1e-10, err_msg=name)


def test_13_every_leaf_dropped_is_named(backend: str, tmp_path: Path, counting: Counting) -> None:
    path = built(backend, "lazy R1").fit(steps=1).save(tmp_path / "whole")
    arrays, meta = checkpoint.read(path)
    count = counting(13, len(arrays), None, backend)
    for leaf in arrays:
        checkpoint.write(path, {name: array for name, array in arrays.items() if name != leaf}, meta)
        with pytest.raises(gankit.CheckpointError, match=leaf):
            gankit.load(path, backend)
        count()


@pytest.mark.skipif(len(BACKENDS) < 2, reason="one backend is installed")
def test_14_round_the_backends_no_bit_changes(tmp_path: Path, counting: Counting) -> None:
    kinds = [kind for kind in KINDS if kind != "dropout"]
    count = counting(14, len(kinds))
    for kind in kinds:
        first = built(BACKENDS[0], kind).fit(steps=2).save(tmp_path / "first")
        path = first
        for name in (*BACKENDS[1:], BACKENDS[0]):
            path = gankit.load(path, name).save(tmp_path / name)
        before, after = checkpoint.read(first)[0], checkpoint.read(path)[0]
        assert before.keys() == after.keys()
        assert all(before[name].tobytes() == after[name].tobytes() for name in before)
        count()


@pytest.mark.skipif(len(BACKENDS) < 2, reason="one backend is installed")
def test_14_every_recipe_goes_round_the_backends(tmp_path: Path, counting: Counting) -> None:
    """torch to JAX to MLX, where its layers reach, and back to torch: no bit of any array changes."""
    played = [recipe for recipe in GAMES if recipe in gankit.recipes()]
    count = counting(14, len(played), None, "recipes")
    way = [name for name in ("jax", "mlx", "torch") if name in registry.names("backends")]
    for recipe in played:
        settings = game(recipe, dropout=True)
        first = path = gankit.build("torch", device="cpu", **settings).fit(steps=1).save(tmp_path / "first")
        for name in way:
            try:
                path = gankit.load(path, name, "cpu", sources=settings.get("sources")).save(tmp_path / name)
            except gankit.GankitError as error:
                assert name == "mlx" and "mlx" in str(error), (recipe, name, error)
        before, after = checkpoint.read(first)[0], checkpoint.read(path)[0]
        assert before.keys() == after.keys(), recipe
        assert all(before[name].tobytes() == after[name].tobytes() for name in before), recipe
        count()


HOSTILE_LINES = (
    b'{"step": 1e400}\n', b'{"step": {"a": [[[]]]}}\n', b"[" * 5000 + b"\n", b'{"step": 10, "d_loss": 1e308}\n',
    b'{"step": 10, "d_loss": ' + b"9" * 400 + b"}\n", b'{"step": -1}\n', b'{"step": true}\n', b"\xff\xfe\n", b"null\n",
    b'{"step": 10, "later": {"version": 9}, "size": "much", "broken": 7}\n', b'{"step": 15', b"\0" * 100,
)  # fmt: skip


def test_12_no_line_makes_a_run_unresumable(cli: Cli, tmp_path: Path, counting: Counting) -> None:
    names = ("metrics.jsonl", "vitals.jsonl", "alarms.jsonl", "evaluations.jsonl", "env.json")
    count = counting(12, len(names) * len(HOSTILE_LINES), None, "hostile lines")
    steps = 20
    assert cli(*train("torch", "run", steps)).code == 0
    for name in names:
        steps += 10
        lines = (b'{"resumed": 3}',) if name == "env.json" else HOSTILE_LINES
        path = tmp_path / "run" / name
        path.write_bytes(b"".join(lines))
        code, _, err = cli("train", "--out", "run", "--steps", str(steps), "--log-every", "5")
        assert code == 0 and "could not be written" not in err, (name, err)
        assert cli("report", "run").code == 0
        for line in HOSTILE_LINES:
            path.write_bytes(line)
            assert cli("report", "run").code == 0, (name, line)
            assert all(0 <= each["step"] <= 2**53 for each in run_lines(path))
            count()


def test_18_configs_are_accepted_or_refused_with_key_and_reason(counting: Counting) -> None:
    from gankit.config import NAMES, Config
    from tests.faults.mutations import HOSTILE

    count, draw = counting(18, 2_000, 10_000), random.Random(18)
    plain = Config().to_plain()
    pool = [*HOSTILE, *plain.values(), ["r1"], {"r1": 1}, float("nan"), 3.0, "data", b"x", object(), {1: 2}, (1, 2)]
    accepted = 0
    for _ in range(count.cases):
        settings = {draw.choice(NAMES): draw.choice(pool) for _ in range(draw.randint(1, 3))}
        if draw.random() < 0.05:
            settings[draw.choice(("lr", "seeed", "", "generator.hidden"))] = 1
        try:
            config = Config().with_settings(settings)
            again = Config().with_settings({"penalties": (), **config.to_plain()})
            accepted += 1
            assert again.to_plain() == config.to_plain() or "nan" in repr(settings)
        except gankit.ConfigError as error:
            assert any(name.split(".")[0] in str(error) for name in settings), (settings, str(error))
        except gankit.UnknownNameError:
            pass
        count()
    assert 0 < accepted < count.cases


def test_18_a_game_of_any_config_is_built_or_refused(counting: Counting) -> None:
    from tests.faults.mutations import HOSTILE

    count, draw = counting(18, 300, 3_000, "built"), random.Random(181)
    parts = ("generator", "discriminator", "generator_optimizer", "discriminator_optimizer", "loss")
    keys = ("hidden", "lr", "beta1", "b1", "b2", "name", "smoothing", "activation", "dropout")
    backend = BACKENDS[0]
    for _ in range(count.cases):
        part, key = draw.choice(parts), draw.choice(keys)
        value = draw.choice([each for each in HOSTILE if not (isinstance(each, int | list) and _large(each))])
        settings = {**TINY, part: {**TINY.get(part, {}), key: value}}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                gankit.build(backend, data="ring", **settings)
        except gankit.GankitError as error:
            assert len(str(error)) < 8_000
        count()


def _large(value: Any) -> bool:
    return any(_large(each) for each in value) if isinstance(value, list) else isinstance(value, int) and value > 2**20


def test_26_the_same_seed_is_the_same_run_anywhere(backend: str, tmp_path: Path, counting: Counting) -> None:
    import os

    worlds: list[dict[str, str]] = [
        {}, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "LC_ALL": "C"}, {"GANKIT_DISABLE_PLUGINS": ""},
        {"TZ": "Asia/Kathmandu", "HOME": "/nowhere"},
    ]  # fmt: skip
    count = counting(26, len(worlds) if FULL or backend == "torch" else 2, None, backend)
    code = (
        "import random, sys, numpy as np; random.seed(1); np.random.seed(1);"
        "a = random.getstate(), np.random.get_state();"
        "import gankit; g = gankit.build(sys.argv[1], data='ring', generator={'hidden': [8]}); g.fit(steps=5);"
        "assert random.getstate() == a[0] and (np.random.get_state()[1] == a[1][1]).all(); g.save(sys.argv[2])"
    )
    found = set()
    for i, world in enumerate(worlds[: count.cases]):
        path, where = tmp_path / f"{i}.safetensors", tmp_path / f"cwd-{i}"
        where.mkdir()
        env = {**os.environ, **world}
        subprocess.run([sys.executable, "-c", code, backend, str(path)], check=True, env=env, cwd=where, timeout=120)
        found.add(path.read_bytes())
        count()
    assert len(found) == 1
    assert SMALL
