"""The suite that judges a backend, or a part of any kind, such as a loss or a data set, whoever wrote it.

    python -m gankit.conformance --backend jax
    python -m gankit.conformance --loss my-loss     # on every backend
    gankit.conformance.check_backend("jax")         # from a REPL

A plugin's tests are one line, which pytest turns into a test for every check of every part that the plugin brings:

    from gankit.conformance.testing import *

A check is a plain function of a `Subject`, or of a `Candidate`, that raises when something is wrong; the first sentence
of its docstring says what a user loses then. Where a closed form is known, `objectives.judge_loss` and
`penalties.evaluate_penalty` compare with it, and `short_games` plays combinations of parts.
"""

from gankit.conformance.asking import (
    check_augmentation,
    check_backend,
    check_conditions,
    check_constraint,
    check_data,
    check_extractor,
    check_logger,
    check_loss,
    check_metric,
    check_network,
    check_optimizer,
    check_penalty,
    check_prior,
    check_recipe,
)
from gankit.conformance.results import NotApplicable, Result
from gankit.conformance.subject import Candidate, Subject, registered
from gankit.conformance.suite import GROUPS, PARTS, run_checks

__all__ = [
    "GROUPS",
    "PARTS",
    "Candidate",
    "NotApplicable",
    "Result",
    "Subject",
    "check_augmentation",
    "check_backend",
    "check_conditions",
    "check_constraint",
    "check_data",
    "check_extractor",
    "check_logger",
    "check_loss",
    "check_metric",
    "check_network",
    "check_optimizer",
    "check_penalty",
    "check_prior",
    "check_recipe",
    "registered",
    "run_checks",
]
