"""What any augmentation is judged by, a stranger's included: what it does to examples and conditions, and a game.

python -m gankit.conformance --augmentation translation
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, agree_by_name, bit_equal, require, same_names
from gankit.conformance.dealt import Dealt
from gankit.conformance.parts.common import exact, imports_no_framework, play, wish
from gankit.conformance.parts.scores import strict
from gankit.conformance.parts.settings_act import adjustable, others
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.conformance.tiny import TinyOps
from gankit.errors import ConfigError, GankitError
from gankit.interfaces import Port
from gankit.networks.spec import GameSpec

Arrays = dict[str, Array]
N, SPAN, CLASSES = 6, 2.0, 3
KEYS = 24
"""Draws over which a mean is taken."""
SHAPES = ((8, 8, 3), (10, 6, 1), (12,))
"""Of examples: pictures in colour and in grey, rows. An augmentation takes what it can."""


class Shown(NamedTuple):
    """A batch that an augmentation changes: examples, and what belongs to them."""

    spec: GameSpec
    x: Array
    given: Arrays


def shown(candidate: Candidate, seed: int = 0) -> list[Shown]:
    """Batches of every shape that the augmentation takes; raises AssertionError where it takes none."""
    found, reasons = [], []
    for shape in SHAPES:
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1.0, 1.0, (N, *shape))
        given: Arrays = {"label": np.arange(N, dtype=np.int32) % CLASSES, "words": rng.normal(size=(N, 4))}
        if len(shape) == 3:
            given["image"] = rng.uniform(-1.0, 1.0, (N, *shape))
            given["mask"] = (rng.random((N, *shape[:2], 1)) < 0.5).astype(np.float64)
        ports = {name: Port("vector", values.shape[1:]) for name, values in given.items()}
        ports["label"] = Port("class", num_classes=CLASSES)
        if "image" in given:
            ports |= {"image": Port("image", shape), "mask": Port("mask", (*shape[:2], 1))}
        spec = GameSpec(shape, 4, given=ports)
        try:
            candidate.made(spec, SPAN)
        except ConfigError as reason:
            reasons.append(f"{shape}: {reason}")
            continue
        found.append(Shown(spec, x, given))
    require(bool(found), f"{candidate} takes none of the examples here. {' '.join(reasons)}")
    return found


def changed(
    candidate: Candidate, ops: Any, batch: Shown, key: Any, *, span: float = SPAN, **settings: Any
) -> tuple[Array, Arrays]:
    """What the augmentation makes of a batch, as NumPy."""
    change = candidate.made(batch.spec, span, **settings)
    out, given = change(ops, ops.asarray(batch.x), {n: ops.asarray(c) for n, c in batch.given.items()}, key)
    read = getattr(ops, "to_numpy", np.asarray)
    return read(out), {name: read(c) for name, c in given.items()}


def dealt(candidate: Candidate) -> Any:
    """The backend's ops in its best precision, with draws that are the same everywhere."""
    return Dealt(exact(candidate).ops)


def check_augmentation_contract(candidate: Candidate) -> None:
    """A game would fail in the step, in words that do not name the augmentation."""
    ops = candidate.on.open("float32").ops
    for batch in shown(candidate):
        change = candidate.made(batch.spec, SPAN)
        given = {name: ops.asarray(c) for name, c in batch.given.items()}
        x = ops.asarray(batch.x)
        answer = change(ops, x, given, ops.key((1, 2)))
        what = f"{candidate}, examples {batch.spec.shape}"
        pair = isinstance(answer, tuple) and len(answer) == 2
        require(pair, f"{what}: it returns {type(answer).__name__}; it must return the examples and their conditions.")
        out, kept = answer
        same = (tuple(out.shape), out.dtype) == (tuple(x.shape), x.dtype)
        require(same, f"{what}: x {tuple(x.shape)} {x.dtype} becomes {tuple(out.shape)} {out.dtype}; it must stay so.")
        same_names(kept, given, f"{what}, the conditions it returns")
        for name, c in given.items():
            same = (tuple(kept[name].shape), kept[name].dtype) == (tuple(c.shape), c.dtype)
            require(same, f"{what}: the condition {name!r} changes shape or dtype; it must stay {tuple(c.shape)}.")
        require(bool(np.isfinite(ops.to_numpy(out)).all()), f"{what}: it makes what is not finite.")


def check_augmentation_draws_for_each_example(candidate: Candidate) -> None:
    """D would see one change for the whole batch, or the same one at every step, and learn it by heart."""
    ops = dealt(candidate)
    for batch in shown(candidate):
        alike = batch._replace(
            x=np.repeat(batch.x[:1], N, axis=0),
            given={name: np.repeat(c[:1], N, axis=0) for name, c in batch.given.items()},
        )
        seen = [changed(candidate, ops, alike, (key, 0))[0] for key in range(8)]
        what = f"{candidate}, examples {batch.spec.shape}"
        apart = any(len(np.unique(out.reshape(N, -1), axis=0)) > 1 for out in seen)
        require(apart, f"{what}: {N} equal examples are changed alike. Draw with shape (n, 1, 1, 1).")
        moving = any((out != seen[0]).any() for out in seen[1:])
        require(moving, f"{what}: eight keys make one change. Draw from the key: ops.uniform(key, shape).")


def check_augmentation_draws_from_its_key_alone(candidate: Candidate) -> None:
    """The same seed would be another run, and a resumed run not the uninterrupted one."""
    ops = candidate.on.open("float32").ops
    kept = np.random.get_state()
    try:
        for batch in shown(candidate):
            outs = []
            for seed in (1, 2):
                np.random.seed(seed)
                outs.append({"x": changed(candidate, ops, batch, ops.key((5, 6)))[0]})
            cause = "something drawn from elsewhere than the key, or kept from call to call."
            bit_equal(outs[1], outs[0], f"{candidate}, examples {batch.spec.shape}: one key, twice", cause=cause)
            x = ops.asarray(batch.x)
            before = ops.to_numpy(x).copy()
            candidate.made(batch.spec, SPAN)(
                ops, x, {n: ops.asarray(c) for n, c in batch.given.items()}, ops.key((5, 6))
            )
            bit_equal({"x": ops.to_numpy(x)}, {"x": before}, f"{candidate}: the examples that it was given")
    finally:
        np.random.set_state(kept)


class Noted(Dealt):
    """Draws that are the same everywhere, and the keys that they were drawn with."""

    def __init__(self, ops: Any) -> None:
        super().__init__(ops)
        self.keys: list[Any] = []

    def uniform(self, key: Any, shape: tuple[int, ...]) -> Any:
        self.keys.append(key)
        return super().uniform(key, shape)

    def normal(self, key: Any, shape: tuple[int, ...]) -> Any:
        self.keys.append(key)
        return super().normal(key, shape)


def check_augmentation_draws_with_a_key_each(candidate: Candidate) -> None:
    """What should be drawn apart would be one number: brightness and contrast, or both coordinates of a shift."""
    for batch in shown(candidate):
        ops = Noted(exact(candidate).ops)
        changed(candidate, ops, batch, (1, 2))
        again = len(ops.keys) - len(set(ops.keys))
        cause = "Fold a number into the key for each draw: ops.uniform(ops.fold_in(key, 0), shape)."
        require(
            not again, f"{candidate}: {again} of {len(ops.keys)} draws are with a key that was used before. {cause}"
        )


def check_augmentation_leaves_examples_apart(candidate: Candidate) -> None:
    """Examples would be mixed or exchanged, and stand beside the labels and conditions of others."""
    ops = dealt(candidate)
    for batch in shown(candidate):
        out, given = changed(candidate, ops, batch, (3, 0))
        for i in (0, N - 1):
            x = batch.x.copy()
            x[i] = -x[i]
            other, _ = changed(candidate, ops, batch._replace(x=x), (3, 0))
            rest = [j for j in range(N) if j != i]
            what = f"{candidate}, examples {batch.spec.shape}, after a change of example {i}: the others"
            cause = "a statistic of the batch, or another order."
            agree(other[rest], out[rest], what, rtol=1e-6, atol=1e-6, cause=cause)
        same = (given["label"] == batch.given["label"]).all()
        require(bool(same), f"{candidate}: labels are changed. Examples stay where they are, and so do their labels.")


def check_augmentation_moves_conditions_with_the_example(candidate: Candidate) -> None:
    """A picture among the conditions would no longer fit its example: a mask beside what it hides, edges beside what
    they are of."""
    ops = dealt(candidate)
    pictures = [batch for batch in shown(candidate) if len(batch.spec.shape) == 3]
    if not pictures:
        raise NotApplicable("It takes no pictures.")
    for batch in pictures:
        height, width, _ = batch.spec.shape
        points = np.full(batch.x.shape, -0.5)
        rng = np.random.default_rng(1)
        at = [(int(rng.integers(2, height - 2)), int(rng.integers(2, width - 2))) for _ in range(N)]
        for i, (row, column) in enumerate(at):
            points[i, row, column] = 0.5
        for key in range(8):
            given = {**batch.given, "image": points}
            out, kept = changed(candidate, ops, batch._replace(x=points, given=given), (key, 1))
            whole = bool(np.isin(kept["mask"], (0.0, 1.0)).all())
            require(whole, f"{candidate}: a mask is no longer 0 and 1. Move pixels as wholes, or take the nearest one.")
            for i in range(N):
                what = f"{candidate}, a bright pixel at {at[i]} of {height}x{width}"
                here, there = _brightest(out[i]), _brightest(kept["image"][i])
                if here == at[i]:
                    require(there == at[i], f"{what} stays, and the same pixel of a condition goes to {there}.")
                else:
                    where = "is gone from" if here is None else f"goes to {here} of"
                    same = "stays" if there == at[i] else "is gone" if there is None else f"goes to {there}"
                    require(there == here, f"{what} {where} the example, and {same} in a condition that is alike.")


def _brightest(picture: Array) -> tuple[int, int] | None:
    """Where the one bright pixel is; None where no pixel stands out."""
    grey = picture.mean(axis=2)
    row, column = np.unravel_index(int(grey.argmax()), grey.shape)
    rest = np.delete(grey.ravel(), int(grey.argmax()))
    return (int(row), int(column)) if grey.max() - np.median(rest) > 1e-6 and (rest < grey.max() - 1e-9).all() else None


def check_augmentation_is_differentiable(candidate: Candidate) -> None:
    """G would learn nothing through the augmentation, or the wrong thing: its gradient comes from D through it."""
    backend = exact(candidate)
    ops = Dealt(backend.ops)
    fine = backend.dtype == "float64"
    for batch in shown(candidate):
        change = candidate.made(batch.spec, SPAN)
        rng = np.random.default_rng(2)
        given = {name: ops.asarray(c) for name, c in batch.given.items()}
        weights = rng.normal(size=batch.x.shape)
        w = ops.asarray(weights)

        def scored(x: Any, change: Any = change, given: Any = given, w: Any = w) -> Any:
            return ops.xp.sum(w * change(ops, x, given, (4, 0))[0])

        slope = ops.to_numpy(ops.grad(scored)(ops.asarray(batch.x))).astype(np.float64)
        what = f"{candidate}, examples {batch.spec.shape}: the gradient in the examples"
        require(bool(np.isfinite(slope).all()), f"{what} is not finite.")
        reached = float((slope != 0).mean())
        require(reached > 0.1, f"{what} is 0 for {1 - reached:.0%} of the numbers. Something is rounded, or cut off.")
        for _ in range(3):
            step = rng.normal(size=batch.x.shape) * (1e-6 if fine else 1e-2)
            ends = [float(ops.to_numpy(scored(ops.asarray(batch.x + sign * step)))) for sign in (1.0, -1.0)]
            difference, along = (ends[0] - ends[1]) / 2, float((slope * step).sum())
            size = float(np.abs(slope * step).sum()) + 1e-12
            near = abs(difference - along) <= (1e-4 if fine else 5e-2) * size
            require(near, f"{what}, along a step: {along:.6g}, and by differences {difference:.6g}.")


def check_augmentation_keeps_the_range(candidate: Candidate) -> None:
    """Real and fake would both be judged far from where the data are: brighter with every step, or out of all range."""
    ops = dealt(candidate)
    for batch in shown(candidate):
        outs = np.stack([changed(candidate, ops, batch, (key, 2))[0] for key in range(KEYS)])
        what = f"{candidate}, examples {batch.spec.shape} in [-1, 1]"
        mean = float(outs.mean() - batch.x.mean())
        require(abs(mean) < 0.1 * SPAN, f"{what}: their mean moves by {mean:.3g} over {KEYS} draws.")
        most = float(np.abs(outs).max())
        require(most < 2.5 * SPAN, f"{what} become up to {most:.3g} in size.")


def check_augmentation_scales_with_the_units(candidate: Candidate) -> None:
    """The change would be a hundred times too weak or too strong for data in other units: what `span` is there for."""
    ops = dealt(candidate)
    for batch in shown(candidate):
        want, _ = changed(candidate, ops, batch, (6, 0))
        wide = batch._replace(x=8.0 * batch.x)
        got, _ = changed(candidate, ops, wide, (6, 0), span=8.0 * SPAN)
        what = f"{candidate}: what examples 8 times as large become, at a span 8 times as large"
        agree(got, 8.0 * want, what, rtol=1e-5, atol=1e-5, cause="a number in units of its own: multiply it by span.")


def check_augmentation_without_a_framework(candidate: Candidate) -> None:
    """The same game would be another one on the next backend, or fail there: it leaves the array standard."""
    backend, xp = exact(candidate), strict()
    tolerance = 1e-10 if backend.dtype == "float64" else 1e-4
    for batch in shown(candidate):
        try:
            want, kept = changed(candidate, Dealt(TinyOps(xp)), batch, (7, 0))
        except (AttributeError, TypeError, IndexError, ValueError) as error:
            raise AssertionError(
                f"{candidate}, array-api-strict: {type(error).__name__}: {error}. Likely cause: a function of one "
                "framework or of NumPy; use those of the array-API standard (ops.xp) and of gankit.interfaces.Ops."
            ) from error
        got, given = changed(candidate, Dealt(backend.ops), batch, (7, 0))
        agree_by_name({"x": got, **given}, {"x": want, **kept}, f"{candidate} against array-api-strict", atol=tolerance)


def check_augmentation_settings_act(candidate: Candidate) -> None:
    """A user would set a number in vain: examples are changed in the same way whatever a setting says."""
    ops = dealt(candidate)
    for setting in [each for each in adjustable(candidate) if each.name not in ("spec", "span")]:
        acts = [different for batch in shown(candidate) for different in _acts(candidate, ops, batch, setting)]
        same = f"{candidate.name!r} does the same whatever {setting.name} is. Use the setting, or remove it."
        require(any(acts) or not acts, same)


def _acts(candidate: Candidate, ops: Any, batch: Shown, setting: Any) -> Iterator[bool]:
    for value in others(setting):
        for key in range(3):
            try:
                out = changed(candidate, ops, batch, (key, 3), **{setting.name: value})[0]
            except GankitError:  # not among what is possible
                break
            yield bool((out != changed(candidate, ops, batch, (key, 3))[0]).any())


def check_augmentation_plays(candidate: Candidate) -> None:
    """The augmentation would not train a game: a number is NaN within steps, or a player stands still."""
    play(candidate, steps=6, augmentations=[wish(candidate)], data="digits")


def check_augmentation_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the augmentation, and everybody would wait for it."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_augmentation_contract,
    check_augmentation_draws_for_each_example,
    check_augmentation_draws_from_its_key_alone,
    check_augmentation_draws_with_a_key_each,
    check_augmentation_leaves_examples_apart,
    check_augmentation_moves_conditions_with_the_example,
    check_augmentation_is_differentiable,
    check_augmentation_keeps_the_range,
    check_augmentation_scales_with_the_units,
    check_augmentation_without_a_framework,
    check_augmentation_settings_act,
    check_augmentation_plays,
    check_augmentation_imports_no_framework,
)
