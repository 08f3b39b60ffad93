"""What may be put around Algorithm 1 and needs the backend's help: penalties, constraints, numbers that change."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.conformance.follow import follow
from gankit.conformance.games import ADAM_D, ADAM_G
from gankit.conformance.oracle import Adam, Params
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject

LIMIT = 0.4


def check_penalty_follows_the_oracle(subject: Subject) -> None:
    """A gradient penalty would be a different objective; a scheduled weight would stay constant; and a lazy penalty
    would be 0 in every line of a log that never meets it."""
    weight = {"schedule": "ramp", "start": 1.0, "stop": 0.2, "begin": 0, "end": 10}

    def expected(t: int) -> float:  # every second step, twice as strong
        return 2 * (1.0 - 0.08 * min(t, 10)) if t % 2 == 0 else 0.0

    penalty = {"name": "r1", "weight": weight, "every": 2}
    follow(subject, 30 if subject.quick else 100, {"r1": expected, "lazy": True}, penalties=[penalty], k=2)


def check_penalty_of_every_step_follows_the_oracle(subject: Subject) -> None:
    """A penalty that always acts reuses the pass that scores examples. D would learn from only one of the two."""
    penalty = {"name": "r1", "weight": 0.7}
    follow(subject, 30 if subject.quick else 100, {"r1": lambda t: 0.7}, penalties=[penalty])


def check_scheduled_betas_follow_the_oracle(subject: Subject) -> None:
    """Adam's betas would keep their first value, or be bias-corrected as if they did (R3GAN increases b2)."""
    b2 = {"schedule": "cosine", "start": 0.9, "stop": 0.99, "begin": 5, "end": 20}
    b1 = {"schedule": "ramp", "start": 0.5, "stop": 0.1, "begin": 0, "end": 8}
    lr = {"schedule": "decay", "start": 2e-3, "factor": 1.05, "floor": 1e-3}
    rule = Adam(
        lr=lambda t: max(2e-3 / 1.05**t, 1e-3),
        b1=lambda t: 0.5 - 0.05 * min(t, 8),
        b2=lambda t: 0.945 - 0.045 * np.cos(np.pi * min(max(t - 5, 0), 15) / 15),
    )
    optimizers = {
        "discriminator_optimizer": {**ADAM_D, "lr": lr, "b1": b1, "b2": b2},
        "generator_optimizer": ADAM_G,
    }
    follow(subject, 30 if subject.quick else 100, {"d_rule": rule}, **optimizers)


def check_constraints_see_the_canonical_layout(subject: Subject) -> None:
    """A limit on the weights into a unit would limit the weights out of it on frameworks with the other layout."""

    def shortened(params: Params) -> dict[str, Any]:
        norms = {name: np.linalg.norm(p, axis=0) for name, p in params.items() if name.endswith("kernel")}
        return params | {name: params[name] * (np.minimum(n, LIMIT) / (n + 1e-7)) for name, n in norms.items()}

    constraint = {"name": "max-norm", "limit": LIMIT}
    follow(subject, 20 if subject.quick else 100, {"constrain": shortened}, constraints=[constraint])


CHECKS: tuple[Check, ...] = (
    check_penalty_follows_the_oracle,
    check_penalty_of_every_step_follows_the_oracle,
    check_scheduled_betas_follow_the_oracle,
    check_constraints_see_the_canonical_layout,
)
