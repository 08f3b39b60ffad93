"""Every check of a loss, penalty or network catches a broken one, and the ones that we ship are green."""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import pytest
from mutants_of_losses import LOSSES
from mutants_of_network_parts import NETWORKS, module_of
from mutants_of_penalties import PENALTIES

from gankit.conformance.parts import loss, network, penalty
from gankit.conformance.results import judge
from gankit.conformance.subject import Candidate, registered
from gankit.layers import Dense, LeakyRelu
from gankit.parts.penalties import OnDiscriminator, safe_norm
from gankit.plug import registry

CHECKS = {
    "losses": loss.CHECKS,
    "penalties": penalty.CHECKS,
    **dict.fromkeys(("generators", "discriminators", "encoders"), network.CHECKS),
}
BY_NAME = {check.__name__: check for checks in CHECKS.values() for check in checks}
BROKEN = (*LOSSES, *PENALTIES, *NETWORKS)
BACKENDS = registry.names("backends")


def conditional(name, **settings):
    """`conditional` around that loss; a config brings a base of its own, which is passed over."""
    around = registry.load("losses", "conditional")
    return lambda base=None: around(base=registry.load("losses", name)(), **settings)


def around(base):
    return lambda: registry.load("losses", "feature-matching")(registry.load("losses", base)())


@dataclass(frozen=True)
class PathLength(OnDiscriminator):
    """E (||J^T y|| - a)^2, J of G at z, y a random picture, a the running mean of the norms. Karras et al. 2020."""

    player: str = field(default="generator", init=False)
    name: ClassVar[str] = "path-length"
    memory: ClassVar[dict[str, float]] = {"mean": 0.0}

    def __call__(self, ops, net, draw, fake, key, memory):
        y = ops.normal(key, tuple(fake.shape))
        lengths = safe_norm(ops, ops.grad(lambda z: ops.xp.sum(net(z) * y))(draw.z))
        mean = memory["mean"] + 0.1 * (ops.stop_gradient(ops.xp.mean(lengths)) - memory["mean"])
        return ops.xp.mean((lengths - mean) ** 2), {"mean": mean}


class Consistency(OnDiscriminator):
    """D says the same of an example and of one nearby. Zhang et al. 2020, without its augmentations."""

    name: ClassVar[str] = "consistency"

    def __call__(self, ops, net, draw, fake, key):
        near = draw.real + 0.1 * ops.normal(key, tuple(draw.real.shape))
        return ops.xp.mean((net(near, draw.labels).logits - net(draw.real, draw.labels).logits) ** 2)


DIVERGENCES = ("kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jensen-shannon", "gan", "total-variation")
VARIANTS = {
    **{
        f"f-gan {name} {form}": ("losses", "f-gan", {"divergence": name, "non_saturating": form == "non-saturating"})
        for name in DIVERGENCES
        for form in ("saturating", "non-saturating")
    },
    "least squares at -1, 1, 0": ("losses", "least-squares", {"a": -1.0, "b": 1.0, "c": 0.0}),
    "half of D's cross-entropy": ("losses", "minimax", {"d_weight": 0.5}),
    "hinge with labels": ("losses", conditional("hinge"), {}),
    "relativistic with labels": ("losses", conditional("relativistic"), {}),
    "features with labels": ("losses", conditional("feature-matching"), {}),
    "wrong labels as fakes": ("losses", conditional("non-saturating", mismatched=True), {}),
    "features around the hinge": ("losses", around("hinge"), {}),
    "features around relativistic": ("losses", around("relativistic"), {}),
    "one-sided gradient penalty": ("penalties", "gradient-penalty", {"one_sided": True, "target": 0.5}),
    "one-sided LeCam": ("penalties", "lecam", {"one_sided": True}),
    "path length": ("penalties", PathLength, {}),
    "consistency": ("penalties", Consistency, {}),
}
"""Shipped parts with other settings, and right parts of other kinds: kind, name or target, settings."""

SHIPPED = [(kind, name) for kind in CHECKS for name in registry.names(kind)]
REPRESENTATIVE = [
    ("losses", "conditional"),
    ("losses", "relativistic"),
    ("losses", "f-gan"),
    ("penalties", "r1"),
    ("generators", "modern-small"),
    ("discriminators", "dcgan"),
]
"""Those that are judged on every backend: compiling takes its time."""
EVERYTHING = "torch"
"""The backend on which all are judged: they are written once, and it compiles nothing."""


@pytest.mark.filterwarnings("default")  # a broken part may divide by zero
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.kind}-{broken.name.replace(' ', '-')}")
def test_a_broken_part_is_caught(broken, backend, put, monkeypatch, tmp_path):
    if backend in broken.immune:
        pytest.skip(f"{backend} is immune to it.")
    part = broken.part
    if isinstance(part, str):
        (tmp_path / "broken_part.py").write_text(part)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(importlib.sys.modules, "broken_part", raising=False)
        part = importlib.import_module("broken_part").Part
    put(broken.kind, "broken", part(backend) if broken.bound else part)
    real = registered(backend, device="cpu")
    subject = replace(real, make=lambda *how: broken.backend(real.make(*how)))
    outcome, message = judge(BY_NAME[broken.check], Candidate(broken.kind, "broken", subject))
    assert outcome == "fail", f"{broken.check} did not catch it: {outcome}. {message}"


def green(candidate):
    """Raise AssertionError with every message of a check that fails."""
    outcomes = {check.__name__: judge(check, candidate) for check in CHECKS[candidate.kind]}
    failures = [f"{name}: {message}" for name, (outcome, message) in outcomes.items() if outcome == "fail"]
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_what_we_ship_is_green(kind, name, backend):
    if backend != EVERYTHING and (kind, name) not in REPRESENTATIVE:
        pytest.skip(f"Judged on {EVERYTHING} only.")
    green(Candidate(kind, name, registered(backend, device="cpu")))


@pytest.mark.skipif(EVERYTHING not in BACKENDS, reason=f"Judged on {EVERYTHING} only.")
@pytest.mark.parametrize("variant", VARIANTS)
def test_other_settings_are_green(variant, put):
    pytest.importorskip("gankit_classic")
    pytest.importorskip("gankit_relativistic")
    kind, part, settings = VARIANTS[variant]
    target = registry.load(kind, part) if isinstance(part, str) else part
    name = "conditional" if "label" in variant else "variant"  # the name under which a game has labels
    name = getattr(target, "name", name)
    put(kind, name, partial(target, **settings))
    green(Candidate(kind, name, registered(EVERYTHING, device="cpu")))


def test_a_module_of_a_framework_is_green(backend, put):
    put("generators", "module", module_of((Dense(8), LeakyRelu(0.2), Dense(2)), "free")(backend))
    green(Candidate("generators", "module", registered(backend, device="cpu")))


def test_every_check_has_a_broken_part():
    assert sorted(BY_NAME.keys() - {broken.check for broken in BROKEN}) == []


def test_broken_parts_name_checks_that_exist_and_have_names_of_their_own():
    assert {broken.check for broken in BROKEN} <= BY_NAME.keys()
    assert max(Counter((broken.kind, broken.name) for broken in BROKEN).values()) == 1


def test_every_check_says_what_a_user_loses():
    assert [name for name, check in BY_NAME.items() if not (check.__doc__ or "").strip()] == []
