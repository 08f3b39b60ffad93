"""What any loss must move: a step of D tells real from fake, a step of G raises fakes, classes learn their labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import epsilon, require
from gankit.conformance.parts.common import exact, made
from gankit.conformance.parts.scores import CLASSES, FAKE, REAL, Minibatch, N, Said, answer, declares, shown
from gankit.conformance.subject import Candidate, NotApplicable

STEEP = np.array([1.0, 0.5]), np.array([2.0, 1.0, 0.25])
"""How steeply the features of an example rise with its logit, where a check has them rise."""


def check_loss_discriminator_step(candidate: Candidate) -> None:
    """D would not learn to tell real from fake, or learn to call real examples fake."""
    loss, backend = made(candidate), exact(candidate)
    name = type(loss).__name__
    near = 0.125 * (REAL - REAL.mean()), 0.125 * (FAKE - FAKE.mean())
    for situation, logits in {"logits of exactly 0": (0 * REAL, 0 * FAKE), "logits near 0": near}.items():
        got = answer(backend.ops, loss, "discriminator", shown(loss, logits))
        up, down = -got.in_real["logits"].sum(), got.in_fake["logits"].sum()
        cause = "the sign is flipped, real and fake are exchanged, or one is compared with itself."
        require(
            float(up + down) > 0,
            f"{name}, {situation}: where D cannot tell real from fake yet, a step down its objective moves the scores "
            f"of real by {up:.4g} and of fake by {-down:.4g}; it must draw them apart, real above fake. Likely cause: "
            f"{cause}",
        )
    ordinary = answer(backend.ops, loss, "discriminator", shown(loss))
    for side, gradients in (("real", ordinary.in_real), ("fake", ordinary.in_fake)):
        seen = any(np.any(gradient) for gradient in gradients.values())
        require(
            bool(seen), f"{name}: D's objective does not depend on {side} examples. Likely cause: `{side}` is not used."
        )


def check_loss_generator_step(candidate: Candidate) -> None:
    """G would help D, or not learn at all."""
    loss, backend = made(candidate), exact(candidate)
    real, fake = 0.5 + 0.125 * (REAL - REAL.mean()), -0.5 + 0.125 * (FAKE - FAKE.mean())
    ops = backend.ops
    batch = Minibatch(*(_featured(said) for said in shown(loss, (real, fake))))
    if declares(loss, "conditional"):
        batch = Minibatch(*(said.where(class_logits=np.zeros((N, CLASSES))) for said in batch))
    got = answer(ops, loss, "generator", batch)
    # The logit of a fake and its features move together: each feature is a rising function of the logit.
    rise = -sum(float((got.in_fake[name] * slope).sum()) for name, slope in _slopes(batch.fake).items())
    require(
        rise > 0,
        f"{type(loss).__name__}: where D tells fakes from real examples, a step down G's objective moves the scores of "
        f"fakes by {rise:.4g}; it must raise them. Likely cause: the sign is flipped, or `real` stands where `fake` "
        "belongs.",
    )


def check_loss_compares_on_both_sides(candidate: Candidate) -> None:
    """G's gradient would fade as the run goes on: it depends on a level of D's scores that nothing holds in place.

    A D that only compares (relativistic, Wasserstein) does not change when all scores move by one number: they drift.
    """
    loss, backend = made(candidate), exact(candidate)
    batch = shown(loss)
    moved = Minibatch(*(said.where(logits=said.parts["logits"] + 3.0) for said in batch))
    at, then = (answer(backend.ops, loss, "discriminator", b) for b in (batch, moved))
    tolerance = 64 * epsilon(backend.dtype)
    sides = ((at.in_real, then.in_real), (at.in_fake, then.in_fake))
    if not all(np.allclose(was["logits"], now["logits"], rtol=0, atol=tolerance) for was, now in sides):
        return
    at, then = (answer(backend.ops, loss, "generator", b) for b in (batch, moved))
    require(
        np.allclose(at.in_fake["logits"], then.in_fake["logits"], rtol=0, atol=tolerance),
        f"{type(loss).__name__}: D's objective only compares scores, so that it leaves their level free, and G's "
        "gradient depends on that level. Likely cause: relativistic on D's side only; compare with `real` in "
        "the generator too.",
    )


def check_loss_class_logits(candidate: Candidate) -> None:
    """D's class head would learn wrong classes, or stop learning when it is sure of a wrong one."""
    loss, backend = made(candidate), exact(candidate)
    if not declares(loss, "conditional"):
        raise NotApplicable("The loss is not conditional; `conditional` plays it where there are labels.")
    batch, used = shown(loss), False
    for player, side in (("discriminator", "real"), ("generator", "fake")):
        labels = np.asarray(getattr(batch, side).labels)
        right = np.eye(CLASSES)[labels]
        for situation, heads in {
            "class logits of 0": np.zeros((N, CLASSES)),
            "a head that is sure of the wrong class": 40.0 * np.eye(CLASSES)[(labels + 1) % CLASSES],
        }.items():
            told = batch._replace(**{side: getattr(batch, side).where(class_logits=heads)})
            got = answer(backend.ops, loss, player, told)
            gradient = (got.in_real if side == "real" else got.in_fake)["class_logits"]
            zero = not np.any(gradient)
            if zero and not used:
                continue
            used = True
            in_right = (gradient * right).sum(axis=1)
            require(
                bool((in_right < -1e-3 / N).all()),
                f"{type(loss).__name__}, {player}, {situation}: a step moves the logit of the right class of {side} "
                f"examples by {np.array2string(-in_right, precision=3)}; it must raise each. Likely cause: softmax "
                "taken before the cross-entropy, the sign, or the labels of the other side.",
            )
    if not used:
        raise NotApplicable("The loss does not use class_logits.")


def _featured(said: Said) -> Said:
    """With features that rise with the logit."""
    logits = said.parts["logits"]
    features = {f"features/{i}": np.tanh(logits[:, None] * s) for i, s in enumerate(STEEP)}
    return said.where(**features)


def _slopes(said: Said) -> dict[str, Array]:
    """The derivative in the logit of the logit itself, and of those features."""
    logits = said.parts["logits"]
    slopes = {f"features/{i}": s / np.cosh(logits[:, None] * s) ** 2 for i, s in enumerate(STEEP)}
    return {"logits": np.ones_like(logits), **slopes}


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_loss_discriminator_step,
    check_loss_generator_step,
    check_loss_compares_on_both_sides,
    check_loss_class_logits,
)
