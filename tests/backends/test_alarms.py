"""Planted failures are told within 200 steps on every backend, and healthy games raise no alarm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import gankit
from gankit.alarms import Alarms
from gankit.alarms.watch import COLLAPSE, NOT_FINITE, RUNAWAY, WINS
from tests.cli_runner import Cli

SMALL = {"generator": {"hidden": [32]}, "discriminator": {"hidden": [32]}}
PLANTED = 200
"""The step at which a healthy game is spoilt."""
WITHIN = 200


def from_then(start: float, stop: float) -> dict[str, Any]:
    """A schedule: one number before the planting, another after it."""
    return {"schedule": "ramp", "start": start, "stop": stop, "begin": PLANTED, "end": PLANTED + 1}


def alarms_of(
    backend: str, steps: int, recipe: str = "mlp", data: str = "digits", **settings: Any
) -> list[tuple[int, str]]:
    alarms = Alarms(say=lambda text: None)
    gankit.build(backend, recipe, data, **{**SMALL, **settings}).fit(steps=steps, callbacks=[alarms])
    return [(alarm.step, alarm.name) for alarm in alarms.raised]


def test_a_planted_collapse_is_told(backend: str) -> None:
    """One update of a size that leaves every latent at the same few corners of the sigmoid."""
    told = alarms_of(backend, PLANTED + WITHIN, generator_optimizer={"lr": from_then(1e-3, 1e3)})
    assert [name for _, name in told] == [COLLAPSE] and told[0][0] > PLANTED


def test_a_generator_stuck_in_a_point_from_the_start_is_told(backend: str) -> None:
    """Weights of nearly 0 that never move."""
    still = {"generator_optimizer": {"lr": 0.0}, "latent_dim": 1, "generator": {"hidden": [1]}}
    told = alarms_of(backend, WITHIN, **still, penalties=[{"name": "r1", "weight": 10.0}])
    assert (200, COLLAPSE) in told


def test_a_planted_win_of_d_is_told(backend: str) -> None:
    unfair = {"discriminator_optimizer": {"lr": 1e-2}, "generator_optimizer": {"lr": 0.0}, "penalties": []}
    assert [name for _, name in alarms_of(backend, WITHIN, **unfair)] == [WINS]


class Won:
    """Notes the first step at which D is sure, of real and of fake."""

    every, at = 5, None

    def __call__(self, trainer: Any, step: int, terms: Any) -> None:
        if self.at is None and terms["D(x)"] > 0.99 and terms["D(G(z))"] < 0.01:
            self.at = step


def test_a_win_of_d_over_a_good_g_is_told(backend: str) -> None:
    """Both learn for 200 steps; then G stands still, and D learns on, faster."""
    alarms, won = Alarms(say=lambda text: None), Won()
    optimizers = {
        "generator_optimizer": {"lr": from_then(1e-3, 0.0)},
        "discriminator_optimizer": {"lr": from_then(1e-3, 5e-3)},
    }
    gan = gankit.build(backend, "mlp", "digits", **SMALL, **optimizers, penalties=[])
    gan.fit(steps=PLANTED + 2 * WITHIN, callbacks=[alarms, won])
    [told] = alarms.raised
    assert told.name == WINS and won.at is not None and won.at > PLANTED and told.step <= won.at + WITHIN


@pytest.mark.parametrize("loss", ["wasserstein"])
def test_a_critic_far_ahead_is_no_win(backend: str, loss: str) -> None:
    from gankit.plug import registry

    if loss not in registry.names("losses"):
        pytest.skip(f"{loss} is not installed")
    unfair = {"discriminator_optimizer": {"lr": 1e-2}, "generator_optimizer": {"lr": 0.0}, "penalties": []}
    assert WINS not in [name for _, name in alarms_of(backend, WITHIN, loss=loss, **unfair)]


def test_a_planted_nan_is_told(backend: str) -> None:
    told = alarms_of(backend, PLANTED + WITHIN, discriminator_optimizer={"lr": from_then(1e-3, 1e30)})
    assert told == [(300, NOT_FINITE)]


def test_a_penalty_that_runs_away_is_told(backend: str) -> None:
    heavy = [{"name": "r1", "weight": from_then(0.5, 1e12)}]
    assert alarms_of(backend, PLANTED + WITHIN, penalties=heavy)[0][1] == RUNAWAY


@pytest.mark.parametrize(("recipe", "data"), [("mlp", "digits"), ("mlp", "ring"), ("cgan", "digits")])
def test_healthy_games_raise_no_alarm(backend: str, recipe: str, data: str) -> None:
    assert alarms_of(backend, 400, recipe, data) == []


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def test_the_command_line_tells_and_goes_on(cli: Cli, backend: str, tmp_path: Path) -> None:
    command = ["train", "--backend", backend, "--out", "run", "--set", "penalties=[]"]
    for setting in ("generator.hidden=[32]", "discriminator.hidden=[32]", "generator_optimizer.lr=0.0"):
        command += ["--set", setting]
    command += ["--set", "discriminator_optimizer.lr=0.01"]
    outcome = cli(*command, "--steps", "200")
    assert outcome.code == 0, outcome.err
    assert "Alarm at step 175: D wins" in outcome.err and "Try: --penalty r1 --penalty r2" in outcome.err
    assert '"alarm": "discriminator-wins"' in (tmp_path / "run" / "alarms.jsonl").read_text()
    assert "Alarm" not in cli(*command, "--steps", "250").err, "an episode is told once, whoever plays on"
