"""What any optimizer is judged by, a stranger's included: its mathematics, its slots, and a game by it.

python -m gankit.conformance --optimizer optimistic-adam
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, bit_equal, epsilon, require
from gankit.conformance.games import leaves, small, start
from gankit.conformance.parts.common import exact, imports_no_framework, made, play, target, wish
from gankit.conformance.parts.scores import strict
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.conformance.tiny import TinyOps
from gankit.interfaces import Backend

SHAPES = {"dense0/kernel": (3, 2), "dense0/bias": (2,), "dense1/kernel": (3, 2)}
STEPS = 25
Arrays = dict[str, Array]


def gradients(steps: int) -> Iterator[Arrays]:
    """Of either sign and of every size."""
    rng = np.random.default_rng(7)
    for _ in range(steps):
        yield {name: rng.normal(size=shape) * 10.0 ** rng.integers(-3, 2) for name, shape in SHAPES.items()}


def begin() -> Arrays:
    """Parameters before the first step."""
    rng = np.random.default_rng(3)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


def numbers_at(spec: Any, t: int) -> dict[str, float]:
    """What changes over time, at an iteration's first update."""
    return {name: float(v[0]) for name, v in spec.numbers(np.array([t])).items() if not name.startswith("again/")}


def path(spec: Any, backend: Backend, params: Arrays, gradient: Callable[[int, Arrays], Arrays], steps: int) -> Arrays:
    """Where parameters come to by the backend's optimizer for the spec; gradient: (step, parameters) to gradients."""
    optimizer, ops = backend.optimizer(spec), backend.ops
    own = {name: ops.asarray(p) for name, p in params.items()}
    slots: Any = optimizer.init(own)
    for t in range(steps):
        g = gradient(t, {name: ops.to_numpy(p) for name, p in own.items()})
        step = {name: ops.asarray(each) for name, each in g.items()}
        slots, own = optimizer.update(slots, own, step, numbers_at(spec, t))
    return {name: ops.to_numpy(p) for name, p in own.items()}


def by_its_own_mathematics(spec: Any, xp: Any, steps: int) -> Arrays:
    """The same on the gradients of `gradients`, by the spec's `update` over an array-API namespace, in float64."""
    if not callable(getattr(spec, "update", None)):
        raise NotApplicable("The optimizer is the backend's own: its spec has no `update`.")
    ops = TinyOps(xp)
    params = {name: xp.asarray(p) for name, p in begin().items()}
    slots = {name: {slot: xp.zeros_like(p) for slot in spec.slots} for name, p in params.items()}
    for t, given in enumerate(gradients(steps)):
        for name, g in given.items():
            count = xp.asarray(float(t))
            update = spec.update(ops, params[name], xp.asarray(g), slots[name], numbers_at(spec, t), count)
            params[name], slots[name] = update
    return {name: np.asarray(p) for name, p in params.items()}


def check_optimizer_contract(candidate: Candidate) -> None:
    """A game would fail on the optimizer, or on its checkpoint, with an error that does not name it."""
    spec, backend = made(candidate), candidate.on.open("float32")
    what = type(spec).__name__
    slots = getattr(spec, "slots", None)
    require(
        isinstance(slots, tuple) and all(isinstance(slot, str) and slot != "count" for slot in slots),
        f"{what}.slots is {slots!r}; it must be a tuple of names, of which 'count' is none: that is kept anyway.",
    )
    for name, values in spec.numbers(np.arange(3)).items():
        shape = np.shape(values)
        require(shape == (3,), f"{what}.numbers(three steps) has {name!r} of shape {shape}; it must be (3,).")
    optimizer, ops = backend.optimizer(spec), backend.ops
    params = {name: ops.asarray(p) for name, p in begin().items()}
    kept: Any = optimizer.init(params)
    for g in gradients(2):
        kept, params = optimizer.update(kept, params, {n: ops.asarray(x) for n, x in g.items()}, numbers_at(spec, 0))
    families = {"parameters": params, **{slot: kept.get(slot) for slot in slots or ()}}
    for family, tensors in families.items():
        require(isinstance(tensors, dict), f"{what}: the slot {family!r} is not kept; `update` must return it.")
        for name, shape in SHAPES.items():
            array = ops.to_numpy(tensors[name])
            want = (shape, np.dtype("float32"))
            got = (array.shape, array.dtype)
            require(got == want, f"{what}: {family}, {name}, is {got} after an update; it must be {want}.")


def check_optimizer_is_its_mathematics(candidate: Candidate) -> None:
    """The same seed would not give the same run on every backend."""
    spec = made(candidate)
    given = list(gradients(STEPS))
    want = by_its_own_mathematics(spec, np, STEPS)
    for dtype in candidate.on.dtypes:
        got = path(spec, candidate.on.open(dtype), begin(), lambda t, p: given[t], STEPS)
        tolerance = 256 * epsilon(dtype)
        cause = "a count that begins elsewhere, a slot that is not handed on, or an epsilon at another place."
        for name, p in got.items():
            what = f"{type(spec).__name__}, {dtype}: {name} after {STEPS} steps, against `update` in NumPy"
            agree(p, want[name], what, rtol=tolerance, atol=tolerance, cause=cause)


def check_optimizer_goes_down(candidate: Candidate) -> None:
    """Players would go up instead of down, or not change."""
    spec, backend, steepness = made(candidate), exact(candidate), np.array([1.0, 0.3])

    def height(params: Arrays) -> float:
        return float(sum((0.5 * steepness * p**2).sum() for p in params.values()))

    def slope(t: int, params: Arrays) -> Arrays:
        return {name: steepness * p.astype(np.float64) for name, p in params.items()}

    before = height(begin())
    after = height(path(spec, backend, begin(), slope, 60))
    require(after < before, f"{type(spec).__name__}: 60 steps on a bowl lead from {before:.4g} to {after:.4g}.")


def check_optimizer_stands_where_it_is_flat(candidate: Candidate) -> None:
    """An unused unit, such as a dead relu, would become NaN, and then everything else."""
    spec, backend = made(candidate), candidate.on.open("float32")
    zeros = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    got = path(spec, backend, zeros, lambda t, p: zeros, 3)
    for name, p in got.items():
        cause = "0 divided by 0 on the first steps: add an epsilon."
        agree(p, zeros[name], f"{type(spec).__name__}, gradient 0: {name}", rtol=0.0, cause=cause)


def check_optimizer_takes_its_rate(candidate: Candidate) -> None:
    """`generator_optimizer={"lr": ...}` would have no effect, or a schedule would not be followed."""
    if "lr" not in inspect.signature(target(candidate)).parameters:
        raise NotApplicable("The optimizer has no setting lr.")
    backend, start, given = exact(candidate), begin(), list(gradients(1))
    moves = []
    for lr in (0.0, 0.01, 0.02):
        spec = candidate.made(lr=lr)
        end = path(spec, backend, start, lambda t, p: given[t], 1)
        moves.append({name: end[name] - start[name] for name in end})
    for name in SHAPES:
        agree(moves[0][name], np.zeros(SHAPES[name]), f"{candidate}, lr=0: the move of {name}", rtol=0.0, atol=1e-7)
        what = f"{candidate}: the first move of {name} at twice the lr"
        agree(moves[2][name], 2 * moves[1][name], what, rtol=1e-3, atol=1e-6)
    changing = candidate.made(lr={"schedule": "decay", "start": 0.1, "factor": 1.5, "floor": 0.01})
    rates = changing.numbers(np.arange(3)).get("lr")
    want = np.array([0.1, 0.1 / 1.5, 0.1 / 1.5**2])
    require(rates is not None, f"{candidate}: `numbers` has no 'lr', which alone can change over time.")
    agree(np.asarray(rates), want, f"{candidate}: a decaying lr over three steps", rtol=1e-12)


def check_optimizer_keeps_nothing_to_itself(candidate: Candidate) -> None:
    """Two players, or two games, would disturb each other, and a resumed run would differ from the uninterrupted
    one."""
    spec, backend, given = made(candidate), exact(candidate), list(gradients(6))
    paths = [path(spec, backend, begin(), lambda t, p: given[t], 6) for _ in range(2)]
    cause = "something kept in the object: what lasts from step to step belongs into a slot."
    bit_equal(paths[1], paths[0], f"{type(spec).__name__}: the same six steps, again", cause=cause)


def check_optimizer_without_a_framework(candidate: Candidate) -> None:
    """The optimizer would work on this backend and fail on another, because it leaves the array standard."""
    spec, xp = made(candidate), strict()
    want = by_its_own_mathematics(spec, np, 3)
    try:
        got = by_its_own_mathematics(spec, xp, 3)
    except (AttributeError, TypeError, IndexError, ValueError) as error:
        raise AssertionError(
            f"{type(spec).__name__}, array-api-strict: {type(error).__name__}: {error}. Likely cause: a function of "
            "one framework or of NumPy; use those of the array-API standard (ops.xp) and of gankit.interfaces.Ops."
        ) from error
    for name, p in got.items():
        agree(p, want[name], f"{type(spec).__name__}, array-api-strict: {name}", rtol=1e-12, atol=1e-14)


def check_optimizer_plays(candidate: Candidate) -> None:
    """No game would train with the optimizer: a number becomes NaN within a few steps, or a player does not change."""
    own = wish(candidate)
    play(candidate, steps=12, k=2, generator_optimizer=own, discriminator_optimizer=own)


def check_optimizer_resumes(candidate: Candidate) -> None:
    """Training would jump when a run is resumed: a slot, or the number of updates, is not in the checkpoint."""
    own = {f"{role}_optimizer": wish(candidate) for role in ("generator", "discriminator")}
    config = small(dtype="float32", k=2, **own)
    with tempfile.TemporaryDirectory() as folder:
        first = start(candidate.on.open("float32"), config)
        path = first.fit(steps=5).save(Path(folder) / "state")
        second = start(candidate.on.open("float32"), config).restore(path)
        cause = "a slot that is not among the spec's `slots`."
        bit_equal(leaves(second.fit(steps=3)), leaves(first.fit(steps=3)), "5 steps resumed for 3 more", cause=cause)


def check_optimizer_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the optimizer, and everybody would wait for the import."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_optimizer_contract,
    check_optimizer_is_its_mathematics,
    check_optimizer_goes_down,
    check_optimizer_stands_where_it_is_flat,
    check_optimizer_takes_its_rate,
    check_optimizer_keeps_nothing_to_itself,
    check_optimizer_without_a_framework,
    check_optimizer_plays,
    check_optimizer_resumes,
    check_optimizer_imports_no_framework,
)
