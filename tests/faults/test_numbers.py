"""NaN, infinity and data without variety: told, stopped or rolled back; no run of NaN ends as if all were well."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.building import make, open_backend
from gankit.config import Config, Part
from gankit.interfaces import Scores
from gankit.plug import registry
from gankit.runs.folder import Run
from gankit.runs.rollback import with_lower_rates
from tests.cli_runner import Cli
from tests.faults.conftest import FULL, Counting
from tests.faults.processes import train

VALUES = (np.nan, np.inf, -np.inf, 1e38)
POLICIES = ("tell", "stop", "rollback")
WHERE = ("generator/params", "discriminator/params", "generator/slots", "discriminator/slots")


def poisoned(run: Run, where: str, value: float) -> None:
    """Put a number where a bit that tipped over, or an update that was too large, may put one."""
    path = run.checkpoint_file(20)
    arrays, meta = checkpoint.read(path)
    name = min(name for name in arrays if name.startswith(where))
    arrays[name] = np.full_like(arrays[name], value)
    checkpoint.write(path, arrays, meta)


def test_24_what_is_not_finite_is_told_stopped_or_rolled_back(
    backend: str, cli: Cli, tmp_path: Path, counting: Counting
) -> None:
    cases = list(itertools.product(VALUES, WHERE, POLICIES))
    if backend != "torch" and not FULL:
        cases = cases[::8]
    count = counting(24, len(cases), None, backend)
    assert cli(*train(backend, "first", 20, "--checkpoint-every", "10")).code == 0
    import shutil

    for i, (value, where, policy) in enumerate(cases):
        run = Run(tmp_path / f"run-{i}")
        shutil.copytree(tmp_path / "first", run.folder)
        poisoned(run, where, value)
        code, _, err = cli(*train(backend, run.folder.name, 60, "--checkpoint-every", "10", "--on-nan", policy))
        finite = {
            checkpoint.step_of(path): all(map(checkpoint.is_finite, checkpoint.read(path)[0].values()))
            for path in run.checkpoints()
        }
        assert any(finite.values()), (value, where, policy, "a finite checkpoint is never lost")
        last = max(finite)
        if policy == "tell":
            assert last == 60 and (code == 0) == finite[last], (value, where, err)
            assert finite[last] or "NaN or infinity" in err
        elif policy == "stop":
            assert finite[last] and code == (0 if last == 60 else 1), (value, where, finite, err)
            assert code == 0 or f"step-{last:06d}" in err
        else:
            # 1e38 is finite, and no learning rate helps: after three times that is said, and the run is over.
            ends = ((0, 60), (1, 20)) if value == 1e38 else ((0, 60),)
            assert finite[last] and (code, last) in ends, (value, where, finite, err)
        count()


def test_24_a_rollback_halves_the_rates_and_a_resumed_run_knows_it(
    cli: Cli, tmp_path: Path, counting: Counting
) -> None:
    count = counting(24, 6, None, "rollbacks")
    run = Run(tmp_path / "run")
    game = train("torch", "run", 40, "--checkpoint-every", "10", "--on-nan", "rollback", "--keep", "9")
    assert cli(*game[: game.index("--steps")], "--steps", "20", *game[game.index("--steps") + 2 :]).code == 0
    poisoned(run, "generator/params", np.nan)
    code, _, err = cli(*game)
    assert code == 0 and "Going back to run/checkpoints/step-000010" in err and "(1 of 3 times)" in err
    count()
    assert [json.loads(line)["rates"] for line in run.rollbacks_file.read_text().splitlines()] == [0.5]
    count()
    config = checkpoint.read(run.checkpoint_file(40))[1]["config"]
    assert config["generator_optimizer"]["lr"] == with_lower_rates(run.config(), 1).generator_optimizer.settings["lr"]
    count()
    whole = {
        name: (run.folder / name).read_bytes() for name in ("metrics.jsonl", "checkpoints/step-000040.safetensors")
    }
    for path in run.checkpoints():
        if checkpoint.step_of(path) > 20:
            path.unlink()
    assert cli(*game).code == 0
    assert all((run.folder / name).read_bytes() == content for name, content in whole.items())
    count()
    for path in run.checkpoints():  # as if it was killed on its way from the rollback to the next checkpoint
        if checkpoint.step_of(path) > 10:
            path.unlink()
    assert cli(*game).code == 0
    assert all((run.folder / name).read_bytes() == content for name, content in whole.items())
    count(2)


def test_24_a_divergence_keeps_its_last_finite_checkpoint(cli: Cli, tmp_path: Path, counting: Counting) -> None:
    count = counting(24, 3, None, "a rate that explodes")
    ramp = 'lr={schedule="ramp", start=1e-3, stop=1e30, begin=40, end=60}'
    both = ["--set", f"generator_optimizer.{ramp}", "--set", f"discriminator_optimizer.{ramp}"]
    for policy in POLICIES:
        run = Run(tmp_path / policy)
        code, _, err = cli(*train("torch", policy, 200, *both, "--on-nan", policy))
        assert code == 1 and "NaN or infinity" in err, (policy, err)
        found = checkpoint.find(run.folder) if policy != "tell" else run.checkpoints()[0]
        assert 40 <= checkpoint.step_of(found) <= 60 and str(found.name) in err
        assert all(map(checkpoint.is_finite, checkpoint.read(found)[0].values()))
        count()


def test_24_a_loss_that_is_never_finite(
    backend: str, cli: Cli, tmp_path: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of either player, from the first step on: whatever the policy, it is told, and what was finite stays."""
    cases = list(itertools.product(VALUES[:2], ("discriminator", "generator"), POLICIES))
    if backend != "torch" and not FULL:
        cases = cases[::6]
    count = counting(24, len(cases), None, f"losses, {backend}")
    own, load = make("losses", Part("non-saturating")), registry.load

    class Broken:
        generator_needs_real = conditional = False
        player, value = "discriminator", float("nan")

        def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
            return own.discriminator(ops, real, fake) * (self.value if self.player == "discriminator" else 1.0)

        def generator(self, ops: Any, real: Any, fake: Any) -> Any:
            return own.generator(ops, real, fake) * (self.value if self.player == "generator" else 1.0)

    monkeypatch.setattr(registry, "load", lambda k, n: Broken if (k, n) == ("losses", "broken") else load(k, n))
    for i, (Broken.value, Broken.player, policy) in enumerate(cases):
        run = Run(tmp_path / f"run-{i}")
        code, _, err = cli(*train(backend, run.folder.name, 20, "--loss", "broken", "--on-nan", policy))
        assert code == 1 and "NaN or infinity" in err, (Broken.player, Broken.value, policy, err)
        kept = {checkpoint.step_of(path): checkpoint.read(path)[0] for path in run.checkpoints()}
        if policy != "tell":
            assert 0 in kept and all(map(checkpoint.is_finite, kept[max(kept)].values()))
        count()


def test_24_data_that_is_not_finite_is_refused(counting: Counting) -> None:
    count = counting(24, 3, None, "data")
    for value in VALUES[:3]:
        x = np.zeros((8, 2), "f4")
        x[3, 1] = value
        with pytest.raises(gankit.DataError, match="first at index 3"):
            gankit.build("torch", data=x)
        count()


def test_25_extreme_logits_have_finite_losses_and_slopes(backend: str, counting: Counting) -> None:
    """Of float32 logits that a D far ahead gives, as far as the loss is bounded there at all."""
    opened = open_backend(backend, "cpu", "float32")
    ops = opened.ops
    names = [name for name in registry.names("losses") if name != "conditional"]
    logits = ((1e4, -1e4), (-1e4, 1e4), (0.0, 0.0), (1e4, 1e4))
    tried = [(name, pair) for name in names for pair in logits]
    count = counting(25, len(tried), None, f"losses, {backend}")
    for name, (real, fake) in tried:
        loss = make("losses", Part(name))
        if getattr(loss, "conditional", False) or getattr(loss, "needs_mismatched", False):
            count()
            continue
        arrays = {"real": ops.asarray(np.full(4, real)), "fake": ops.asarray(np.full(4, fake))}

        def value(a: Any, loss: Any = loss) -> Any:
            d = loss.discriminator(ops, Scores(a["real"]), Scores(a["fake"]))
            return d + loss.generator(ops, Scores(a["real"]), Scores(a["fake"])), {}

        try:
            (number, _), slopes = ops.value_and_grad(value)(arrays)
        except gankit.ConfigError:  # it compares features, which these scores have none of
            count()
            continue
        assert np.isfinite(float(ops.to_numpy(number))), (name, real, fake)
        assert all(np.isfinite(ops.to_numpy(slope)).all() for slope in slopes.values()), (name, real, fake)
        count()


def test_25_data_without_variety(backend: str, counting: Counting) -> None:
    constant = np.full((16, 2), 0.1, "f4")
    pictures = np.full((16, 8, 8, 1), 200, np.uint8)
    one_class = (np.random.default_rng(0).normal(size=(16, 2)).astype("f4"), np.zeros(16, int))
    small = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "latent_dim": 4}
    games: list[dict[str, Any]] = [
        {"data": constant, "batch_size": 4},
        {"data": pictures, "batch_size": 4},
        {"data": "ring", "batch_size": 1},
        {"recipe": "cgan", "data": one_class, "num_classes": 3, "batch_size": 4},
    ]
    names = registry.names("penalties")
    if backend != "torch" and not FULL:
        names, games = names[:1], games[:2]
    count = counting(25, len(games) * len(names), None, f"penalties, {backend}")
    for game, name in itertools.product(games, names):
        try:
            trainer = gankit.build(backend, penalties=[name], **small, **game).fit(steps=3)
        except gankit.GankitError as error:  # a term for other games says so
            assert str(error)
        else:
            broken = [n for p in trainer.players.values() for n, a in p.parameters.items() if not np.isfinite(a).all()]
            assert not broken, (name, game, broken)
        count()


def test_25_every_loss_on_data_without_variety(backend: str, counting: Counting) -> None:
    games: list[dict[str, Any]] = [
        {"data": np.full((16, 2), 0.1, "f4"), "batch_size": 4},
        {"data": "ring", "batch_size": 1},
        {"data": np.zeros((16, 8, 8, 1), np.uint8), "batch_size": 4},
    ]
    names = [name for name in registry.names("losses") if name != "conditional"]
    if backend != "torch" and not FULL:
        names, games = names[:1], games[:2]
    count = counting(25, len(games) * len(names), None, f"losses in games, {backend}")
    small = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "latent_dim": 4}
    for game, name in itertools.product(games, names):
        try:
            trainer = gankit.build(backend, loss=name, penalties=[], **small, **game).fit(steps=3)
        except gankit.GankitError as error:  # one that compares features says so
            assert str(error)
        else:
            broken = [n for p in trainer.players.values() for n, a in p.parameters.items() if not np.isfinite(a).all()]
            assert not broken, (name, game, broken)
        count()


@pytest.mark.skipif(not FULL, reason="half an hour, by hand: GANKIT_FAULTS=full")
def test_27_fifty_thousand_steps_stay_flat(backend: str, tmp_path: Path, counting: Counting) -> None:
    import resource

    count = counting(27, 5, 5, backend)
    small = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}}
    game = gankit.build(backend, data="ring", **small).fit(steps=2_000)
    memory, files = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(os.listdir("/proc/self/fd"))
    for _ in range(count.cases):
        game.fit(steps=10_000)
        game.save(tmp_path / "state")
        count()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory + 50_000, "in KB"
    assert len(os.listdir("/proc/self/fd")) <= files
    assert Config()
