"""The examples that keep their labels: balanced, the same for the same seed, refused in words where there are none."""

from __future__ import annotations

import numpy as np
import pytest

import gankit
from gankit.building import prepared
from gankit.config import Config
from gankit.errors import ConfigError, DataError
from gankit.interfaces import Port
from gankit.networks import GameSpec
from gankit.networks.k_class import dense_discriminator, discriminator
from gankit.play.labelled import labelled_part


def data(*, n=60, classes=3, **changes):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(n, 2)), rng.permutation(np.arange(n) % classes)
    return gankit.Dataset(**{"x": x, "labels": labels, "num_classes": classes, "name": "some", **changes})


def test_each_class_gives_as_many_as_the_others_and_keeps_its_own_label():
    whole = data()
    part = labelled_part(whole, 10, seed=0)
    assert np.bincount(part.labels).tolist() == [4, 3, 3]  # 10 = 3 * 3 + 1
    rows = [int(np.flatnonzero((whole.x == x).all(axis=1))[0]) for x in part.x]
    assert len(set(rows)) == 10 and rows == sorted(rows)
    np.testing.assert_array_equal(part.labels, whole.labels[rows])


def test_the_seed_decides_which():
    first, again, other = (labelled_part(data(), 9, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.x, again.x)
    assert (first.x != other.x).any()


def test_all_of_a_balanced_data_set_may_be_asked_for():
    assert len(labelled_part(data(), 60, seed=0)) == 60


MISSING = data(labels=np.arange(60) % 2, num_classes=3)
UNEVEN = data(labels=np.minimum(np.arange(60) // 5, 2))
REFUSED = {
    "no labels": (data(labels=None), 6, DataError, r"labelled=6: some has no labels. Pass data=\(x, labels\)"),
    "more than there are": (data(), 61, ConfigError, "some has only 60 examples; ask for that many at most"),
    "a class without examples": (MISSING, 6, DataError, "no example of class 2, of 3 classes"),
    "more than a class has": (UNEVEN, 18, ConfigError, "6 examples of class 0, and some has 5.* ask for 15 at most"),
    "fewer than classes": (data(), 2, ConfigError, "less than one of each of the 3 classes; ask for 3 or more"),
}


@pytest.mark.parametrize("which", REFUSED)
def test_what_cannot_be_drawn_is_refused_in_words(which):
    whole, n, kind, words = REFUSED[which]
    with pytest.raises(kind, match=words):
        labelled_part(whole, n, seed=0)


def test_batches_that_come_by_are_refused():
    batches = ((np.zeros((4, 2), np.float32), np.arange(4)) for _ in range(3))
    config = Config().with_settings({"labelled": 4, "num_classes": 4})
    with pytest.raises(DataError, match="batches that come by have no whole"):
        prepared(config, batches)


def test_labelled_examples_that_are_brought_take_the_place_of_those_drawn():
    x, few = data().x, (np.ones((4, 2)), np.array([0, 1, 0, 1]))
    config = Config().with_settings({"labelled": 9, "sources": {"labelled": "array"}})
    assert config.source_names == ("labelled",) and not config.draws_labelled
    game = prepared(config, x, sources={"labelled": few})
    assert game.spec.sources["labelled"].num_classes == 2 and len(game.sources["labelled"]) == 4
    # In the game's own units: four ones have no deviation of their own to be scaled by.
    np.testing.assert_array_equal(game.spec.sources["labelled"].scaling.scale, game.spec.scaling.scale)


def test_data_with_more_classes_than_the_game_are_refused():
    with pytest.raises(DataError, match="labels up to 2; this game has the classes 0 to 1"):
        labelled_part(data(), 6, seed=0, num_classes=2)


NETWORK_REFUSES = {
    "no such source": ({}, "this game has none. Ask for examples that keep their labels, labelled=100"),
    "no labels": ({"labelled": Port("image", (8, 8, 1))}, "the source 'labelled' has no labels"),
    "another shape": ({"labelled": Port("image", (4, 4, 1), 3)}, r"have shape \(4, 4, 1\), and those of the game"),
}


@pytest.mark.parametrize("which", NETWORK_REFUSES)
def test_a_d_of_classes_refuses_games_without_them(which):
    sources, words = NETWORK_REFUSES[which]
    for network in (discriminator, dense_discriminator):
        with pytest.raises(ConfigError, match=words):
            network(GameSpec((8, 8, 1), 4, sources=sources))


def test_a_whole_number_is_asked_for():
    for wrong in (-1, 0.5, True):
        with pytest.raises(ConfigError, match="labelled="):
            Config().with_settings({"labelled": wrong})
    with pytest.raises(ConfigError, match="averages='d'.*Choose 'both', 'generator'"):
        Config().with_settings({"averages": "d"})
