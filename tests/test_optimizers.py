"""The schedules of the released configurations, and momentum in the form of pylearn2."""

import numpy as np
import pytest

from gankit.building import configure, make
from gankit.errors import ConfigError
from gankit.optimizers import Adam, Sgd
from gankit.schedules import Decay, Ramp, schedule


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


def test_momentum_scaled_for_native_optimizers_is_pylearn2_s():
    spec = Sgd(lr=Decay(0.1, 1.05, 1e-6), momentum=Ramp(0.5, 0.7, 0, 40))
    numbers = spec.numbers(np.arange(60))
    gradients = np.random.default_rng(0).normal(size=60)
    p = v = 0.0
    native_p = u = 0.0
    for step, g in enumerate(gradients):
        v = spec.momentum(np.array([step]))[0] * v - 0.1 / 1.05**step * g
        p += v
        u = numbers["momentum"][step] * u + g
        native_p -= numbers["lr"][step] * u
    assert native_p == pytest.approx(p, rel=1e-12)


def test_the_paper_s_optimizer_is_the_released_one():
    spec = make("optimizers", configure("gan-2014").generator_optimizer)
    assert spec == Sgd(lr=Decay(0.1, 1.000004, 1e-6), momentum=Ramp(0.5, 0.7, 500, 125_000, 500))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: schedule({"schedule": "decy", "start": 1}), "Did you mean 'decay'"),
        (lambda: schedule({"schedule": "decay"}), "do not fit"),
        (lambda: Ramp(0, 1, 5, 5), "begin < end"),
        (lambda: Sgd(lr=Decay(0.1, 1.1)), "floor"),
        (lambda: Sgd(momentum=1.0), "momentum=1.0 is out of range"),
        (lambda: Adam(b1=1.0), "b1=1.0 is out of range"),
        (lambda: Adam(lr="fast"), "lr='fast' is out of range"),
    ],
)
def test_wrong_numbers_are_refused(bad, message):
    with pytest.raises(ConfigError, match=message):
        bad()
