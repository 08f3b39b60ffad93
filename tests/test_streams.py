"""Noise is data: every number is a function of (seed, purpose, step), however it is asked for."""

import numpy as np
import pytest

from gankit.errors import ConfigError
from gankit.play.streams import BLOCK, Streams

CUTS = [(0, 1), (1, 7), (7, BLOCK - 1), (BLOCK - 1, BLOCK + 1), (BLOCK + 1, 3 * BLOCK)]


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_latents_do_not_depend_on_how_steps_are_cut(prior):
    whole = Streams(3).latents("z", 0, 3 * BLOCK, (2, 5), prior)
    streams = Streams(3)
    assert np.array_equal(np.concatenate([streams.latents("z", a, b, (2, 5), prior) for a, b in CUTS]), whole)


def test_a_step_can_be_asked_for_alone_in_a_new_process():
    whole = Streams(3).latents("z", 0, 200, (4,), "normal")
    assert np.array_equal(Streams(3).latents("z", 137, 138, (4,), "normal")[0], whole[137])


@pytest.mark.parametrize(("prior", "bound"), [("normal", 6.0), ("uniform", 3**0.5)])
def test_latents_have_mean_0_and_variance_1(prior, bound):
    z = Streams(0).latents("z", 0, 20 * BLOCK, (50,), prior)
    assert abs(z.mean()) < 0.02 and abs(z.var() - 1) < 0.02 and abs(z).max() <= bound
    assert prior == "normal" or abs(z).max() > 0.999 * bound


def test_uniform_latents_are_numpy_s_own():
    own = Streams(5).generator("z").uniform(-(3**0.5), 3**0.5, (1000, 7))
    np.testing.assert_allclose(Streams(5).first_latents("z", 1000, 7, "uniform"), own, rtol=0, atol=1e-15)


def test_seeds_purposes_and_shapes_are_told_apart():
    draws = [
        Streams(seed).latents(purpose, 0, 1, shape, "normal").ravel()[0]
        for seed in (0, 1)
        for purpose in ("z/generator", "z/discriminator")
        for shape in ((3,),)
    ]
    assert len(set(draws)) == len(draws)
    streams = Streams(0)
    streams.latents("z", 0, 1, (3,), "normal")
    assert streams.latents("z", 0, 1, (7,), "normal").shape == (1, 7), "a draw of another shape must not be reused"


@pytest.mark.parametrize(("examples", "per_step"), [(10, 3), (10, 10), (7, 20), (1, 4)])
def test_every_epoch_sees_every_example_once(examples, per_step):
    order = Streams(1).order("data", 0, 30, per_step, examples).ravel()
    epochs = order[: len(order) // examples * examples].reshape(-1, examples)
    assert (np.sort(epochs, axis=1) == np.arange(examples)).all()
    assert examples == 1 or len({tuple(epoch) for epoch in epochs}) > 1, "epochs are shuffled anew"


def test_data_order_does_not_depend_on_how_steps_are_cut():
    whole = Streams(5).order("data", 0, 3 * BLOCK, 8, 100)
    streams = Streams(5)
    assert np.array_equal(np.concatenate([streams.order("data", a, b, 8, 100) for a, b in CUTS]), whole)
    assert np.array_equal(Streams(5).order("data", 137, 140, 8, 100), whole[137:140])


def test_a_longer_sample_begins_with_the_shorter_one():
    assert np.array_equal(
        Streams(1).first_latents("sample", 100, 16, "normal")[:9], Streams(1).first_latents("sample", 9, 16, "normal")
    )


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_a_sample_in_parts_is_the_sample(prior):
    """So it can be drawn while the device is busy with the part before. Each normal takes as many draws as it takes."""
    whole = Streams(3).first_latents("sample", 10_007, 5, prior)
    parts = list(Streams(3).first_latents_in_parts("sample", 10_007, 5, prior, 500))
    assert [len(part) for part in parts] == [500] * 20 + [7]
    assert np.array_equal(np.concatenate(parts), whole)
    assert not list(Streams(3).first_latents_in_parts("sample", 0, 5, prior, 500))


def test_key_words_differ_from_step_to_step():
    words = Streams(0).words("keys", 0, 1000)
    assert words.dtype == np.uint32 and words.shape == (1000, 2)
    assert len({tuple(word) for word in words}) == 1000


def test_negative_seed_is_refused():
    with pytest.raises(ConfigError, match="0 or greater"):
        Streams(-1)
