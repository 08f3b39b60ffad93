"""The suite that judges a backend, whoever wrote it.

    python -m gankit.conformance --backend jax
    gankit.conformance.check_backend("jax")        # from a REPL

A check is a plain function of a `Subject` that raises when something is wrong; the first sentence of its docstring
says what a user loses then.
"""

from gankit.conformance.results import NotApplicable, Result
from gankit.conformance.subject import Subject, registered
from gankit.conformance.suite import GROUPS, check_backend, run_checks

__all__ = ["GROUPS", "NotApplicable", "Result", "Subject", "check_backend", "registered", "run_checks"]
