"""Every check is worth its name: a planted fault that it must catch, on a thin wrapper of each real backend."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from mutants_of_choices import CHOICES
from mutants_of_coordination import COORDINATION
from mutants_of_entry import ENTRY
from mutants_of_functions import FUNCTIONS
from mutants_of_knobs import KNOBS
from mutants_of_layers import LAYERS
from mutants_of_open import OPEN
from mutants_of_parts import LOSSES, OPS
from mutants_of_passes import PASSES
from mutants_of_play import RESUME, SEED, STEP
from mutants_of_probes import PROBES
from mutants_of_rules import RULES
from mutants_of_theory import THEORY
from mutants_of_updates import UPDATES
from mutants_of_workers import WORKERS

from gankit.conformance import GROUPS, registered
from gankit.conformance.results import judge
from gankit.conformance.subject import SINGULAR
from gankit.conformance.suite import FLOORS, PARTS
from gankit.plug import registry

MUTANTS = (
    *ENTRY,
    *OPS,
    *LAYERS,
    *LOSSES,
    *STEP,
    *SEED,
    *RESUME,
    *KNOBS,
    *OPEN,
    *COORDINATION,
    *THEORY,
    *WORKERS,
    *FUNCTIONS,
    *PASSES,
    *UPDATES,
    *RULES,
    *PROBES,
    *CHOICES,
)
CHECKS = {check.__name__: check for checks in GROUPS.values() for check in checks}
BACKENDS = registry.names("backends")


@pytest.fixture(params=BACKENDS or [None])
def subject(request):
    if request.param is None:
        pytest.skip("No backend is installed; the mutants are wrappers of real ones: pip install 'gankit[torch]'.")
    return registered(request.param, quick=True)


@pytest.mark.filterwarnings("default")  # a broken game may divide by zero
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_planted_fault_is_caught(mutant, subject, monkeypatch):
    if subject.name in mutant.immune:
        pytest.skip(f"No fault on {subject.name}: {mutant.immune[subject.name]}.")
    mutant.core(monkeypatch)
    outcome, message = judge(
        CHECKS[mutant.check], replace(subject, make=lambda *how: mutant.backend(subject.make(*how)))
    )
    if outcome == "not applicable":
        pytest.skip(message)
    assert outcome == "fail", f"{mutant.check} did not catch it."


def test_every_check_has_a_mutant():
    assert sorted(CHECKS.keys() - {mutant.check for mutant in MUTANTS}) == []


def test_mutants_name_checks_that_exist_and_have_names_of_their_own():
    assert {mutant.check for mutant in MUTANTS} <= CHECKS.keys()
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1


def test_every_check_says_what_a_user_loses():
    assert [name for name, check in CHECKS.items() if not (check.__doc__ or "").strip()] == []


def test_the_floor_is_the_number_of_checks_but_those_that_may_not_apply():
    may_not_apply = {  # array-api-strict is optional; parts of a kind differ in what they are
        "losses": 1,
        "data parallel": 2,
        "loss": 3,
        "penalty": 10,
        "generator": 8,
        "discriminator": 7,
        "encoder": 7,
        "metric": 2,
        "optimizer": 3,
        "constraint": 2,
        "extractor": 1,
        "logger": 3,
        "recipe": 1,
        "data": 3,
        "conditions": 9,
        "augmentation": 2,
    }
    counted = {group: len(checks) for group, checks in GROUPS.items()}
    counted |= {SINGULAR[kind]: len(checks) for kind, checks in PARTS.items()}
    assert {group: count - may_not_apply.get(group, 0) for group, count in counted.items()} == FLOORS
