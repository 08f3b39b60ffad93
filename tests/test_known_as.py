"""What people type for a name that gankit spells otherwise leads to that name."""

from __future__ import annotations

import pytest

from gankit.config import NAMES
from gankit.errors import KNOWN_AS, did_you_mean
from gankit.plug import registry

PLUGINS = {
    *("wasserstein", "gradient-penalty", "least-squares", "relativistic", "relativistic-average", "modern"),
    *("lr", "b1", "momentum"),  # of optimizers
}


@pytest.mark.parametrize("typed", KNOWN_AS)
def test_it_leads_to_a_name_that_is_there(typed: str) -> None:
    kinds = ("metrics", "losses", "penalties", "recipes", "data", "optimizers")
    there = {*NAMES, *PLUGINS, *(name for kind in kinds for name in registry.names(kind))}
    assert {meant.partition(".")[0] for meant in KNOWN_AS[typed].split()} <= there


def test_it_goes_before_what_is_spelt_alike() -> None:
    assert did_you_mean("lr", NAMES) == " Did you mean 'generator_optimizer.lr'?"
    assert did_you_mean("learning_rate", ["lr", "b1"]) == " Did you mean 'lr'?"
    assert did_you_mean("FID", ["frechet", "parzen"]) == " Did you mean 'frechet'?"
    assert did_you_mean("fid", ["fit"]) == " Did you mean 'fit'?" and did_you_mean("xyz", ["fit"]) == ""
