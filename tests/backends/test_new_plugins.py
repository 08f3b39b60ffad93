"""What `gankit new` writes is right by its own formulas, on every backend."""

from __future__ import annotations

import runpy

import pytest

from gankit.scaffold import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_part_is_its_paper_s(kind, backend, installed):
    folder = installed(kind, f"brand-new-{kind}")
    tests = runpy.run_path(str(folder / "tests" / "test_paper.py"))
    if kind == "loss":
        tests["test_it_is_the_loss_of_the_paper"](backend)
        tests["test_strength_multiplies_d_s_objective"](backend)
    elif kind == "penalty":
        tests["test_it_is_the_penalty_of_the_paper"](backend, 0.25)
    elif kind == "network":
        for role in ("generator", "discriminator"):
            tests["test_they_are_the_networks_of_the_paper"](backend, role, tests[role], tests[role[0]])
    else:
        tests["test_it_is_the_number_of_the_paper"]()
