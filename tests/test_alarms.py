"""Alarms are true, told once an episode, and the same however a run was cut into pieces."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gankit import checkpoint
from gankit.alarms import Alarms
from gankit.alarms.advice import Findings, explain
from gankit.alarms.objective import objective
from gankit.alarms.variety import Variety, spread_and_nearest
from gankit.alarms.watch import COLLAPSE, NOT_FINITE, RULES, RUNAWAY, WINS, Look, Watch
from gankit.building import make
from gankit.config import Config, Part
from gankit.data.dataset import Dataset, Scaling
from gankit.errors import DataError
from gankit.parts.losses import Conditional, Minimax, NonSaturating
from gankit.runs.folder import Run

# ---- what a loss's number says


@pytest.mark.parametrize(
    ("loss", "even", "won", "undecided"),
    [
        (NonSaturating(), math.log(4), 0.0, 0.0),  # -V(D, G) at D = 1/2, theorem 1
        (NonSaturating(d_weight=0.5), math.log(2), 0.0, 0.0),
        (Minimax(), math.log(4), 0.0, 0.0),
        (Conditional(NonSaturating(), mismatched=True), math.log(4), 0.0, 0.0),
    ],
)
def test_founding_losses_stand_even_at_one_half(loss: Any, even: float, won: float, undecided: float) -> None:
    found = objective(loss)
    assert found is not None and found.undecided == pytest.approx(undecided, abs=1e-9)
    assert (found.even, found.won) == pytest.approx((even, won), abs=1e-6)
    assert found.advantage(even) == pytest.approx(0.0, abs=1e-6)
    assert found.advantage(0.0) == pytest.approx(1.0, abs=1e-6)


@dataclass(frozen=True)
class Critic:
    """E D(G(z)) - E D(x): scores that are no logits, and no least value."""

    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)

    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(fake.logits) - ops.xp.mean(real.logits)

    def generator(self, ops: Any, real: Any, fake: Any) -> Any:
        return -ops.xp.mean(fake.logits)


@dataclass(frozen=True)
class Pairs(Critic):
    """Relativistic: only differences count."""

    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(ops.softplus(fake.logits - real.logits))


class Unaskable(Critic):
    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        raise RuntimeError("real.features is what I want")


class ShapedByFeatures(NonSaturating):
    def generator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(real.features[0] - fake.features[0])


def test_a_critic_never_wins() -> None:
    found = objective(Critic())
    assert found is not None and found.won is None and found.undecided is None
    assert found.advantage(-1e9) is None


class Tilted(NonSaturating):
    """D aims at 0.9 on real examples: at its best it is 0.9 / 2 where it cannot tell."""

    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        smoothed = 0.9 * ops.softplus(-real.logits) + 0.1 * ops.softplus(real.logits)
        return ops.xp.mean(smoothed + ops.softplus(fake.logits))


def test_the_undecided_score_is_found_between_the_points_that_are_tried() -> None:
    found = objective(Tilted())
    assert found is not None and found.undecided == pytest.approx(math.log(0.45 / 0.55), abs=1e-5)
    assert found.even == pytest.approx(-0.9 * math.log(0.45) - 1.1 * math.log(0.55), abs=1e-9)


def test_a_relativistic_game_is_even_at_log_2_whatever_the_scores() -> None:
    found = objective(Pairs())
    assert found is not None and found.undecided is None
    assert (found.even, found.won) == pytest.approx((math.log(2), 0.0), abs=1e-9)


def test_a_loss_that_cannot_be_asked_raises_no_alarm() -> None:
    assert objective(Unaskable()) is None


def test_g_may_want_what_d_does_not() -> None:
    found = objective(ShapedByFeatures())
    assert found is not None and found.slope is None and found.left_to_g(0.5, 0.5) is None


@pytest.mark.parametrize("d_fake", [0.5, 0.01, 1e-4])
def test_minimax_leaves_g_the_slope_that_d_gives_it(d_fake: float) -> None:
    """The derivative of log(1 - D) in D's logit is -D: 2 D of what it is at D = 1/2."""
    minimax, non_saturating = objective(Minimax()), objective(NonSaturating())
    assert minimax is not None and non_saturating is not None
    assert minimax.left_to_g(0.9, d_fake) == pytest.approx(2 * d_fake, rel=1e-5)
    assert non_saturating.left_to_g(0.9, d_fake) == pytest.approx(2 * (1 - d_fake), rel=1e-5)


def test_scores_at_the_ends_of_their_range_are_taken_as_near_them() -> None:
    found = objective(Minimax())
    assert found is not None and found.left_to_g(1.0, 0.0) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "settings", "even", "won"),
    [
        ("hinge", {}, 2.0, 0.0),
        ("least-squares", {}, 0.25, 0.0),  # at a score of 1/2
        # min of -0.9 log D - 1.1 log(1 - D), at D = 0.45; its entropy is left where D is at its best
        ("one-sided-smoothing", {}, -0.9 * math.log(0.45) - 1.1 * math.log(0.55), 0.325083),
        ("relativistic-average", {}, math.log(4), 0.0),
        ("wasserstein", {}, 0.0, None),
    ],
)
def test_losses_of_other_packages(name: str, settings: dict[str, Any], even: float, won: float | None) -> None:
    from gankit.plug import registry

    if name not in registry.names("losses"):
        pytest.skip(f"{name} is not installed")
    found = objective(make("losses", Part(name, settings)))
    assert found is not None and found.even == pytest.approx(even, abs=1e-6)
    assert found.won == (None if won is None else pytest.approx(won, abs=1e-3))


# ---- how varied samples are


def test_spread_and_nearest_in_closed_form() -> None:
    square = np.array([[0.0, 0.0], [0.0, 2.0], [3.0, 0.0], [3.0, 2.0]])
    assert spread_and_nearest(square) == pytest.approx((math.sqrt(1.5**2 + 1.0**2), 2.0))
    assert spread_and_nearest(1e6 + square.reshape(4, 1, 2)) == pytest.approx((math.sqrt(1.5**2 + 1.0**2), 2.0))


def test_variety_is_1_on_the_data_and_scales_with_samples() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3, 2))
    assert Variety(x)(x) == pytest.approx((1.0, 1.0))
    assert Variety(x)(7.0 + 0.25 * x) == pytest.approx((0.25, 0.25))


def test_a_point_has_no_variety_and_a_few_points_have_no_neighbours_apart() -> None:
    x = np.random.default_rng(0).normal(size=(64, 5))
    assert Variety(x)(np.full((64, 5), 1e3)) == pytest.approx((0.0, 0.0), abs=1e-6)
    spread_, nearest_ = Variety(x)(x[np.arange(64) % 8])
    assert spread_ is not None and spread_ > 0.5 and nearest_ == 0.0


def test_data_that_has_no_variety_of_its_own_is_no_measure() -> None:
    assert Variety(np.ones((8, 2)))(np.zeros((8, 2))) == (None, None)
    twice = np.repeat(np.random.default_rng(0).normal(size=(8, 2)), 2, axis=0)
    assert Variety(twice)(twice) == (pytest.approx(1.0), None)


# ---- when alarms are raised


def told(looks: list[Look]) -> list[tuple[int, str]]:
    watch = Watch()
    return [(look.step, name) for look in looks for name in watch.see(look)[0]]


def varied(step: int, value: float | None) -> Look:
    return Look(step, spread=value, nearest=value)


def test_a_collapse_is_told_once() -> None:
    values = [None, None, 0.9, None, None, 0.05, None, None, 0.05]
    assert told([varied(50 * i, v) for i, v in enumerate(values, 1)]) == [(300, COLLAPSE)]


def test_samples_of_one_point_are_told_at_once() -> None:
    assert told([varied(150, 0.0)]) == [(150, COLLAPSE)]


def test_a_game_that_has_not_begun_has_not_collapsed() -> None:
    """D gives real and fake one score, as before its first step."""
    assert told([Look(200, advantage=0.001, spread=0.01, nearest=0.01)]) == []
    for advantage in (0.5, -0.5, None):  # the last: of a critic
        assert told([Look(200, advantage=advantage, spread=0.01, nearest=0.01)]) == [(200, COLLAPSE)]


def test_what_never_stood_does_not_collapse() -> None:
    assert told([varied(100 * i, 0.05) for i in range(1, 9)]) == []


def test_an_alarm_comes_again_only_after_a_recovery() -> None:
    flicker = [0.9, 0.05, 0.05, 0.15, 0.05, 0.05]  # 0.15 is neither bad nor well
    assert told([varied(100 * i, v) for i, v in enumerate(flicker)]) == [(100, COLLAPSE)]
    recovered = [0.9, 0.05, 0.05, 0.9, 0.9, 0.9, 0.05, 0.05]
    assert told([varied(100 * i, v) for i, v in enumerate(recovered)]) == [(100, COLLAPSE), (600, COLLAPSE)]


def test_d_wins_after_four_looks_and_not_after_a_good_batch() -> None:
    def at(step: int, advantage: float | None) -> Look:
        return Look(step, advantage=advantage, left=1.0)

    assert told([*(at(25 * i, 0.99) for i in (1, 2, 3)), at(100, 0.5), *(at(25 * i, 0.99) for i in (5, 6, 7))]) == []
    assert told([at(25 * i, 0.99) for i in (1, 2, 3, 4)]) == [(100, WINS)]
    assert told([at(50 * i, None) for i in range(1, 9)]) == []


def test_d_is_ahead_of_a_g_that_gains_without_having_won() -> None:
    """As a DCGAN begins; once G gains no more, it is told."""

    def ahead(step: int, variety: float | None) -> Look:
        return Look(step, advantage=0.99, left=2.0, spread=variety, nearest=variety)

    def gaining(start: float) -> list[Look]:
        looks = [ahead(200 + 25 * i, start * 1.06 ** (i / 4) if i % 2 == 0 else None) for i in range(16)]
        return [Look(100, advantage=0.5, left=2.0, spread=start / 1.06, nearest=start / 1.06), *looks]

    assert told(gaining(0.25)) == []
    assert told([*gaining(0.25), *(ahead(600 + 50 * i, 0.33) for i in range(4))]) == [(700, WINS)]
    assert told(gaining(0.8)) == [(275, WINS)], "as varied as the data: there is nothing more to gain"


def test_a_saturated_objective_counts_as_a_win_of_d() -> None:
    assert told([Look(25 * i, advantage=0.9, left=0.001) for i in (1, 2, 3, 4)]) == [(100, WINS)]


def test_even_and_beaten_discriminators_are_no_alarm() -> None:
    assert told([Look(50 * i, advantage=a, left=1.0) for i in range(1, 9) for a in (0.0, -5.0)]) == []


def test_losses_run_away() -> None:
    assert told([Look(50, term="d_loss", size=2e4), Look(100, term="d_loss", size=5e2)]) == []
    assert told([Look(50, term="d_loss", size=2e4), Look(100, term="d_loss", size=3e4)]) == [(100, RUNAWAY)]
    assert told([Look(50, term="d_loss", size=2e6)]) == [(50, RUNAWAY)]


def test_nothing_else_is_judged_while_something_is_nan() -> None:
    broken = [Look(50 * i, ("d_loss",)) for i in range(1, 9)]
    assert told([varied(0, 0.9), *broken]) == [(50, NOT_FINITE)]


def test_rules_have_names_of_their_own_and_a_gap_between_bad_and_well() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for value in (0.11, 0.15, 0.19):
        (rule,) = (rule for rule in RULES if rule.name == COLLAPSE)
        assert not rule.bad(varied(0, value)) and not rule.well(varied(0, value))


def test_a_look_survives_json() -> None:
    for look in (Look(50, ("r1", "samples")), Look(100, (), "g_loss", 1 / 3, 0.1 + 0.2, None, 1e-300, None)):
        assert Look.from_plain(json.loads(json.dumps(look.to_plain()))) == look


# ---- what they say


def test_advice_names_settings_that_exist_and_parts_that_are_known() -> None:
    from gankit.plug import registry

    look = Look(100, ("d_loss",), "r1", 1e5, 0.99, 0.01, 0.05, 0.05)
    configs = [
        Config(),
        Config().with_settings({"penalties": ["r1"], "k": 2, "gradient_clip": 1.0, "precision": "bfloat16"}),
        Config().with_settings({"loss": {"name": "conditional", "base": "minimax"}}),
    ]
    for config in configs:
        for name in (NOT_FINITE, RUNAWAY, COLLAPSE, WINS):
            for loss in (Minimax(), Critic()):
                _, tries = explain(name, look, config, objective(loss), Findings())
                for words in (line.split() for line in tries):
                    if words[0] == "--set":
                        key, _, value = words[1].partition("=")
                        assert config.with_settings(nested(key, json.loads(value) if value != "full" else value))
                    for kind, option in (("penalties", "--penalty"), ("losses", "--loss")):
                        for part in (words[i + 1] for i, word in enumerate(words) if word == option):
                            assert part in registry.names(kind) or (kind, part) in registry.KNOWN


def nested(key: str, value: Any) -> dict[str, Any]:
    outer, _, inner = key.partition(".")
    return {outer: {inner: value} if inner else value}


def test_a_saturating_game_is_told_of_the_non_saturating_one() -> None:
    look = Look(150, advantage=0.99, left=0.01)
    what, tries = explain(WINS, look, Config(), objective(Minimax()), Findings())
    assert "saturates" in what and tries[0] == "--loss non-saturating"
    _, tries = explain(WINS, Look(150, advantage=0.99, left=2.0), Config(), objective(NonSaturating()), Findings())
    assert tries[0] == "--penalty r1 --penalty r2"


def test_nan_names_terms_parameters_and_the_last_finite_step() -> None:
    found = Findings(100, {"generator": ([], 4), "discriminator": (["dense0/kernel"], 4)})
    what, _ = explain(NOT_FINITE, Look(150, ("d_loss", "r1")), Config(), None, found)
    assert what.startswith("d_loss and r1 are NaN or infinite (all was finite at step 100).")
    assert "dense0/kernel of the discriminator's 4" in what and "generator" not in what


def test_a_rate_out_of_all_measure_is_not_answered_with_a_tenth_of_it() -> None:
    config = Config().with_settings({"generator_optimizer": {"name": "adam", "lr": 1e30}})
    _, tries = explain(NOT_FINITE, Look(1, broken=("d_loss",)), config, None, Findings())
    assert "--set generator_optimizer.lr=0.01" in tries


def test_broken_data_is_the_cause() -> None:
    what, tries = explain(NOT_FINITE, Look(50, ("d_loss",)), Config(), None, Findings(data=True))
    assert "The data itself is not finite." in what and tries == [
        "clean the data: look for NaN where it is read and scaled"
    ]


# ---- the callback


class FakeTrainer:
    """A game whose samples are what the test says."""

    def __init__(self, samples: Any, data: Dataset | None, terms: dict[str, float] | None = None) -> None:
        self.config, self.loss = Config(), NonSaturating()
        self.spec = SimpleNamespace(scaling=Scaling(np.zeros(()), np.ones(())), given={})
        self.players = {
            "generator": SimpleNamespace(parameters={"dense0/kernel": np.full((2, 2), np.nan)}),
            "discriminator": SimpleNamespace(parameters={"dense0/kernel": np.ones((2, 2))}),
        }
        self._samples, self._data = samples, data
        self.terms = terms or {"d_loss": 1.2, "g_loss": 0.7, "D(x)": 0.5, "D(G(z))": 0.4}
        self.asked: list[int] = []

    @property
    def data(self) -> Dataset:
        if self._data is None:
            raise DataError("gone")
        return self._data

    def generate(self, z: Any, labels: Any = None, *, ema: bool | None = None, piece: int | None = None) -> Any:
        assert piece == len(z) and labels is None and ema is False
        self.asked.append(len(z))
        return self._samples[: len(z)]


POINTS = np.random.default_rng(0).normal(size=(200, 2))


def play(alarms: Alarms, trainer: FakeTrainer, start: int, stop: int) -> list[int]:
    """The steps at which they looked."""
    looked = []
    for step in range(start + 1, stop + 1):
        if step % alarms.every == 0:  # as `Trainer.fit` asks
            looked.append(step)
            alarms(trainer, step, trainer.terms)
    return looked


def test_a_healthy_game_is_left_in_peace() -> None:
    trainer, said = FakeTrainer(POINTS, Dataset(POINTS)), list[str]()
    alarms = Alarms(say=said.append)
    assert play(alarms, trainer, 0, 1200) == list(range(100, 1300, 100))
    assert said == [] and alarms.raised == [] and trainer.asked == [128] * 6


def test_what_is_about_to_go_wrong_is_looked_at_more_often_until_it_is_told() -> None:
    """A win of D that began at step 101 is told within 200 steps."""
    trainer, alarms = FakeTrainer(POINTS, Dataset(POINTS)), Alarms(say=lambda text: None)
    play(alarms, trainer, 0, 100)
    well, trainer.terms = trainer.terms, {"d_loss": 0.02, "g_loss": 4.0, "D(x)": 0.99, "D(G(z))": 0.02}
    assert play(alarms, trainer, 100, 500) == [200, 225, 250, 275, 300, 400, 500]
    assert [(alarm.step, alarm.name) for alarm in alarms.raised] == [(275, WINS)]
    trainer.terms = {**well, "d_loss": 0.06}  # nearly won: it may become a win at any step
    again = Alarms(say=print)
    assert play(again, trainer, 0, 300) == [100, *range(125, 301, 25)]
    trainer.terms = well
    assert play(again, trainer, 300, 500) == [325, 400, 500] and again.raised == []


def test_a_collapse_is_told_with_its_cause_and_a_way_out() -> None:
    said: list[str] = []
    alarms = Alarms(say=said.append)
    play(alarms, FakeTrainer(np.ones((200, 2)), Dataset(POINTS)), 0, 1000)
    assert len(said) == 1 and "Helvetica" in said[0] and "\n  Try: --penalty r1 --penalty r2; " in said[0]
    assert [(alarm.step, alarm.name) for alarm in alarms.raised] == [(200, COLLAPSE)]


def test_data_out_of_reach_costs_only_the_look_at_samples() -> None:
    alarms = Alarms(say=print)
    trainer = FakeTrainer(POINTS, None, {"d_loss": 1e-6, "g_loss": 13.0, "D(x)": 1.0, "D(G(z))": 0.0})
    play(alarms, trainer, 0, 400)
    assert [alarm.name for alarm in alarms.raised] == [WINS] and trainer.asked == []


def test_samples_that_are_nan_are_told() -> None:
    alarms = Alarms(say=lambda text: None)
    play(alarms, FakeTrainer(np.full((200, 2), np.nan), Dataset(POINTS)), 0, 200)
    assert [(alarm.step, alarm.name) for alarm in alarms.raised] == [(200, NOT_FINITE)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    run.begin(Config())
    return run


def test_nan_names_the_last_checkpoint_that_is_whole_and_finite(run: Run) -> None:
    for step, value in ((100, 1.0), (200, np.nan)):
        checkpoint.write(run.checkpoint_file(step), {"x": np.full(3, value)}, {"steps_done": step})
    run.checkpoint_file(300).write_bytes(b"torn")
    said: list[str] = []
    alarms = Alarms(run, said.append)
    trainer = FakeTrainer(POINTS, Dataset(POINTS))
    play(alarms, trainer, 0, 100)
    trainer.terms = {**trainer.terms, "r1": math.inf}
    play(alarms, trainer, 100, 200)
    assert len(said) == 1 and said[0].endswith(f"The last checkpoint without NaN: {run.checkpoint_file(100)}")
    assert "r1 is NaN or infinite (all was finite at step 100)" in said[0]
    assert str(run.folder) not in run.alarms_file.read_text("utf-8"), "which checkpoints there are is not the run's"


def test_a_run_in_pieces_tells_what_the_run_in_one_tells(tmp_path: Path) -> None:
    """A collapse from step 500 on, another from 1,900 on; between them D nearly wins, so it is looked at more often."""

    def played(folder: Path, stops: list[int]) -> tuple[bytes, bytes]:
        run = Run(folder)
        run.begin(Config())
        for start, stop in zip([0, *stops], [*stops, 2400], strict=True):
            run.rewind(start)
            alarms = Alarms(run, lambda text: None)
            for step in range(start + 1, stop + 1):
                if step % alarms.every == 0:
                    narrow = 0.05 if 500 < step <= 1100 or step > 1900 else 1.0
                    terms = {"d_loss": 0.06 if 1300 < step <= 1700 else 1.0, "D(x)": 0.5, "D(G(z))": 0.5}
                    alarms(FakeTrainer(POINTS * narrow, Dataset(POINTS)), step, terms)
            stray = Alarms(run, lambda text: None)  # steps after the checkpoint that is taken up come again
            stray(FakeTrainer(POINTS, Dataset(POINTS)), stop + 100, {"d_loss": 1e-9, "D(x)": 1.0, "D(G(z))": 0.0})
        run.rewind(2400)
        return run.vitals_file.read_bytes(), run.alarms_file.read_bytes()

    whole = played(tmp_path / "whole", [])
    assert played(tmp_path / "pieces", [100, 650, 700, 1430, 1475, 2000]) == whole
    steps = [json.loads(line)["step"] for line in whole[0].splitlines()]
    assert [b - a for a, b in pairwise(steps) if a >= 1300][:5] == [100, 25, 25, 25, 25]
    lines = [json.loads(line) for line in whole[1].splitlines()]
    assert [(line["step"], line.get("over", False)) for line in lines] == [(600, False), (1450, True), (2000, False)]


def test_alarms_are_yellow_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gankit.alarms.callback import to_stderr

    to_stderr("look")
    assert capsys.readouterr() == ("", "look\n")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    to_stderr("look")
    assert capsys.readouterr().err == "\033[33mlook\033[0m\n"
