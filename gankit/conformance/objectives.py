"""What any loss is judged by, a stranger's included: its closed forms in float64 NumPy, on an open backend.

    from gankit.building import open_backend
    from gankit.conformance.objectives import judge_loss

    def test_hinge(backend, dtype):
        judge_loss(open_backend(backend, "cpu", dtype), Hinge(), {"discriminator": d_hinge, "generator": g_hinge})

A closed form takes the logits of real and fake, both (n,) float64, and returns (value, gradient in real, gradient in
fake). Where a check fails it raises AssertionError, naming the player, the situation and the number that is off.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, epsilon, require
from gankit.conformance.tiny import TinyOps
from gankit.interfaces import Backend, Loss, Scores
from gankit.parts.losses import Conditional

Situations = Mapping[str, tuple[Array, Array]]
"""Logits of real and of fake, by what is special about them."""

ORDINARY = (np.array([0.3, -1.2, 2.0, 0.7]), np.array([-0.4, 1.5, -2.2, 0.1]))
EXTREME = (np.array([1e4, -1e4, 1e4, 0.0]), np.array([-1e4, 1e4, 0.0, 0.0]))
ZERO = (np.zeros(4), np.zeros(4))
SITUATIONS: Situations = {"ordinary logits": ORDINARY, "logits of 1e4": EXTREME, "logits of exactly 0": ZERO}
LABELS = np.array([0, 2, 1, 2], np.int32)

Form = Callable[[Array, Array], tuple[Any, Any, Any]]
"""A player's objective in NumPy: logits of real and fake to (value, gradient in real, gradient in fake)."""
Forms = Mapping[str, Form]
"""By player: "discriminator" and "generator"."""
Features = Callable[[Any, Any], tuple[Any, ...]]
"""What D's features are of an example with this logit: (xp, logits) to arrays that lead with the batch's axis."""

PARTS = ("value", "gradient in real logits", "gradient in fake logits")


def evaluate(
    ops: Any, loss: Loss, player: str, real: Array, fake: Array, features: Features | None = None
) -> tuple[Array, Array, Array]:
    """(value, gradient in the real logits, gradient in the fake ones) of a player's objective, as NumPy."""

    def objective(logits: Any) -> tuple[Any, None]:
        return getattr(loss, player)(ops, *(scores(ops.xp, ops.asarray, loss, x, features) for x in logits)), None

    (value, _), gradients = ops.value_and_grad(objective)((ops.asarray(real), ops.asarray(fake)))
    return ops.to_numpy(value), ops.to_numpy(gradients[0]), ops.to_numpy(gradients[1])


def scores(xp: Any, asarray: Callable[[Array], Any], loss: Loss, logits: Any, features: Features | None) -> Scores:
    """What D says in a game of this loss: with labels in a conditional one."""
    labels = asarray(LABELS[np.arange(logits.shape[0]) % len(LABELS)]) if loss.conditional else None
    return Scores(logits, labels, features=() if features is None else features(xp, logits))


def judge_loss(
    backend: Backend,
    loss: Loss,
    forms: Forms,
    situations: Situations = SITUATIONS,
    features: Features | None = None,
) -> None:
    """Everything that a loss of any kind must be, played by itself and by `conditional`: see the checks below."""
    follows(backend, loss, forms, situations, features)
    is_a_mean(backend, loss, features)
    ignores_order(backend, loss, features)
    if not loss.conditional:
        wrapped: Any = Conditional(loss)
        follows(backend, wrapped, forms, situations, features)


def follows(
    backend: Backend,
    loss: Loss,
    forms: Forms,
    situations: Situations = SITUATIONS,
    features: Features | None = None,
) -> None:
    """Values and gradients of both players are those of the closed forms, to a few roundings of the backend's dtype."""
    eps, name = epsilon(backend.dtype), type(loss).__name__
    for situation, (real, fake) in situations.items():
        for player, form in forms.items():
            want = form(real, fake)
            # What the value's terms weigh, where they cancel: a rounding of the logits moves it so much.
            weight = float(np.abs(want[1] * real).sum() + np.abs(want[2] * fake).sum())
            atols = (16 * eps * (1 + weight), 4 * eps, 4 * eps)
            got = evaluate(backend.ops, loss, player, real, fake, features)
            for part, g, w, atol in zip(PARTS, got, want, atols, strict=True):
                what = f"{name}, {player}, {situation}, {backend.dtype}: {part}"
                agree(g, w, what, rtol=32 * eps, atol=atol)


def is_a_mean(backend: Backend, loss: Loss, features: Features | None = None) -> None:
    """A 0-d number that a batch given twice does not change: a sum makes the learning rate grow with the batch."""
    for player in ("discriminator", "generator"):
        what, (real, fake) = f"{type(loss).__name__}, {player}", (np.concatenate([x, x]) for x in ORDINARY)
        once = evaluate(backend.ops, loss, player, *ORDINARY, features)[0]
        require(once.shape == (), f"{what}: the objective has shape {once.shape}; it must be 0-d.")
        tolerance = 64 * epsilon(backend.dtype)
        again = evaluate(backend.ops, loss, player, real, fake, features)[0]
        agree(again, once, f"{what}: a batch that is repeated", rtol=tolerance, atol=tolerance, cause="a sum, no mean.")


def ignores_order(backend: Backend, loss: Loss, features: Features | None = None) -> None:
    """Examples are not judged by their place in the batch, such as by broadcasting (n, 1) against (n,)."""
    order, tolerance = np.array([2, 0, 3, 1]), 64 * epsilon(backend.dtype)
    for player in ("discriminator", "generator"):
        value, in_real, in_fake = evaluate(backend.ops, loss, player, *ORDINARY, features)
        real, fake = (x[order] for x in ORDINARY)
        moved = evaluate(backend.ops, loss, player, real, fake, features)
        for part, got, want in zip(PARTS, moved, (value, in_real[order], in_fake[order]), strict=True):
            what = f"{type(loss).__name__}, {player}, a batch in another order: {part}"
            agree(got, want, what, rtol=tolerance, atol=tolerance)


def needs_no_framework(
    loss: Loss, forms: Forms, situations: Situations = SITUATIONS, features: Features | None = None
) -> None:
    """The values once more on array-api-strict, where nothing works that is not in the standard or in `Ops`.

    Raises ImportError where array-api-strict is not installed.
    """
    strict = importlib.import_module("array_api_strict")
    ops: Any = TinyOps(strict)
    for situation, (real, fake) in situations.items():
        for player, form in forms.items():
            both = (scores(strict, strict.asarray, loss, strict.asarray(x), features) for x in (real, fake))
            got, (want, in_real, in_fake) = float(getattr(loss, player)(ops, *both)), form(real, fake)
            weight = float(np.abs(in_real * real).sum() + np.abs(in_fake * fake).sum())
            what = f"{type(loss).__name__}, {player}, {situation}, array-api-strict"
            agree(np.array(got), want, what, rtol=1e-13, atol=1e-14 * (1 + weight))
