"""Core's losses, computed by the backend: closed forms, signs, means, and the pairing of examples."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gankit.building import make
from gankit.config import Part
from gankit.conformance.compare import Array, agree, epsilon, require
from gankit.conformance.ops_math import sigmoid
from gankit.conformance.results import Check, NotApplicable
from gankit.conformance.subject import Subject
from gankit.conformance.tiny import TinyOps
from gankit.interfaces import Draw, Loss, Scores

ORDINARY = (np.array([0.3, -1.2, 2.0, 0.7]), np.array([-0.4, 1.5, -2.2, 0.1]))
EXTREME = (np.array([1e4, -1e4, 1e4, 0.0]), np.array([-1e4, 1e4, 0.0, 0.0]))
ZERO = (np.zeros(4), np.zeros(4))
SITUATIONS = {"ordinary logits": ORDINARY, "logits of 1e4": EXTREME, "logits of exactly 0": ZERO}
LABELS = np.array([0, 2, 1, 2], np.int32)


def d_value(real: Array, fake: Array) -> float:
    """D's side of eq. 1, to be minimised."""
    return float(np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean())


Closed = tuple[Callable[[Array], Any], Callable[[Array], Array]]
G_CLOSED: dict[str, Closed] = {
    # G's objective on logits f, and its gradient: eq. 1 of the paper, and the remark in its section 3
    "minimax": (lambda f: -np.logaddexp(0, f).mean(), lambda f: -sigmoid(f) / len(f)),
    "non-saturating": (lambda f: np.logaddexp(0, -f).mean(), lambda f: -sigmoid(-f) / len(f)),
}
NAMES = ("minimax", "non-saturating", "conditional")


def loss(name: str, **settings: Any) -> Loss:
    """A registered loss; the conditional one plays the non-saturating."""
    base = {"base": "non-saturating"} if name == "conditional" else {}
    made: Loss = make("losses", Part(name, {**base, **settings}))
    return made


def evaluate(ops: Any, loss: Loss, player: str, real: Array, fake: Array) -> tuple[Array, Array, Array]:
    """(value, gradient in the real logits, gradient in the fake ones) of a player's objective."""
    labels = ops.asarray(LABELS[np.arange(len(real)) % len(LABELS)]) if loss.conditional else None

    def objective(logits: Any) -> tuple[Any, None]:
        value = getattr(loss, player)(ops, Scores(logits[0], labels), Scores(logits[1], labels))
        return value, None

    (value, _), gradients = ops.value_and_grad(objective)((ops.asarray(real), ops.asarray(fake)))
    return ops.to_numpy(value), ops.to_numpy(gradients[0]), ops.to_numpy(gradients[1])


def against_closed_form(subject: Subject, name: str, base: str) -> None:
    """Both players, values and gradients, in every situation."""
    for dtype in subject.dtypes:
        ops, rtol, atol = subject.open(dtype).ops, 32 * epsilon(dtype), 4 * epsilon(dtype)
        for situation, (real, fake) in SITUATIONS.items():
            n, (g_value, g_gradient) = len(real), G_CLOSED[base]
            wanted = {
                "discriminator": (d_value(real, fake), -sigmoid(-real) / n, sigmoid(fake) / n),
                "generator": (g_value(fake), np.zeros(n), g_gradient(fake)),
            }
            for player, want in wanted.items():
                got = evaluate(ops, loss(name), player, real, fake)
                for part, g, w in zip(
                    ("value", "gradient in real logits", "gradient in fake logits"), got, want, strict=True
                ):
                    agree(g, w, f"{name}, {player}, {situation}, {dtype}: {part}", rtol=rtol, atol=atol)


def check_minimax(subject: Subject) -> None:
    """The game of the paper's eq. 1 would not be the one that is played."""
    against_closed_form(subject, "minimax", "minimax")


def check_non_saturating(subject: Subject) -> None:
    """The default game would train on another objective, or not move at all from zero logits."""
    against_closed_form(subject, "non-saturating", "non-saturating")


def check_conditional(subject: Subject) -> None:
    """A conditional game would not play the loss that it wraps."""
    against_closed_form(subject, "conditional", "non-saturating")


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
    ops = subject.open().ops
    for name in NAMES:
        for player in ("discriminator", "generator"):
            once = evaluate(ops, loss(name), player, *ORDINARY)[0]
            twice = evaluate(ops, loss(name), player, *(np.concatenate([x, x]) for x in ORDINARY))[0]
            require(once.shape == (), f"{name}: {player}'s objective has shape {once.shape}; it must be 0-d.")
            agree(twice, once, f"{name}, {player}: a batch that is repeated", rtol=1e-12, cause="sum over the batch.")


def check_losses_ignore_order(subject: Subject) -> None:
    """Examples of a batch would be judged by their place in it, such as by broadcasting (N, 1) against (N,)."""
    ops, order = subject.open().ops, np.array([2, 0, 3, 1])
    for name in NAMES:
        for player in ("discriminator", "generator"):
            value, in_real, in_fake = evaluate(ops, loss(name), player, *ORDINARY)
            moved = evaluate(ops, loss(name), player, *(x[order] for x in ORDINARY))
            for part, got, want in zip(
                ("value", "real", "fake"), moved, (value, in_real[order], in_fake[order]), strict=True
            ):
                agree(got, want, f"{name}, {player}, shuffled: {part}", rtol=1e-12)


def check_discriminator_raises_real_and_lowers_fake(subject: Subject) -> None:
    """With a sign flipped, or real and fake exchanged, D learns to call real examples fake."""
    ops = subject.open().ops
    for name in NAMES:
        for situation in ("ordinary logits", "logits of exactly 0"):
            _, in_real, in_fake = evaluate(ops, loss(name), "discriminator", *SITUATIONS[situation])
            require(
                bool((in_real < 0).all()),
                f"{name}: a step of D does not raise the scores of real examples ({situation}).",
            )
            require(bool((in_fake > 0).all()), f"{name}: a step of D does not lower the scores of fakes ({situation}).")


def check_generator_raises_fake(subject: Subject) -> None:
    """With its sign flipped, G helps D."""
    ops = subject.open().ops
    for name in NAMES:
        for situation in ("ordinary logits", "logits of exactly 0"):
            _, in_real, in_fake = evaluate(ops, loss(name), "generator", *SITUATIONS[situation])
            require(bool((in_fake < 0).all()), f"{name}: a step of G does not raise the scores of fakes ({situation}).")
            require(
                bool((in_real == 0).all()),
                f"{name}: G's objective depends on real examples, which it does not ask for.",
            )


def check_minimax_saturates(subject: Subject) -> None:
    """`minimax` would quietly be the non-saturating loss, and an experiment that compares them compare nothing."""
    ops, rejected = subject.open().ops, np.full(4, -20.0)
    saturated = evaluate(ops, loss("minimax"), "generator", rejected, rejected)[2]
    strong = evaluate(ops, loss("non-saturating"), "generator", rejected, rejected)[2]
    agree(saturated, np.full(4, -sigmoid(np.array(-20.0)) / 4), "minimax: G's gradient where D rejects", rtol=1e-9)
    agree(strong, np.full(4, -0.25), "non-saturating: G's gradient where D rejects", rtol=1e-6)


def check_d_weight(subject: Subject) -> None:
    """`gan-2014` halves D's objective as the authors' code does: D would learn at twice the rate of theirs."""
    ops = subject.open().ops
    for name in ("minimax", "non-saturating"):
        whole, half = (evaluate(ops, loss(name, d_weight=w), "discriminator", *ORDINARY)[0] for w in (1.0, 0.5))
        agree(half, whole / 2, f"{name}: D's objective with d_weight=0.5", rtol=1e-12)
        whole, half = (evaluate(ops, loss(name, d_weight=w), "generator", *ORDINARY)[0] for w in (1.0, 0.5))
        agree(half, whole, f"{name}: G's objective with d_weight=0.5", rtol=1e-12)


def check_gradient_penalties(subject: Subject) -> None:
    """R1 and R2, on which small games stand, would punish the wrong gradient or at the wrong examples."""
    ops, rng = subject.open().ops, np.random.default_rng(2)
    w, real, fake = rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    at = (ops.asarray(real), ops.asarray(fake))

    def penalized(w_: Any, name: str) -> tuple[Any, None]:  # D(x) = 1/2 (x . w)^2, so that grad_x D = (x . w) w
        penalty = make("penalties", Part(name))
        return penalty(ops, lambda x, labels: Scores(0.5 * (x @ w_) ** 2), Draw(at[0], None, at[0]), at[1], None), None

    for name, x in (("r1", real), ("r2", fake)):
        value, gradient = ops.value_and_grad(partial(penalized, name=name))(ops.asarray(w))
        s, n = x @ w, float(w @ w)
        cause = "the mean over pixels too, or no half."
        agree(ops.to_numpy(value[0]), (s**2 * n).mean() / 2, name, rtol=1e-10, cause=cause)
        want = (s[:, None] * x * n + s[:, None] ** 2 * w).mean(axis=0)
        agree(ops.to_numpy(gradient), want, f"{name}: gradient in D's parameters", rtol=1e-10)


def check_losses_without_a_framework(subject: Subject) -> None:
    """A loss that leaves the array standard works on one backend and fails on the next."""
    try:
        strict = importlib.import_module("array_api_strict")
    except ImportError:
        raise NotApplicable("array-api-strict is not installed: pip install 'gankit[conformance]'") from None
    ops: Any = TinyOps(strict)
    for name in NAMES:
        base = "minimax" if name == "minimax" else "non-saturating"
        for situation, (real, fake) in SITUATIONS.items():
            labels = strict.asarray(LABELS)
            r, f = Scores(strict.asarray(real), labels), Scores(strict.asarray(fake), labels)
            got = [float(getattr(loss(name), player)(ops, r, f)) for player in ("discriminator", "generator")]
            want = [d_value(real, fake), G_CLOSED[base][0](fake)]
            agree(np.array(got), want, f"{name} on array-api-strict, {situation}", rtol=1e-12)
        classes = strict.asarray(np.zeros((4, 3)))
        labelled = loss("conditional").generator(
            ops, None, Scores(strict.asarray(ZERO[1]), strict.asarray(LABELS), classes)
        )
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
