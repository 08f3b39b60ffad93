"""Any loss goes with any penalty: short games on the ring of 8 Gaussians stay finite, on every backend."""

from __future__ import annotations

import os
from itertools import product

from gankit.config import Part
from gankit.conformance.short_games import stays_finite
from gankit.plug import registry
from gankit.plug.making import make

DIVERGENCES = ("kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jensen-shannon", "total-variation")


def losses():
    """Every registered one but the wrapper, f-gan in each of its divergences."""
    plain = [name for name in registry.names("losses") if name not in ("conditional", "f-gan")]
    return plain + [{"name": "f-gan", "divergence": divergence} for divergence in DIVERGENCES]


def plays_with_two(name):
    """Whether a term is content with one G and one D on one source."""
    return not set(getattr(make("penalties", Part(name)), "needs", ())) - {"real"}


def pairs(backend):
    """All of them where a game starts at once; where each is compiled for seconds, every sixth, each part among them.

    GANKIT_ALL_PAIRS=1 plays all of them everywhere.
    """
    penalties = [None, *(name for name in registry.names("penalties") if plays_with_two(name))]
    everything = list(product(enumerate(losses()), enumerate(penalties)))
    whole = backend == "torch" or os.environ.get("GANKIT_ALL_PAIRS") == "1"
    return [(loss, penalty) for (i, loss), (j, penalty) in everything if whole or (i + j) % len(penalties) == 0]


def test_every_loss_goes_with_every_penalty(backends):
    faults = []
    for backend in backends:
        for loss, penalty in pairs(backend):
            try:
                stays_finite(backend, loss, () if penalty is None else (penalty,))
            except AssertionError as fault:
                faults.append(str(fault))
    assert not faults, "\n".join(faults)


def test_there_is_something_to_compose():
    assert len(losses()) >= 15 and len(registry.names("penalties")) >= 5
