"""Clipped weights: what NumPy's clip does, to every parameter of the player that is meant, after each update."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_wasserstein.constraints import WeightClipping

import gankit
from gankit.building import make
from gankit.config import Part
from gankit.conformance.short_games import SMALL


def test_it_clips_kernels_and_biases(backend):
    arrays = {"kernel": np.array([[0.5, -0.5], [0.009, -1e4]]), "bias": np.array([0.0, 0.01, 0.02])}
    clipped = WeightClipping()(backend.ops, {name: backend.ops.asarray(a) for name, a in arrays.items()})
    assert clipped.keys() == arrays.keys()
    for name, array in arrays.items():
        want = np.clip(array, -0.01, 0.01).astype(backend.dtype)
        np.testing.assert_array_equal(backend.ops.to_numpy(clipped[name]), want, strict=True)


def greatest(player):
    return max(np.abs(array).max() for array in player.parameters.values())


@pytest.mark.parametrize("player", ["discriminator", "both"])
def test_in_a_game_the_player_stays_within_the_limit(backend_name, player):
    constraint = {"name": "weight-clipping", "limit": 0.05, "player": player}
    gan = gankit.build(backend_name, data="ring", loss="wasserstein", penalties=[], constraints=[constraint], **SMALL)
    gan.fit(steps=5)
    within = {role for role in ("discriminator", "generator") if greatest(getattr(gan, role)) <= np.float32(0.05)}
    assert within == ({"discriminator", "generator"} if player == "both" else {player})


def test_by_default_it_is_the_paper_s():
    assert WeightClipping() == WeightClipping(limit=0.01, player="discriminator")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0.0}, "weight-clipping: limit=0.0; it must be above 0, such as 0.01"),
        ({"limit": float("nan")}, "limit=nan"),
        ({"player": "critic"}, "player='critic'; possible: 'discriminator', 'generator' and 'both'"),
        ({"c": 0.1}, "has no setting 'c'"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_errors(settings, message):
    with pytest.raises(gankit.ConfigError, match=message):
        make("constraints", Part("weight-clipping", settings))
