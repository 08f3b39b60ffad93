"""What any constraint is judged by, a stranger's included: where it brings parameters, and a game under it.

python -m gankit.conformance --constraint weight-clipping
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, agree_by_name, bit_equal, require, same_names
from gankit.conformance.games import IDLE, small, start
from gankit.conformance.parts.common import exact, imports_no_framework, made, play, wish
from gankit.conformance.parts.scores import strict
from gankit.conformance.parts.settings_act import adjustable, others
from gankit.conformance.subject import Candidate
from gankit.conformance.tiny import TinyOps
from gankit.errors import GankitError
from gankit.interfaces import Backend

Arrays = dict[str, Array]
SHAPES = {
    "conv0/kernel": (3, 2, 2, 4),
    "conv0/bias": (4,),
    "norm0/scale": (4,),
    "dense0/kernel": (6, 5),
    "dense0/bias": (5,),
    "head/embedding": (3, 5),
}
"""Parameters as networks have them: kernels with their outputs last, and what is no kernel."""
PLAYERS = ("discriminator", "generator", "both")


def parameters(scale: float, seed: int = 0) -> Arrays:
    """Of that size, of either sign."""
    rng = np.random.default_rng(seed)
    return {name: scale * rng.normal(size=shape) for name, shape in SHAPES.items()}


def brought(constraint: Any, ops: Any, params: Mapping[str, Array]) -> Arrays:
    """What the constraint makes of them, as NumPy."""
    out = constraint(ops, {name: ops.asarray(p) for name, p in params.items()})
    read = getattr(ops, "to_numpy", np.asarray)
    return {name: read(p) for name, p in out.items()}


def rounding(backend: Backend) -> float:
    """What two ways to the same number may differ by, relatively, on this backend."""
    return 1e-12 if backend.dtype == "float64" else 1e-5


def check_constraint_contract(candidate: Candidate) -> None:
    """A game would fail on the constraint, or go on with parameters of other names or shapes."""
    constraint, backend = made(candidate), candidate.on.open("float32")
    what = type(constraint).__name__
    name = getattr(constraint, "name", None)
    require(name == candidate.name, f"{what}.name is {name!r}, and it is registered as {candidate.name!r}.")
    player = getattr(constraint, "player", None)
    require(player in PLAYERS, f"{what}.player is {player!r}; possible: {', '.join(map(repr, PLAYERS))}.")
    params = {n: backend.ops.asarray(p) for n, p in parameters(1.0).items()}
    out = constraint(backend.ops, params)
    require(isinstance(out, Mapping), f"{what} returns {type(out).__name__}; it must return parameters by name.")
    same_names(out, params, f"{what}, the parameters it returns")
    for n, p in params.items():
        got = (tuple(out[n].shape), out[n].dtype)
        require(got == (tuple(p.shape), p.dtype), f"{what} makes {n} {got}; it must stay {(tuple(p.shape), p.dtype)}.")


def check_constraint_binds(candidate: Candidate) -> None:
    """The game would be played as if there were no constraint."""
    constraint, ops, large = made(candidate), exact(candidate).ops, parameters(1e3)
    out = brought(constraint, ops, large)
    changed = any((out[name] != p).any() for name, p in large.items())
    require(changed, f"{candidate}: parameters of size 1,000 stay as they are. Bring them back to somewhere.")


def check_constraint_is_idempotent(candidate: Candidate) -> None:
    """Parameters would creep on with every step, wherever the gradient leads: what is brought back must stay there."""
    constraint, ops = made(candidate), exact(candidate).ops
    for scale in (1e-3, 1.0, 1e3):
        once = brought(constraint, ops, parameters(scale))
        cause = "a factor that is applied to what lies within the limit too."
        agree_by_name(
            brought(constraint, ops, once), once, f"{candidate}, size {scale:g}: twice", atol=1e-6, cause=cause
        )


def check_constraint_is_finite(candidate: Candidate) -> None:
    """A layer that starts at 0, or that a wild step has thrown far off, would turn into NaN for good."""
    constraint, backend = made(candidate), candidate.on.open("float32")
    for what, scale in (("0", 0.0), ("of size 1e-30", 1e-30), ("of size 1e15", 1e15)):
        out = brought(constraint, backend.ops, parameters(scale))
        wrong = [name for name, p in out.items() if not np.isfinite(p).all()]
        require(not wrong, f"{candidate}: of parameters that are {what} it makes {', '.join(wrong)} not finite.")


def check_constraint_without_a_framework(candidate: Candidate) -> None:
    """The same game would be another one on the next backend, or fail there: it leaves the array standard."""
    constraint, backend, xp = made(candidate), exact(candidate), strict()
    tolerance = rounding(backend)
    for scale in (0.3, 30.0):
        params = parameters(scale)
        try:
            want = brought(constraint, TinyOps(xp), params)
        except (AttributeError, TypeError, IndexError, ValueError) as error:
            raise AssertionError(
                f"{candidate}, array-api-strict: {type(error).__name__}: {error}. Likely cause: a function of one "
                "framework or of NumPy; use those of the array-API standard (ops.xp) and of gankit.interfaces.Ops."
            ) from error
        got = brought(constraint, backend.ops, params)
        agree_by_name(got, want, f"{candidate} against array-api-strict", atol=tolerance)


def check_constraint_keeps_nothing_to_itself(candidate: Candidate) -> None:
    """A resumed run would not be the uninterrupted one, and one player would disturb the other."""
    constraint, ops, params = made(candidate), exact(candidate).ops, parameters(2.0)
    kept = {name: p.copy() for name, p in params.items()}
    given = {name: ops.asarray(p) for name, p in params.items()}
    once = {name: ops.to_numpy(p) for name, p in constraint(ops, given).items()}
    after = {name: ops.to_numpy(p) for name, p in given.items()}
    same = {name: ops.to_numpy(ops.asarray(p)) for name, p in kept.items()}
    bit_equal(after, same, f"{candidate}: the parameters that it was given", cause="an assignment in place.")
    brought(constraint, ops, parameters(7.0, seed=1))
    cause = "something drawn, or kept in the object from call to call."
    bit_equal(brought(constraint, ops, params), once, f"{candidate}, the same parameters again", cause=cause)
    backwards = dict(reversed(params.items()))
    agree_by_name(brought(constraint, ops, backwards), once, f"{candidate}, names in another order", atol=1e-12)


def check_constraint_settings_act(candidate: Candidate) -> None:
    """A user would set a number in vain: parameters are brought back to the same place whatever a setting says."""
    ops = exact(candidate).ops
    usual = brought(made(candidate), ops, parameters(3.0))
    for setting in adjustable(candidate):
        tried = []
        for value in others(setting):
            try:
                constraint = candidate.made(**{setting.name: value})
            except GankitError:  # not among what is possible
                continue
            out = brought(constraint, ops, parameters(3.0))
            tried.append(any((out[name] != p).any() for name, p in usual.items()))
        require(
            any(tried) or not tried, f"{candidate.name!r} does the same whatever {setting.name} is. Use it, or drop it."
        )


def check_constraint_holds_after_every_update(candidate: Candidate) -> None:
    """Players would leave where they are to be kept, or a game under the constraint would not train."""
    constraint = made(candidate)
    trainer, _ = play(candidate, steps=6, k=2, constraints=[wish(candidate)])
    ops = candidate.on.open("float32").ops
    for role, player in (("generator", trainer.generator), ("discriminator", trainer.discriminator)):
        if constraint.player in (role, "both"):
            params = player.parameters
            what = f"{candidate}, {role} after six steps, brought back once more"
            agree_by_name(brought(constraint, ops, params), params, what, atol=1e-5)


def check_constraint_spares_the_other_player(candidate: Candidate) -> None:
    """The player that the constraint says it leaves alone would be held too, or the one that it holds be free."""
    constraint = made(candidate)
    backend = exact(candidate)
    trainer = start(backend, small(dtype=backend.dtype, ema=0.0, constraints=[wish(candidate)], **IDLE))
    players = {"generator": trainer.generator, "discriminator": trainer.discriminator}
    before = {role: player.parameters for role, player in players.items()}
    trainer.fit(steps=1)
    for role, params in before.items():
        want = brought(constraint, backend.ops, params) if constraint.player in (role, "both") else params
        what = f"{candidate}, {role} after a step of size 0"
        for name, p in players[role].parameters.items():
            agree(p, want[name], f"{what}: {name}", rtol=1e-6, atol=1e-7)


def check_constraint_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the constraint, and everybody would wait for the import."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_constraint_contract,
    check_constraint_binds,
    check_constraint_is_idempotent,
    check_constraint_is_finite,
    check_constraint_without_a_framework,
    check_constraint_keeps_nothing_to_itself,
    check_constraint_settings_act,
    check_constraint_holds_after_every_update,
    check_constraint_spares_the_other_player,
    check_constraint_imports_no_framework,
)
