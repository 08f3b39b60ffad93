"""How any loss treats a batch: as a mean, in any order, and looking at no more and no less than it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import epsilon, require
from gankit.conformance.parts.common import exact, made
from gankit.conformance.parts.scores import FAKE, PLAYERS, REAL, Minibatch, N, answer, declares, shown
from gankit.conformance.subject import Candidate

ORDER = np.array([2, 0, 5, 3, 1, 4])


def check_loss_is_a_mean(candidate: Candidate) -> None:
    """A sum over the batch makes the learning rate grow with the batch size."""
    loss, ops, n = made(candidate), exact(candidate).ops, 64
    rng = np.random.default_rng(3)
    once = shown(loss, (rng.normal(size=n), rng.normal(size=n)))
    twice = Minibatch(*(said.taken(np.tile(np.arange(n), 2)) for said in once))
    for player in PLAYERS:
        a, b = (answer(ops, loss, player, batch) for batch in (once, twice))
        for side, one, other in (("real", a.in_real, b.in_real), ("fake", a.in_fake, b.in_fake)):
            for name in one:
                before, after = float(np.abs(one[name]).sum()), float(np.abs(other[name]).sum())
                # 5 %: an estimator without bias divides by n - 1, and means to.
                require(
                    abs(after - before) <= 0.05 * before + 1e-6,
                    f"{type(loss).__name__}, {player}: the gradients in {side} {name} add up to {before:.4g}, and to "
                    f"{after:.4g} where every example is there twice. Likely cause: a sum where a mean belongs.",
                )


def check_loss_ignores_order(candidate: Candidate) -> None:
    """The order of examples in the batch would matter, or an example would get the label of another."""
    loss, backend = made(candidate), exact(candidate)
    batch = shown(loss)
    moved = Minibatch(*(said.taken(ORDER) for said in batch))
    for player in PLAYERS:
        change = _change(backend, loss, player, batch, moved, ORDER, ORDER)
        cause = "Likely cause: a weight by place, or (N, 1) broadcast against (N,)."
        require(not change, f"{type(loss).__name__}, {player}: a batch in another order has another {change}. {cause}")


def check_loss_pairs_examples(candidate: Candidate) -> None:
    """A conditional game would compare fakes of one class with real examples of another, or refuse to draw labels."""
    loss, backend = made(candidate), exact(candidate)
    batch, still, name = shown(loss), np.arange(N), type(loss).__name__
    changes = {}
    for player in PLAYERS:
        apart = Minibatch(batch.real.taken(ORDER), batch.fake)
        changes[player] = _change(backend, loss, player, batch, apart, ORDER, still)
    if declares(loss, "pairs_examples"):
        require(
            any(changes.values()),
            f"{name} says pairs_examples = True, and real examples in another order change nothing. Likely cause: (N, "
            "1) broadcast against (N,), so that each fake meets every real example; or the line is not needed.",
        )
        return
    for player, change in changes.items():
        require(
            not change,
            f"{name}, {player}: real examples in another order change its {change}. It compares the i-th fake with the "
            "i-th real example, whose labels may differ: say pairs_examples = True. Or it takes the labels of the "
            "wrong side.",
        )


def check_loss_needs_what_it_says(candidate: Candidate) -> None:
    """Every step would draw and score a minibatch that nobody uses, or G's objective would lack the real examples."""
    loss, backend = made(candidate), exact(candidate)
    batch, other = shown(loss), shown(loss, (REAL[::-1] + 0.25, FAKE))
    features = {n: part * 0.5 + 1 for n, part in other.real.parts.items() if n != "logits"}
    before, after = (
        answer(backend.ops, loss, "generator", b) for b in (batch, Minibatch(other.real.where(**features), batch.fake))
    )
    if declares(loss, "generator_needs_real"):
        require(
            before.value != after.value,
            f"{type(loss).__name__} says generator_needs_real = True, and G's objective is the same whatever the real "
            "examples are. Likely cause: an objective computed and then overwritten; or the line is not needed.",
        )
    if declares(loss, "needs_mismatched"):
        at = answer(backend.ops, loss, "discriminator", batch)
        require(
            bool(np.any(at.in_real["mismatched"])),
            f"{type(loss).__name__} says needs_mismatched = True, and D's objective does not look at real.mismatched.",
        )


def _change(
    backend: Any, loss: Any, player: str, batch: Minibatch, moved: Minibatch, of_real: Array, of_fake: Array
) -> str:
    """What is another one, "value" or "gradient in ...", when the sides are shown in these orders; "" if nothing is."""
    before, after = (answer(backend.ops, loss, player, b) for b in (batch, moved))
    tolerance = 256 * epsilon(backend.dtype)

    def differ(a: Array, b: Array) -> bool:
        return not np.allclose(a, b, rtol=tolerance, atol=tolerance)

    for side, was, now, order in (
        ("real", before.in_real, after.in_real, of_real),
        ("fake", before.in_fake, after.in_fake, of_fake),
    ):
        for name, gradient in was.items():
            if differ(gradient[order], now[name]):
                return f"gradient in {side} {name}"
    return "value" if differ(before.value, after.value) else ""


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_loss_is_a_mean,
    check_loss_ignores_order,
    check_loss_pairs_examples,
    check_loss_needs_what_it_says,
)
