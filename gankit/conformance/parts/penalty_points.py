"""Where a penalty looks: at each example by itself, with its own label, and on the line between the two of a pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import require
from gankit.conformance.parts.common import exact, made
from gankit.conformance.parts.probe import (
    CLASSES,
    Given,
    Watching,
    draws,
    given,
    key_of_d,
    needs_of,
    on_generator,
    outcome,
    value,
)
from gankit.conformance.probes import ProbedOps, Seen
from gankit.conformance.subject import Candidate, NotApplicable


def check_penalty_ignores_order(candidate: Candidate) -> None:
    """The order of examples in the batch would matter."""
    penalty, ops = made(candidate), exact(candidate).ops
    here = given(penalty)
    if needs_of(penalty) - {"real"}:
        raise NotApplicable("It may set an example beside a condition, or an example of another source, by its place.")
    if draws(ops, penalty, here):
        raise NotApplicable("What it draws for an example depends on the example's place.")
    was, now = value(ops, penalty, here), value(ops, penalty, here.taken(np.array([3, 0, 7, 1, 6, 2, 5, 4])))
    require(
        abs(now - was) <= 1e-5 * abs(was),
        f"{type(penalty).__name__}: a batch in another order has the value {now:.8g}, not {was:.8g}. Likely cause: a "
        "weight by place, or (N, 1) broadcast against (N,).",
    )


def check_penalty_draws_for_each_example(candidate: Candidate) -> None:
    """One draw for a whole batch gives a noisier penalty than the paper's: it looks along a single slice per step."""
    penalty, ops = made(candidate), exact(candidate).ops
    here = given(penalty)
    alike = replace(here, real=_repeated(here.real), fake=_repeated(here.fake), z=_repeated(here.z))
    points = [at for at in _points(ops, penalty, alike) if at.shape[0] == len(here.real)]
    others = _points(ops, penalty, replace(alike, seed=1))
    random = [(a, b) for a, b in zip(points, others, strict=False) if not np.array_equal(a, b)]
    if not random:
        raise NotApplicable("It takes no gradient at points that it draws.")
    for at, _ in random:
        spread = np.abs(at - at[:1]).max()
        require(
            bool(spread > 1e-6),
            f"{type(penalty).__name__}: examples that are all alike are looked at in one and the same drawn point. "
            "Likely cause: one random number for the whole batch; draw shape (n, 1, ...), one for each example.",
        )


def check_penalty_draws_with_keys_of_their_own(candidate: Candidate) -> None:
    """Two things that a penalty draws would be one: noise that depends on the place where it is added."""
    penalty, seen = made(candidate), Seen()
    ops, at = ProbedOps(exact(candidate).ops, seen), given(penalty)
    outcome(ops, penalty, at)
    drawn = Counter(seen.keys)
    seen.keys.clear()
    ops.used(key_of_d(ops, at))  # D draws too, at each pass with the same key
    drawn.pop(seen.keys[0], None)
    if not drawn:
        raise NotApplicable("It draws nothing.")
    often = max(drawn.values())
    require(
        often == 1,
        f"{type(penalty).__name__}: {often} draws with one key are the same numbers. Use ops.fold_in(key, 0), "
        "ops.fold_in(key, 1), ... for several draws.",
    )


def check_penalty_interpolates_on_the_line(candidate: Candidate) -> None:
    """The penalty would act somewhere other than between data and samples, unlike that of the paper."""
    penalty, ops = made(candidate), exact(candidate).ops
    if on_generator(penalty):
        raise NotApplicable("It looks at G.")
    here = given(penalty, 64)
    moved_real = _points(ops, penalty, replace(here, real=here.real + 1.0))
    moved_fake = _points(ops, penalty, replace(here, fake=here.fake + 1.0))
    between = [
        at
        for at, r, f in zip(_points(ops, penalty, here), moved_real, moved_fake, strict=True)
        if at.shape == here.real.shape and not np.array_equal(at, r) and not np.array_equal(at, f)
    ]
    if not between:
        raise NotApplicable("It takes no gradient between real and fake examples.")
    for at in between:
        # Where the point lies between the two, number by number: one share for all numbers of an example.
        share = ((at - here.fake) / (here.real - here.fake)).reshape(len(at), -1)
        certain = np.abs(here.real - here.fake).reshape(share.shape) > 0.05
        middle = np.array([np.median(row[use]) for row, use in zip(share, certain, strict=True)])[:, None]
        off = float(np.abs(np.where(certain, share - middle, 0.0)).max())
        require(
            off < 1e-3,
            f"{type(penalty).__name__}: a point is {middle[0, 0]:.3f} of the way from fake to real in one number and "
            f"off that by up to {off:.3f} in others. Likely cause: a share for each pixel; draw shape (n, 1, ...).",
        )
        least, most = float(middle.min()), float(middle.max())
        require(
            least > -1e-3 and most < 1 + 1e-3,
            f"{type(penalty).__name__}: points lie from {least:.2f} to {most:.2f} of the way from fake to real; they "
            "must from 0 to 1. Likely cause: a share drawn by ops.normal; use ops.uniform.",
        )
        require(
            most - least < 1e-6 or (least < 0.15 and most > 0.85),
            f"{type(penalty).__name__}: all of {len(at)} points lie from {least:.2f} to {most:.2f} of the way from "
            "fake to real; they must from 0 to 1. Likely cause: a share that is multiplied, squared or cut off.",
        )


def check_penalty_of_images_is_that_of_vectors(candidate: Candidate) -> None:
    """The penalty would differ between images and the same numbers as rows: a norm over some axes only."""
    penalty, ops = made(candidate), exact(candidate).ops
    if on_generator(penalty) or needs_of(penalty) - {"real"}:
        raise NotApplicable("It looks at more than D on real and fake examples.")
    here = given(penalty)
    if draws(ops, penalty, here):
        raise NotApplicable("What it draws has the shape of the examples, so that the draws differ.")
    flat = replace(here, real=here.real.reshape(len(here.real), -1), fake=here.fake.reshape(len(here.fake), -1))
    images, rows = (outcome(ops, penalty, at) for at in (here, flat))
    parts = {"value": (images.value, rows.value)} | {
        f"gradient in {name}": (array, rows.gradient[name]) for name, array in images.gradient.items()
    }
    for what, (a, b) in parts.items():
        require(
            bool(np.allclose(a, b, rtol=1e-6, atol=1e-9)),
            f"{type(penalty).__name__}: its {what} is {np.ravel(a)[0]:.6g} on images (n, h, w, c), and "
            f"{np.ravel(b)[0]:.6g} on the same numbers as rows (n, d). Likely cause: a sum over axis 1 alone, or over "
            "fixed axes; reshape to (n, -1) first, as gankit.penalties.input_gradient does.",
        )


def check_penalty_gives_examples_their_own_labels(candidate: Candidate) -> None:
    """In a conditional game with `fake_labels="uniform"`, the penalty would act at samples with wrong labels."""
    penalty, ops = made(candidate), Watching(exact(candidate).ops)
    if on_generator(penalty):
        raise NotApplicable("It looks at G.")
    if "given" in needs_of(penalty):
        raise NotApplicable("It says that it needs conditions, and may ask for those of others on purpose.")
    here = given(penalty)
    of_real = (np.arange(8) % CLASSES).astype(np.int32)
    here = replace(here, labels=(of_real, (of_real + 1) % np.int32(CLASSES)))
    asked: list[tuple[str, bool]] = []

    def seen(x: Any, labels: Any) -> None:
        at = ops.to_numpy(x) if ops.at is None else ops.at
        for side, examples, own in zip(("real", "fake"), (here.real, here.fake), here.labels or (), strict=True):
            if at.shape == examples.shape and np.allclose(at, examples):
                asked.append((side, labels is not None and np.array_equal(ops.to_numpy(labels), own)))

    value(ops, penalty, here, seen)
    for side, right in asked:
        cause = "net(fake) without draw.fake_labels, which gives fakes the labels of the real examples."
        what = f"{type(penalty).__name__} asks for D of {side} examples with the labels of others."
        require(right, f"{what} Likely cause: {cause}")


def _points(ops: Any, penalty: Any, here: Given) -> list[Array]:
    """Where it takes gradients of D, in order."""
    watching = Watching(ops)
    value(watching, penalty, here)
    return watching.points


def _repeated(x: Array) -> Array:
    return np.repeat(x[:1], len(x), axis=0)


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_penalty_ignores_order,
    check_penalty_draws_for_each_example,
    check_penalty_draws_with_keys_of_their_own,
    check_penalty_interpolates_on_the_line,
    check_penalty_of_images_is_that_of_vectors,
    check_penalty_gives_examples_their_own_labels,
)
