"""What an iteration of Algorithm 1 is handed: walks through the data, labels of fakes, wrong labels, numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from gankit.config import Config
from gankit.parts.losses import Conditional, NonSaturating
from gankit.parts.optimizers import Adam, Sgd
from gankit.parts.penalties import R1, R2
from gankit.parts.schedules import Ramp
from gankit.play.batches import Batches, Stock, Wants
from gankit.play.streams import Streams

CLASSES, EXAMPLES, M, K = 4, 50, 8, 3
SGD = {"generator": Sgd(), "discriminator": Sgd()}
LABELS = np.random.default_rng(0).choice(CLASSES, EXAMPLES, p=[0.7, 0.1, 0.1, 0.1]).astype(np.int32)


@dataclass(frozen=True)
class Comparing(NonSaturating):
    generator_needs_real: bool = field(default=True, init=False)


def batches(loss=None, penalties=(), optimizers=SGD, **settings):
    conditional = {"loss": {"name": "conditional", "base": "non-saturating"}, "num_classes": CLASSES}
    config = Config().with_settings({"batch_size": M, "k": K, "latent_dim": 5, "seed": 2, **conditional, **settings})
    wants = Wants.of(loss or Conditional(NonSaturating()), penalties, num_classes=CLASSES)
    return Batches(config, optimizers, penalties, wants)


def drawn(steps=40, labels=LABELS, **settings):
    return batches(**settings).make(0, steps, Stock(EXAMPLES, labels))


def wrong_labels(draw):
    return draw.others["mismatched"].labels


def test_fakes_carry_the_labels_of_the_real_examples_in_their_places():
    b = drawn()
    assert np.array_equal(b.discriminator.labels, LABELS[b.discriminator.real])
    assert np.array_equal(b.discriminator.fake_labels, b.discriminator.labels)


def test_uniform_labels_are_drawn_anew_for_every_fake_of_both_phases():
    b, d = drawn(fake_labels="uniform"), drawn().discriminator
    assert np.array_equal(b.discriminator.labels, d.labels) and b.discriminator.fake_labels.shape == (40, K, M)
    for labels in (b.discriminator.fake_labels, b.generator.fake_labels):
        shares = np.bincount(labels.ravel(), minlength=CLASSES) / labels.size
        assert np.abs(shares - 1 / CLASSES).max() < 4 * np.sqrt(0.1875 / labels.size)  # 4 standard deviations
        assert labels.dtype == np.int32
    assert (np.bincount(d.labels.ravel()) / d.labels.size)[0] > 0.6  # those of the data are not uniform
    first, second = b.discriminator.fake_labels[:, 0], b.discriminator.fake_labels[:, 1]
    assert (first != second).any() and (first != b.generator.fake_labels).any()


def test_wrong_labels_are_never_right_and_every_other_class_comes_up_alike():
    d = drawn(200, loss=Conditional(NonSaturating(), mismatched=True)).discriminator
    wrong = wrong_labels(d)
    assert wrong.shape == d.labels.shape and wrong.dtype == np.int32
    shift = (wrong - d.labels) % CLASSES
    counts = np.bincount(shift.ravel(), minlength=CLASSES)
    assert counts[0] == 0
    assert np.abs(counts[1:] / shift.size - 1 / 3).max() < 4 * np.sqrt(2 / 9 / shift.size)
    assert set(np.unique(wrong)) == set(range(CLASSES))


def test_wrong_labels_are_drawn_only_where_the_loss_asks_for_them():
    assert not drawn().discriminator.others
    assert not drawn(loss=Conditional(NonSaturating(), mismatched=True)).generator.others


def test_the_generator_s_reals_come_from_a_walk_of_their_own_with_the_labels_of_its_fakes():
    g = drawn(loss=Conditional(Comparing())).generator
    assert np.array_equal(g.real, Streams(2).order("order/generator", 0, 40, M, EXAMPLES))
    assert np.array_equal(g.labels, LABELS[g.real]) and np.array_equal(g.fake_labels, g.labels)
    assert not np.array_equal(g.real, drawn().discriminator.real[:, -1])
    for epoch in g.real.ravel()[: EXAMPLES * (g.real.size // EXAMPLES)].reshape(-1, EXAMPLES):
        assert np.array_equal(np.sort(epoch), np.arange(EXAMPLES))


def test_the_generator_gets_no_reals_that_its_loss_does_not_compare_with():
    b = drawn()
    assert b.generator.real is None and b.generator.labels.shape == (40, M)


def test_without_labels_nobody_has_any():
    b = drawn(loss=NonSaturating(), labels=None, fake_labels="uniform")
    for draw in (b.discriminator, b.generator):
        assert draw.labels is draw.fake_labels is None and not draw.given and not draw.others


def test_any_cut_of_a_run_is_handed_the_same():
    settings = {
        "loss": Conditional(Comparing(), mismatched=True),
        "fake_labels": "uniform",
        "penalties": (R1(every=3),),
    }
    whole, part = drawn(100, **settings), batches(**settings).make(61, 70, Stock(EXAMPLES, LABELS))
    for of_whole, of_part in ((whole.discriminator, part.discriminator), (whole.generator, part.generator)):
        assert (of_part.real is None) == (of_whole.real is None) and of_part.others.keys() == of_whole.others.keys()
        for array, of_all in zip(of_part.arrays(), of_whole.arrays(), strict=True):
            assert np.array_equal(array, of_all[61:70])
    for name, values in part.numbers.items():
        assert np.array_equal(values, whole.numbers[name][61:70])


def test_numbers_are_each_player_s_own():
    """The two-time-scale update rule (Heusel et al. 2017), with optimizers of two kinds."""
    got = batches(
        optimizers={
            "generator": Sgd(lr=0.3),
            "discriminator": Adam(lr=Ramp(1e-3, 3e-3, 0, 2), b2=Ramp(0.9, 0.98, 0, 4)),
        }
    ).numbers(0, 3)
    assert got["generator/lr"].tolist() == [0.3] * 3
    np.testing.assert_allclose(got["discriminator/lr"], [1e-3, 2e-3, 3e-3], rtol=1e-12)
    np.testing.assert_allclose(got["discriminator/b2"], [0.9, 0.92, 0.94], rtol=1e-12)
    assert "discriminator/b1" not in got and "generator/b2" not in got


def test_a_penalty_acts_every_so_many_steps_as_many_times_as_strong_with_the_weight_of_its_step():
    penalties = (R1(weight=Ramp(1.0, 0.0, 0, 10), every=4), R2(weight=0.5))
    got = batches(penalties=penalties).numbers(0, 9)
    np.testing.assert_allclose(got["r1"], [4.0, 0, 0, 0, 2.4, 0, 0, 0, 0.8], atol=1e-12)
    assert got["r2"].tolist() == [0.5] * 9


@pytest.mark.parametrize("batch_size", [16, 100])
def test_the_average_s_half_life_is_in_images(batch_size):
    """Karras et al. 2020: after half_life images a parameter's old value has half of the weight."""
    config = Config(batch_size=batch_size, ema={"half_life": 1600})
    decay = Batches(config, SGD).numbers(10**6, 10**6 + 1)["ema"][0]
    assert decay ** (1600 / batch_size) == pytest.approx(0.5, rel=1e-12)


def test_the_average_forgets_its_first_steps_quickly():
    got = Batches(Config(ema=0.9), SGD).numbers(0, 200)["ema"]
    np.testing.assert_allclose(got[:3], [0.1, 2 / 11, 3 / 12])
    assert got[79] < 0.9 and got[80] == got[199] == 0.9
