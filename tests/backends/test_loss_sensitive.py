"""A loss that needs the examples, as the guide has it: right by its formula, by the suite, and in a game."""

from __future__ import annotations

import numpy as np
import pytest

import gankit
from gankit.conformance import Candidate, registered
from gankit.conformance.paper import loss_follows, penalty_follows
from gankit.conformance.results import run
from gankit.conformance.suite import PARTS
from gankit.plug import registry
from tests.backends.loss_sensitive import Margin, Sensitive


def test_it_is_the_formula_of_the_paper(backend):
    def margin(critic, real, fake):
        apart = np.mean(np.abs(real - fake).reshape(len(real), -1), axis=1)
        return np.mean(np.maximum(0.0, 4.0 * apart - critic.logits(real) + critic.logits(fake)))

    penalty_follows(backend, Margin(scale=4.0), margin)
    loss_follows(backend, Sensitive(), lambda real, fake: -real.logits.mean(), lambda real, fake: -fake.logits.mean())


def test_the_suite_takes_both(backend, monkeypatch):
    if backend == "jax":
        pytest.skip("What a loss and a penalty are asked takes long where it is compiled; the formulas are compared.")
    real, own = registry.load, {("losses", "sensitive"): Sensitive, ("penalties", "margin"): Margin}
    monkeypatch.setattr(registry, "load", lambda kind, name: own.get((kind, name)) or real(kind, name))
    for kind, name in own:
        candidate = Candidate(kind, name, registered(backend, device="cpu"))
        results = [run(name, check, candidate) for check in PARTS[kind]]
        assert [r.message for r in results if r.outcome == "fail"] == []
        assert sum(r.outcome == "expected failure" for r in results) == (kind == "losses")


def test_it_learns(backend):
    gan = gankit.build(backend, data="gaussian-1d", loss=Sensitive(), penalties=[Margin(weight=2.0)], seed=0)
    before = abs(float(np.mean(gan.sample(500))) - 4.0)
    gan.fit(steps=200)
    assert abs(float(np.mean(gan.sample(500))) - 4.0) < before
