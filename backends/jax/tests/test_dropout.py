"""Dropout from 16 random bits an entry, two entries to a word."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gankit_jax.layers import Dropout

KEY = jax.random.key(3)


def drop(keep, shape, key=KEY):
    layer = Dropout(keep)
    layer.deterministic, layer.key[...] = False, key
    return np.asarray(layer(jnp.ones(shape, jnp.float32)))


@pytest.mark.parametrize(("keep", "of_65536"), [(0.5, 32_768), (0.8, 52_429)])
@pytest.mark.parametrize("shape", [(4, 6), (3, 5), (1, 1)])
def test_the_low_halves_of_words_decide_on_the_first_entries_and_the_high_ones_on_the_rest(keep, of_65536, shape):
    words = np.asarray(jax.random.bits(KEY, (-(-np.prod(shape) // 2),), jnp.uint32))
    halves = np.concatenate([words % 65_536, words // 65_536])[: np.prod(shape)].reshape(shape)
    np.testing.assert_array_equal(drop(keep, shape), np.where(halves < of_65536, np.float32(1 / keep), 0))


def test_both_halves_of_a_word_decide_by_themselves():
    kept = drop(0.8, (2, 50_000)) != 0
    assert abs(kept.mean() - 0.8) < 5 * np.sqrt(0.16 / kept.size)
    assert abs(np.corrcoef(kept)[0, 1]) < 5 / np.sqrt(50_000)


def test_a_share_too_small_for_16_bits_still_lets_something_through():
    assert 0 < (drop(1e-9, (1000, 1000)) != 0).sum() < 60  # 15.3 are expected, 1 in 65,536


def test_a_share_that_16_bits_cannot_tell_from_all_drops_nothing():
    np.testing.assert_array_equal(drop(1 - 1e-9, (10, 10)), np.ones((10, 10)))
