"""Every check of a constraint, an augmentation, data and so on catches broken ones, and honest ones are green."""

from __future__ import annotations

import importlib
import sys
from collections import Counter

import pytest
from mutants_of_augmentations import AUGMENTATIONS
from mutants_of_augmentations import HONEST as HONEST_AUGMENTATIONS
from mutants_of_conditions import CONDITIONS
from mutants_of_conditions import HONEST as HONEST_CONDITIONS
from mutants_of_constraints import CONSTRAINTS
from mutants_of_constraints import HONEST as HONEST_CONSTRAINTS
from mutants_of_data import DATA
from mutants_of_data import HONEST as HONEST_DATA
from mutants_of_extractors import EXTRACTORS
from mutants_of_extractors import HONEST as HONEST_EXTRACTORS
from mutants_of_loggers import HONEST as HONEST_LOGGERS
from mutants_of_loggers import LOGGERS
from mutants_of_recipes import HONEST as HONEST_RECIPES
from mutants_of_recipes import RECIPES

from gankit.conformance.asking import wanting
from gankit.conformance.results import judge
from gankit.conformance.subject import Candidate, registered
from gankit.conformance.suite import PARTS
from gankit.plug import registry

KINDS = ("constraints", "augmentations", "conditions", "recipes", "loggers", "extractors", "data")
CHECKS = {kind: PARTS[kind] for kind in KINDS}
BY_NAME = {check.__name__: check for checks in CHECKS.values() for check in checks}
BROKEN = (*CONSTRAINTS, *AUGMENTATIONS, *CONDITIONS, *RECIPES, *LOGGERS, *EXTRACTORS, *DATA)
HONEST = {
    "constraints": HONEST_CONSTRAINTS,
    "augmentations": HONEST_AUGMENTATIONS,
    "conditions": HONEST_CONDITIONS,
    "recipes": HONEST_RECIPES,
    "loggers": HONEST_LOGGERS,
    "extractors": HONEST_EXTRACTORS,
    "data": HONEST_DATA,
}
BACKENDS = registry.names("backends")
ONLY = "torch"
"""The backend on which faults are tried: the parts are written once, and it compiles nothing."""
SMALL = ("mlp", "cgan", "series", "spectrum", "tabular", "masked-rows")
"""Recipes whose networks are not wide: `tests/parity` plays all of them, narrower."""
SHIPPED = [(kind, name) for kind in CHECKS for name in registry.names(kind) if kind != "recipes" or name in SMALL]
REPRESENTATIVE = [
    ("constraints", "weight-clipping"),
    ("augmentations", "translation"),
    ("conditions", "spectrum"),
    ("data", "digits"),
    ("extractors", "digits-cnn"),
    ("loggers", "tensorboard"),
    ("recipes", "cgan"),
]
"""Those that are judged on every backend: compiling takes its time."""

pytestmark = pytest.mark.skipif(not BACKENDS, reason="No backend is installed: pip install 'gankit[torch]'.")


@pytest.mark.filterwarnings("default")  # a broken part may divide by zero
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken.kind}-{broken.name.replace(' ', '-')}")
@pytest.mark.skipif(ONLY not in BACKENDS, reason=f"Tried on {ONLY} only.")
def test_a_broken_part_is_caught(broken, put, monkeypatch, tmp_path):
    part = broken.part
    if isinstance(part, str):
        (tmp_path / "broken_part.py").write_text(part)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "broken_part", raising=False)
        part = importlib.import_module("broken_part").Part
    put(broken.kind, "broken", part)
    outcome, message = judge(BY_NAME[broken.check], Candidate(broken.kind, "broken", registered(ONLY, device="cpu")))
    assert outcome == "fail", f"{broken.check} did not catch it: {outcome}. {message}"


def green(candidate):
    """Raise AssertionError with every message of a check that fails."""
    outcomes = {check.__name__: judge(check, candidate) for check in CHECKS[candidate.kind]}
    failures = [f"{name}: {message}" for name, (outcome, message) in outcomes.items() if outcome == "fail"]
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_what_we_ship_is_green(kind, name, backend):
    if reason := wanting(kind, name):
        pytest.skip(reason)
    if backend != ONLY and (kind, name) not in REPRESENTATIVE:
        pytest.skip(f"Judged on {ONLY} only.")
    green(Candidate(kind, name, registered(backend, device="cpu")))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in HONEST for name in HONEST[kind]])
@pytest.mark.skipif(ONLY not in BACKENDS, reason=f"Judged on {ONLY} only.")
def test_an_honest_part_is_green(kind, name, put):
    put(kind, "broken", HONEST[kind][name])
    green(Candidate(kind, "broken", registered(ONLY, device="cpu")))


def test_every_check_has_two_faults():
    faults = Counter(broken.check for broken in BROKEN)
    assert {name: faults[name] for name in BY_NAME if faults[name] < 2} == {}


def test_faults_name_checks_that_exist_and_have_names_of_their_own():
    assert {broken.check for broken in BROKEN} <= BY_NAME.keys()
    assert max(Counter((broken.kind, broken.name) for broken in BROKEN).values()) == 1


def test_every_check_says_what_a_user_loses():
    assert [name for name, check in BY_NAME.items() if not (check.__doc__ or "").strip()] == []
