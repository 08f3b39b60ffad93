"""Numbers that change over time, against their closed forms."""

import numpy as np
import pytest

from gankit.building import configure, make
from gankit.errors import ConfigError
from gankit.parts.schedules import Cosine, Decay, Ramp, at, require_between, schedule


def test_decay_follows_the_closed_form_down_to_its_floor():
    steps = np.array([0, 1, 1000, 10**7])
    np.testing.assert_allclose(
        Decay(0.1, 1.000004, 1e-6)(steps), [0.1, 0.1 / 1.000004, 0.1 / 1.000004**1000, 1e-6], rtol=1e-12
    )


def test_ramp_rises_once_an_epoch_from_the_first_to_the_last():
    ramp = Ramp(0.5, 0.7, begin=500, end=125_000, every=500)
    assert ramp(np.array([0, 999, 125_000, 200_000])).tolist() == [0.5, 0.5, 0.7, 0.7]
    assert ramp(np.array([1000]))[0] == pytest.approx(0.5 + 0.2 / 249)
    assert ramp(np.array([1000]))[0] == ramp(np.array([1499]))[0]


def test_ramp_may_fall():
    assert Ramp(1.0, 0.0, 2, 4)(np.arange(6)).tolist() == [1.0, 1.0, 1.0, 0.5, 0.0, 0.0]


def test_cosine_is_half_a_period_between_its_steps_and_flat_outside():
    got = Cosine(2e-4, 5e-5, begin=100, end=400)(np.array([0, 100, 175, 250, 400, 999]))
    middle = (2e-4 + 5e-5) / 2
    quarter = middle + (2e-4 - 5e-5) / 2 * np.cos(np.pi / 4)
    np.testing.assert_allclose(got, [2e-4, 2e-4, quarter, middle, 5e-5, 5e-5], rtol=1e-12)


def test_a_number_is_the_same_at_every_step_and_float64():
    got = at(3, np.arange(4))
    assert got.dtype == np.float64 and got.tolist() == [3.0] * 4


@pytest.mark.parametrize("made", [Decay(1.0, 1.1, 0.2), Ramp(1.0, 3.0, 2, 9), Cosine(3.0, 1.0, 2, 9)], ids=repr)
def test_bounds_hold_at_every_step(made):
    values, (low, high) = made(np.arange(10_000)), made.bounds
    assert low == pytest.approx(values.min()) and high == pytest.approx(values.max())


@pytest.mark.parametrize(
    ("setting", "made"),
    [
        (0.1, 0.1),
        ({"schedule": "decay", "start": 0.1, "factor": 1.5}, Decay(0.1, 1.5)),
        ({"schedule": "ramp", "start": 0, "stop": 1, "begin": 0, "end": 5}, Ramp(0, 1, 0, 5)),
        ({"schedule": "cosine", "start": 0, "stop": 1, "begin": 0, "end": 5}, Cosine(0, 1, 0, 5)),
    ],
)
def test_a_schedule_is_written_as_a_table(setting, made):
    assert schedule(setting) == made


def test_a_schedule_survives_the_config_that_it_is_written_in():
    weight = {"schedule": "ramp", "start": 10, "stop": 1, "begin": 0, "end": 5000}
    config = configure("mlp", penalties=[{"name": "r1", "weight": weight}])
    (penalty,) = (make("penalties", part) for part in config.penalties)
    assert penalty.weight == Ramp(10, 1, 0, 5000)
    assert "start = 10" in config.to_toml()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: schedule({"schedule": "decy", "start": 1}), "Did you mean 'decay'"),
        (lambda: schedule({"start": 1}), "schedule=None is unknown.*Possible: 'cosine', 'decay', 'ramp'"),
        (lambda: schedule({"schedule": "decay"}), "do not fit"),
        (lambda: Decay(0.1, 0.9), "factor >= 1"),
        (lambda: Decay(0.1, float("nan")), "factor >= 1"),
        (lambda: Ramp(0, 1, 5, 5), "begin < end"),
        (lambda: Ramp(0, 1, 0, 5, every=0), "every >= 1"),
        (lambda: Ramp("a", 1, 0, 5), "start='a' is not a number"),
        (lambda: Cosine(0, 1, -1, 5), "0 <= begin"),
        (lambda: require_between("adam", "b1", Ramp(0.5, 1.0, 0, 5), 0.0, 1.0), "b1=Ramp.* is out of range"),
        (lambda: require_between("r1", "weight", Cosine(1, -1, 0, 5), 0.0, np.inf), "weight=Cosine.* is out of range"),
        (lambda: require_between("r1", "weight", True, 0.0, np.inf), "weight=True is out of range"),
        (lambda: require_between("r1", "weight", float("nan"), 0.0, np.inf), "weight=nan is out of range"),
    ],
)
def test_wrong_schedules_are_refused(bad, message):
    with pytest.raises(ConfigError, match=message):
        bad()
