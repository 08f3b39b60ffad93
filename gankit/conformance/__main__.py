"""`python -m gankit.conformance --backend NAME`: the suite as a table, and as an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from gankit.cli.settings import assigned
from gankit.conformance.asking import KINDS, backends, everything, parts
from gankit.conformance.results import Result, counts
from gankit.conformance.showing import as_json, heading, line, write_junit
from gankit.conformance.subject import Candidate, Subject
from gankit.conformance.suite import GROUPS, run_checks, shortfalls, summary
from gankit.errors import GankitError
from gankit.runs.progress import hushed

EXAMPLES = """examples:
  python -m gankit.conformance --backend jax
  python -m gankit.conformance --loss my-loss                  on every backend that is installed
  python -m gankit.conformance --network dcgan --backend torch
  python -m gankit.conformance --loss f-gan --set divergence=kl
  python -m gankit.conformance --all --quick --junit results.xml
"""


CALLED = {"network": "G, D or E, or all three,", "data": "a data set", "conditions": "a maker of conditions"}
"""What the help calls kinds of part whose word is not one part."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code: 0 when nothing failed, 1 when something did, 2 when nothing could run."""
    options = parse(argv)
    # Threads cost more than they bring on networks this small, many times more where the machine is shared. Set before
    # any framework is imported; a setting of the user's own stays.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    results: list[Result] = []
    try:
        with hushed():
            for subject in chosen(options):
                results += judged(subject, options)
    except GankitError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; what follows is of the checks that ran.", file=sys.stderr)
        finish(results, [], options)
        return 130
    short = shortfalls(results)
    finish(results, short, options)
    return 1 if short or counts(results)["fail"] else 0


def chosen(options: argparse.Namespace) -> list[Subject | Candidate]:
    """What was asked for, in its order; raises UnknownNameError before anything runs."""
    on = backends(options.backend or [], quick=options.quick, device=options.device)
    if options.all:
        return list(everything(on))
    asked = [(word, name) for word in KINDS for name in getattr(options, word) or []]
    settings = assigned(options.set)
    return list(chain.from_iterable(parts(word, name, on, settings) for word, name in asked)) if asked else list(on)


def judged(subject: Subject | Candidate, options: argparse.Namespace) -> list[Result]:
    """The results of one subject, told as they come."""
    if options.json:
        return list(run_checks(subject, options.only))
    print(f"\n{subject}\n{heading()}", flush=True)
    results = list(run_checks(subject, options.only, lambda result: print(line(result), flush=True)))
    print(summary(results), flush=True)
    return results


def finish(results: list[Result], short: list[str], options: argparse.Namespace) -> None:
    """What comes after the last check."""
    if options.json:
        print(as_json(results, short))
    elif len({result.subject for result in results}) > 1 or short:
        print("\n".join(["", f"In all: {summary(results)}", *short]))
    if options.junit:
        write_junit(options.junit, results, short)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gankit.conformance",
        description="Judge a backend of gankit, or a part, such as a loss, an optimizer or a prior, on the backends.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    repeatable: dict[str, Any] = {"action": "append", "metavar": "NAME"}
    parser.add_argument("--backend", **repeatable, help="an installed backend; alone, it is what is judged")
    for word in KINDS:
        article = CALLED.get(word, f"an {word}" if word[0] in "aeiou" else f"a {word}")
        parser.add_argument(f"--{word}", **repeatable, help=f"{article} of that name, on --backend or on every one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the part, other than its default"
    )
    parser.add_argument("--all", action="store_true", help="everything that is installed")
    parser.add_argument("--device", default="auto", help="where backends compute")
    parser.add_argument(
        "--only", action="append", default=[], choices=list(GROUPS), metavar="GROUP", help=f"of {', '.join(GROUPS)}"
    )
    parser.add_argument("--quick", action="store_true", help="shorter trajectories, fewer cases")
    parser.add_argument("--json", action="store_true", help="results as JSON instead of a table")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write them as JUnit's XML too")
    options = parser.parse_args(argv)
    parts_asked = any(getattr(options, word) for word in KINDS)
    if not (options.all or options.backend or parts_asked):
        parser.error(f"say what to judge: --backend, {', '.join(f'--{word}' for word in KINDS)}, or --all")
    if options.set and not parts_asked:
        parser.error(f"--set sets something of a part: name it by {', '.join(f'--{word}' for word in KINDS)}")
    if options.only and (options.all or parts_asked):
        parser.error("--only chooses among the groups of a backend")
    return options


if __name__ == "__main__":
    sys.exit(main())
