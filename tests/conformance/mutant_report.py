"""Faults caught and planted, and the checks that catch each: `nox -s "mutants(torch)"`.

By default every check of the fault's group looks at it, the one meant for it first; `--own` asks that one alone. A
check that is the only one to catch some fault earns its place; one that never is, is listed to be questioned.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import Counter
from dataclasses import replace

import pytest
from test_suite_has_teeth import CHECKS, MUTANTS

from gankit.conformance import GROUPS, registered
from gankit.conformance.results import judge


def main() -> int:
    """Print the report; 1 when a fault got away."""
    parser = argparse.ArgumentParser(description="Which planted faults the suite catches.")
    parser.add_argument("--backend", required=True)
    parser.add_argument("--own", action="store_true", help="only the check that is meant for the fault")
    parser.add_argument("--json", metavar="FILE", help="fault to the checks that caught it")
    options = parser.parse_args()
    subject = registered(options.backend, quick=True)
    caught: dict[str, list[str]] = {}
    idle_here = []
    for mutant in MUTANTS:
        if options.backend in mutant.immune or judge(CHECKS[mutant.check], subject)[0] == "not applicable":
            idle_here.append(mutant.name)
            continue
        group = next(checks for checks in GROUPS.values() if CHECKS[mutant.check] in checks)
        checks = [CHECKS[mutant.check], *(check for check in group if check.__name__ != mutant.check)]
        caught[mutant.name] = catchers(mutant, checks[:1] if options.own else checks, subject)
        print(f"{mutant.name:<58} {len(caught[mutant.name]):>3}  {', '.join(caught[mutant.name][:4])}", flush=True)
    missed = [name for name, by in caught.items() if not by]
    unique = Counter(by[0] for by in caught.values() if len(by) == 1)
    print(f"\n{options.backend}: {len(caught) - len(missed)} of {len(caught)} planted faults caught.")
    print(f"Not planted, as they are no faults here: {', '.join(idle_here) or 'none'}.")
    for name in missed:
        print(f"  not caught: {name}")
    if not options.own:
        idle = sorted(CHECKS.keys() - set(unique))
        print(f"{len(idle)} of {len(CHECKS)} checks are never the only one to catch a fault:\n  " + "\n  ".join(idle))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(caught, file, indent=1)
    return 1 if missed else 0


def catchers(mutant, checks, subject):
    """The names of the checks that fail on a backend with this fault."""
    with pytest.MonkeyPatch.context() as monkeypatch, warnings.catch_warnings():
        warnings.simplefilter("default")  # as it is for a user: some faults meddle with it
        mutant.core(monkeypatch)
        broken = replace(subject, make=lambda *how: mutant.backend(subject.make(*how)))
        return [check.__name__ for check in checks if judge(check, broken)[0] == "fail"]


if __name__ == "__main__":
    sys.exit(main())
