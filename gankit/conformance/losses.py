"""Core's losses and penalties, computed by the backend: closed forms, signs, means, and the pairing of examples.

What judges any loss and any penalty is in `objectives` and `penalties`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.building import make
from gankit.config import Part
from gankit.conformance.compare import agree, epsilon, require
from gankit.conformance.objectives import (
    LABELS,
    ORDINARY,
    SITUATIONS,
    ZERO,
    Forms,
    evaluate,
    follows,
    ignores_order,
    is_a_mean,
    needs_no_framework,
)
from gankit.conformance.oracle import sigmoid
from gankit.conformance.penalties import evaluate_penalty
from gankit.conformance.results import Check, NotApplicable
from gankit.conformance.subject import Subject
from gankit.conformance.tiny import TinyOps
from gankit.interfaces import Loss, Scores


def cross_entropy(real: Array, fake: Array) -> tuple[Any, Array, Array]:
    """D's side of eq. 1, to be minimised."""
    n, value = len(real), np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    return value, -sigmoid(-real) / n, sigmoid(fake) / n


def saturating(real: Array, fake: Array) -> tuple[Any, Array, Array]:
    """G's side of eq. 1."""
    return -np.logaddexp(0, fake).mean(), np.zeros(len(real)), -sigmoid(fake) / len(fake)


def non_saturating(real: Array, fake: Array) -> tuple[Any, Array, Array]:
    """What section 3 of the paper has G minimise instead."""
    return np.logaddexp(0, -fake).mean(), np.zeros(len(real)), -sigmoid(-fake) / len(fake)


NON_SATURATING: Forms = {"discriminator": cross_entropy, "generator": non_saturating}
FORMS: dict[str, Forms] = {
    "minimax": {"discriminator": cross_entropy, "generator": saturating},
    "non-saturating": NON_SATURATING,
    "conditional": NON_SATURATING,
}


def loss(name: str, **settings: Any) -> Loss:
    """A registered loss; the conditional one plays the non-saturating."""
    base = {"base": "non-saturating"} if name == "conditional" else {}
    made: Loss = make("losses", Part(name, {**base, **settings}))
    return made


def against_closed_forms(subject: Subject, name: str) -> None:
    """Both players, values and gradients, in every situation."""
    for dtype in subject.dtypes:
        follows(subject.open(dtype), loss(name), FORMS[name])


def check_minimax(subject: Subject) -> None:
    """The game would not be that of the paper's eq. 1."""
    against_closed_forms(subject, "minimax")


def check_non_saturating(subject: Subject) -> None:
    """The default game would train on a different objective, or not move at all from zero logits."""
    against_closed_forms(subject, "non-saturating")


def check_conditional(subject: Subject) -> None:
    """A conditional game would not use the loss that it wraps."""
    against_closed_forms(subject, "conditional")


def check_conditional_class_cross_entropy(subject: Subject) -> None:
    """D's class head would learn the wrong classes, or from softmax taken twice."""
    rng = np.random.default_rng(1)
    real, fake, rows = *ORDINARY, np.arange(4)
    for scale in (1.0, 1e4):
        in_real, in_fake = scale * rng.normal(size=(2, 4, 3))
        for dtype in subject.dtypes:
            ops = subject.open(dtype).ops
            plain, labelled = loss("non-saturating"), loss("conditional", class_weight=0.7)
            r, f = (
                Scores(ops.asarray(x), ops.asarray(LABELS), ops.asarray(c))
                for x, c in ((real, in_real), (fake, in_fake))
            )
            for player, c in (("discriminator", in_real), ("generator", in_fake)):
                added = ops.to_numpy(getattr(labelled, player)(ops, r, f) - getattr(plain, player)(ops, r, f))
                log_p = c - np.logaddexp.reduce(c, axis=1)[:, None]
                want = -0.7 * log_p[rows, LABELS].mean()
                agree(added, want, f"conditional, {player}: class term, {dtype}", rtol=1e-5, atol=32 * epsilon(dtype))


def check_losses_are_means(subject: Subject) -> None:
    """A sum instead of a mean makes the learning rate grow with the batch."""
    for name in FORMS:
        is_a_mean(subject.open(), loss(name))


def check_losses_ignore_order(subject: Subject) -> None:
    """The order of examples in a batch would matter, for example by broadcasting (N, 1) against (N,)."""
    for name in FORMS:
        ignores_order(subject.open(), loss(name))


def check_discriminator_raises_real_and_lowers_fake(subject: Subject) -> None:
    """With a wrong sign, or real and fake exchanged, D learns to call real examples fake."""
    ops = subject.open().ops
    for name in FORMS:
        for situation in ("ordinary logits", "logits of exactly 0"):
            _, in_real, in_fake = evaluate(ops, loss(name), "discriminator", *SITUATIONS[situation])
            require(
                bool((in_real < 0).all()),
                f"{name}: a step of D does not raise the scores of real examples ({situation}).",
            )
            require(bool((in_fake > 0).all()), f"{name}: a step of D does not lower the scores of fakes ({situation}).")


def check_generator_raises_fake(subject: Subject) -> None:
    """With a wrong sign, G helps D."""
    ops = subject.open().ops
    for name in FORMS:
        for situation in ("ordinary logits", "logits of exactly 0"):
            _, in_real, in_fake = evaluate(ops, loss(name), "generator", *SITUATIONS[situation])
            require(bool((in_fake < 0).all()), f"{name}: a step of G does not raise the scores of fakes ({situation}).")
            require(
                bool((in_real == 0).all()),
                f"{name}: G's objective depends on real examples, which it does not ask for.",
            )


def check_minimax_saturates(subject: Subject) -> None:
    """`minimax` would silently be the non-saturating loss, and an experiment that compares the two would compare
    nothing."""
    ops, rejected = subject.open().ops, np.full(4, -20.0)
    saturated = evaluate(ops, loss("minimax"), "generator", rejected, rejected)[2]
    strong = evaluate(ops, loss("non-saturating"), "generator", rejected, rejected)[2]
    agree(saturated, np.full(4, -sigmoid(np.array(-20.0)) / 4), "minimax: G's gradient where D rejects", rtol=1e-9)
    agree(strong, np.full(4, -0.25), "non-saturating: G's gradient where D rejects", rtol=1e-6)


def check_d_weight(subject: Subject) -> None:
    """`gan-2014` halves D's objective as the authors' code does. Without this, D would learn at twice their rate."""
    ops = subject.open().ops
    for name in ("minimax", "non-saturating"):
        whole, half = (evaluate(ops, loss(name, d_weight=w), "discriminator", *ORDINARY)[0] for w in (1.0, 0.5))
        agree(half, whole / 2, f"{name}: D's objective with d_weight=0.5", rtol=1e-12)
        whole, half = (evaluate(ops, loss(name, d_weight=w), "generator", *ORDINARY)[0] for w in (1.0, 0.5))
        agree(half, whole, f"{name}: G's objective with d_weight=0.5", rtol=1e-12)


def half_square(xp: Any, params: Any, x: Any, labels: Any) -> Any:
    """D(x) = 1/2 (x . w)^2, so that grad_x D = (x . w) w."""
    return 0.5 * (x @ params["w"]) ** 2


def check_gradient_penalties(subject: Subject) -> None:
    """R1 and R2, which small games depend on, would penalise the wrong gradient, or act at the wrong examples."""
    ops, rng = subject.open().ops, np.random.default_rng(2)
    direction, real, fake = rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    for logits, scale in {"ordinary logits": 1.0, "logits of 1e4": 100.0, "logits of exactly 0": 0.0}.items():
        w = scale * direction
        for name, x in (("r1", real), ("r2", fake)):
            value, gradient, _ = evaluate_penalty(ops, make("penalties", Part(name)), half_square, {"w": w}, real, fake)
            s, n, what = x @ w, float(w @ w), f"{name}, {logits}"
            agree(value, (s**2 * n).mean() / 2, what, rtol=1e-10, cause="the mean over pixels too, or no half.")
            want = (s[:, None] * x * n + s[:, None] ** 2 * w).mean(axis=0)
            agree(gradient["w"], want, f"{what}: gradient in D's parameters", rtol=1e-10)


def check_losses_without_a_framework(subject: Subject) -> None:
    """A loss that leaves the array standard works on one backend and fails on another."""
    try:
        import array_api_strict as strict
    except ImportError:
        raise NotApplicable("array-api-strict is not installed: pip install 'gankit[conformance]'") from None
    for name, forms in FORMS.items():
        needs_no_framework(loss(name), forms)
    fake = Scores(strict.asarray(ZERO[1]), strict.asarray(LABELS), strict.asarray(np.zeros((4, 3))))
    ops: Any = TinyOps(strict)
    labelled = loss("conditional").generator(ops, None, fake)
    agree(np.array(float(labelled)), np.log(2) + np.log(3), "class term on array-api-strict", rtol=1e-12)


CHECKS: tuple[Check, ...] = (
    check_minimax,
    check_non_saturating,
    check_conditional,
    check_conditional_class_cross_entropy,
    check_losses_are_means,
    check_losses_ignore_order,
    check_discriminator_raises_real_and_lowers_fake,
    check_generator_raises_fake,
    check_minimax_saturates,
    check_d_weight,
    check_gradient_penalties,
    check_losses_without_a_framework,
)
