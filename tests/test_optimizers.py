"""Momentum in the form of pylearn2, and the numbers that an optimizer takes."""

import numpy as np
import pytest

from gankit.building import configure, make
from gankit.errors import ConfigError
from gankit.parts.optimizers import Adam, Sgd
from gankit.parts.schedules import Decay, Ramp


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
        (lambda: Sgd(lr=Decay(0.1, 1.1)), "floor"),
        (lambda: Sgd(momentum=1.0), "momentum=1.0 is out of range"),
        (lambda: Adam(b1=1.0), "b1=1.0 is out of range"),
        (lambda: Adam(lr="fast"), "lr='fast' is out of range"),
        (lambda: Adam(b2=Ramp(0.9, 1.0, 0, 5)), "b2=Ramp.* is out of range; possible: 0.0 <= b2 < 1.0"),
    ],
)
def test_wrong_numbers_are_refused(bad, message):
    with pytest.raises(ConfigError, match=message):
        bad()
