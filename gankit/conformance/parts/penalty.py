"""What any penalty is judged by, a stranger's included, on a backend: no file of its author's, no closed form.

    python -m gankit.conformance --penalty r1

What only a closed form can tell, such as the norm that a gradient is drawn to, is for the author's own tests: see
`gankit.conformance.penalties`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gankit.config import LABELLED
from gankit.conformance.compare import agree, bit_equal, epsilon, require
from gankit.conformance.games import CONDITIONAL, leaves, small, start
from gankit.conformance.open_games import begin as begin_open
from gankit.conformance.open_games import crossed, inverted, with_labelled
from gankit.conformance.parts import penalty_points, settings_act
from gankit.conformance.parts.common import Game, exact, imports_no_framework, made, play, settings, wish
from gankit.conformance.parts.probe import (
    Held,
    call,
    draws,
    further,
    given,
    mean_outcome,
    needs_of,
    on_generator,
    outcome,
    value,
)
from gankit.conformance.reference import along
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.parts.schedules import at
from gankit.play.loop import TERMS


def check_penalty_contract(candidate: Candidate) -> None:
    """The step would fail on the penalty, or leave it out, with an error that does not name it."""
    penalty, kind = made(candidate), type(made(candidate)).__name__
    for attribute in ("name", "player", "every", "weight"):
        require(
            hasattr(penalty, attribute),
            f"{kind}.{attribute} is missing. A penalty has name, player, every and weight: derive it from "
            "gankit.parts.penalties.OnDiscriminator, which has all but the name.",
        )
    require(
        penalty.name == candidate.name,
        f"{kind}.name is {penalty.name!r}, and users know it as {candidate.name!r}: the log and checkpoints have it "
        "under its name. Make the two the same.",
    )
    require(
        "/" not in penalty.name and penalty.name not in (*TERMS, "ema"),
        f"{kind}.name is {penalty.name!r}, which the log has for something else. Choose another.",
    )
    players = ("discriminator", "generator")
    require(penalty.player in players, f"{kind}.player is {penalty.player!r}; possible: {players}.")
    every = penalty.every
    require(
        isinstance(every, int) and not isinstance(every, bool) and every >= 1,
        f"{kind}.every is {every!r}; it must be a whole number of steps, at least 1.",
    )
    backend = candidate.on.open("float32")
    params = {name: backend.ops.asarray(array) for name, array in given(penalty).params.items()}
    term, _ = call(backend.ops, penalty, given(penalty), params)
    shape = tuple(term.shape) if hasattr(term, "shape") else f"none ({type(term).__name__})"
    require(
        shape == (),
        f"{kind} returns an array of shape {shape}; it must be 0-d: one number for the minibatch, ops.xp.mean(...). "
        "With a memory it returns (term, new memory).",
    )
    dtype = backend.ops.to_numpy(term).dtype
    require(dtype == backend.dtype, f"{kind} returns {dtype} in a game of {backend.dtype}. Use ops.asarray.")


def check_penalty_settings(candidate: Candidate) -> None:
    """You could not set the weight, schedule it, or let the penalty act only at some steps."""
    steps, must = np.arange(3), settings(candidate)
    ramp = {"schedule": "ramp", "start": 3.0, "stop": 1.0, "begin": 0, "end": 2}
    for weight, want in ((3.0, [3.0, 3.0, 3.0]), (ramp, [3.0, 2.0, 1.0])):
        penalty = candidate.made(**{**must, "weight": weight})
        try:
            numbers = np.asarray(at(penalty.weight, steps), dtype=float) * np.ones(3)
        except Exception as error:
            raise AssertionError(
                f"{type(penalty).__name__}(weight={weight!r}) cannot be followed over the steps: {error}. Take it "
                "through gankit.parts.schedules.schedule, or derive from gankit.parts.penalties.OnDiscriminator."
            ) from error
        agree(numbers, np.array(want), f"{type(penalty).__name__}(weight={weight!r}): the weight", rtol=1e-12)
    lazy = candidate.made(**{**must, "every": 4})
    require(lazy.every == 4, f"{type(lazy).__name__}(every=4).every is {lazy.every!r}.")


def check_penalty_leaves_its_weight_to_the_step(candidate: Candidate) -> None:
    """The weight would count twice, so a weight of 10 would act like 100."""
    ops, must = exact(candidate).ops, settings(candidate)
    once = candidate.made(**must)
    want = outcome(ops, once, given(once)).value
    for setting, number in (("weight", 3.0), ("every", 4)):
        got = outcome(ops, candidate.made(**{**must, setting: number}), given(once)).value
        what = f"{type(once).__name__}: value with {setting}={number}"
        cause = f"it multiplies by its {setting}, which the step does."
        agree(got, want, what, rtol=1e-6, atol=1e-12, cause=cause)


def check_penalty_gradient(candidate: Candidate) -> None:
    """Training would use a gradient that is not the penalty's, or none."""
    penalty, backend = made(candidate), candidate.on.open("float64")
    here, ops = given(penalty), Held(backend.ops)
    gradient = outcome(backend.ops, penalty, here).gradient
    require(
        any(np.any(array) for array in gradient.values()),
        f"{type(penalty).__name__} has no gradient in the parameters of the {penalty.player}, so that it does nothing. "
        "Likely cause: ops.stop_gradient or ops.to_numpy on what it should hold down.",
    )

    def of(name: str) -> Callable[[Any], float]:
        def at_parameters(array: Any) -> float:
            ops.begin()
            return value(ops, penalty, replace(here, params={**here.params, name: array}))

        return at_parameters

    value_here = of("w")(here.params["w"])
    rng = np.random.default_rng(6)
    for name, array in here.params.items():
        direction = np.asarray(rng.normal(size=array.shape))
        want = along(of(name), array, direction)
        got = np.asarray((gradient[name] * direction).sum())
        size = float(np.abs(gradient[name] * direction).sum()) + abs(value_here)
        what = f"{type(penalty).__name__}: gradient in the {penalty.player}'s parameters, along a direction of {name}"
        cause = "an inner gradient that is cut from the graph, or a step that has no derivative."
        agree(got, want, what, rtol=1e-6, atol=1e-7 * size, cause=cause)


def check_penalty_where_nothing_changes(candidate: Candidate) -> None:
    """A flat network, such as a zero-initialised one, would turn the whole run into NaN."""
    penalty = made(candidate)
    here = given(penalty)
    for dtype in candidate.on.dtypes:
        ops = candidate.on.open(dtype).ops
        flat = {
            "all parameters are 0": {name: 0 * array for name, array in here.params.items()},
            "its last layer is 0": {**here.params, "v": 0 * here.params["v"]},
        }
        for situation, params in flat.items():
            cause = "a root of 0, whose derivative is infinite; use gankit.parts.penalties.safe_norm."
            _finite(ops, penalty, replace(here, params=params), f"{dtype}, where {situation}", cause)


def check_penalty_is_finite(candidate: Candidate) -> None:
    """A network with very confident scores would turn the whole run into NaN."""
    penalty, ops = made(candidate), candidate.on.open("float32").ops
    here = given(penalty)
    steep = replace(here, params={**here.params, "v": 1e4 * here.params["v"]})
    cause = "exp, or the log of a sigmoid; use ops.softplus and ops.log_sigmoid on the logits."
    _finite(ops, penalty, steep, "float32, at outputs of 1e4", cause)


def check_penalty_is_a_mean(candidate: Candidate) -> None:
    """A sum over the batch makes the penalty grow with the batch size."""
    penalty, ops, n = made(candidate), exact(candidate).ops, 128
    once = given(penalty, n)
    sizes, seeds = [], range(6) if draws(ops, penalty, given(penalty)) else range(1)
    for here in (once, once.taken(np.tile(np.arange(n), 2))):
        # What is drawn anew for each example moves a mean of 128 a little, and less over several keys; a sum doubles.
        term, gradient = mean_outcome(ops, penalty, here, seeds)
        sizes.append((abs(term), float(np.sqrt(sum(float((g**2).sum()) for g in gradient.values())))))
    for of, before, after in zip(("value", "size of the gradient"), *sizes, strict=True):
        require(
            abs(after - before) <= 0.25 * before + 1e-6,
            f"{type(penalty).__name__}: the {of} is {before:.4g}, and {after:.4g} where every example is there twice. "
            "Likely cause: a sum over the batch where a mean belongs.",
        )


def check_penalty_is_pure(candidate: Candidate) -> None:
    """A resumed run would differ from the uninterrupted one, and the rest of the step would use changed examples."""
    penalty, ops = made(candidate), exact(candidate).ops
    here, other = given(penalty), given(penalty, seed=1)
    held = {name: ops.asarray(getattr(here, name)) for name in ("real", "fake", "z")}
    before = {name: ops.to_numpy(array) for name, array in held.items()}
    first = value(ops, penalty, replace(here, **held))
    changed = ", ".join(name for name, array in held.items() if not np.array_equal(ops.to_numpy(array), before[name]))
    require(not changed, f"{type(penalty).__name__} changes {changed} in place. Write x = x + 1, not x += 1.")
    value(ops, penalty, other)
    again = value(ops, penalty, here)
    cause = (
        "numbers drawn by NumPy or the framework itself, whose state no checkpoint has: draw by ops.uniform(key, ...) "
        "and ops.normal(key, ...); or something kept from call to call, which belongs into its `memory`."
    )
    what = f"{type(penalty).__name__}, asked again with the same key: value"
    agree(np.array(again), np.array(first), what, rtol=1e-6, atol=1e-9, cause=cause)


def check_penalty_slopes(candidate: Candidate) -> None:
    """With `slopes_at` the penalty would be different, or every step would compute gradients that it does not use."""
    penalty, ops = made(candidate), exact(candidate).ops
    places = getattr(penalty, "slopes_at", ())
    if not places:
        raise NotApplicable("The penalty does not say slopes_at.")
    kind = type(penalty).__name__
    wrong = sorted(set(places) - {"real", "fake"})
    require(not wrong, f"{kind}.slopes_at has {wrong}; possible: 'real' and 'fake'.")
    require(not on_generator(penalty), f"{kind}.slopes_at is for penalties on the discriminator.")
    here = given(penalty)
    without, known, false = (outcome(ops, penalty, here, slopes) for slopes in (None, 1.0, 3.0))
    eps = epsilon(exact(candidate).dtype)
    cause = "it finds the slopes of the wrong place; ask for them by gankit.parts.penalties.input_gradient."
    agree(known.value, without.value, f"{kind}: value with known slopes", rtol=256 * eps, atol=16 * eps, cause=cause)
    for name, want in without.gradient.items():
        what = f"{kind}: gradient in {name} with known slopes"
        agree(known.gradient[name], want, what, rtol=1024 * eps, atol=256 * eps * (1 + float(np.abs(want).max())))
    require(
        abs(float(false.value - known.value)) > 1e-6 * abs(float(known.value)),
        f"{kind} says slopes_at = {places!r} and takes no slopes from there. Ask for them by "
        "gankit.parts.penalties.input_gradient at draw.real or fake itself, or leave out slopes_at.",
    )


def check_penalty_memory(candidate: Candidate) -> None:
    """The memory of the penalty would be lost between steps, or not fit in a checkpoint."""
    penalty, ops = made(candidate), exact(candidate).ops
    memory, kind = getattr(penalty, "memory", None), type(made(candidate)).__name__
    if not memory:
        raise NotApplicable("The penalty has no memory.")
    here = given(penalty)
    got = outcome(ops, penalty, here).memory
    require(
        got.keys() == memory.keys(),
        f"{kind} starts from a memory of {sorted(memory)} and returns {sorted(got)}; the names must be the same.",
    )
    for name, number in got.items():
        shaped = number.shape == () and bool(np.isfinite(number))
        require(shaped, f"{kind} remembers {name} as {number}; it must be one finite number, 0-d.")
    moved = any(float(number) != float(memory[name]) for name, number in got.items())
    require(moved, f"{kind} remembers what it started from. Likely cause: it returns the memory that it was given.")
    held = {name: float(number) for name, number in got.items()}
    later = outcome(ops, penalty, replace(here, memory=held))
    different = float(later.value) != float(outcome(ops, penalty, here).value)
    different = different or any(float(later.memory[name]) != held[name] for name in held)
    require(different, f"{kind} does not look at what it remembers.")


def check_penalty_plays(candidate: Candidate) -> None:
    """No game would train with the penalty, or it would be missing from the log, or act at the wrong steps."""
    every = 3
    _, terms = play(candidate, steps=7, base=_game_for(candidate), penalties=[wish(candidate, every=every)])
    name = made(candidate).name
    require(all(name in step for step in terms), f"{candidate}: the log has no {name!r}; it has {sorted(terms[0])}.")
    values = [0.0, *(numbers[name] for numbers in terms)]  # where it does not act, it is 0 or as it last was
    acted = [step for step, value in enumerate(values[1:]) if value not in (0.0, values[step])]
    require(
        acted == [step for step in range(len(terms)) if step % every == 0],
        f"{candidate}, every={every}: it acted at the steps {acted} of {len(terms)}; it must at 0, {every}, ... Likely "
        "cause: `every` is not kept, or the term is 0 for a small network.",
    )


def check_penalty_resumes(candidate: Candidate) -> None:
    """A resumed run would differ from the uninterrupted one."""
    settings, begin = _game_for(candidate)
    config = settings(dtype="float32", penalties=[wish(candidate)])
    trainer = begin(candidate.on.open("float32"), config)
    with tempfile.TemporaryDirectory() as folder:
        saved = trainer.fit(steps=3).save(Path(folder) / "now")
        want = leaves(trainer.fit(steps=3))
        resumed = begin(candidate.on.open("float32"), config).restore(saved)
    cause = "something that the penalty keeps in itself from step to step; it belongs into its `memory`."
    bit_equal(leaves(resumed.fit(steps=3)), want, f"{candidate}: 3 steps, saved, and 3 more", cause=cause)


def check_penalty_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the penalty, and everybody would wait for the import."""
    imports_no_framework(candidate)


def _game_for(candidate: Candidate) -> Game:
    """The small game that has what the term needs."""
    penalty = made(candidate)
    if not (names := further(penalty)):
        conditional = CONDITIONAL if "given" in needs_of(penalty) else {}
        return lambda **game: small(**{**conditional, **game}), start
    if set(names) <= {"b", "generator-b", "discriminator-b"}:
        return crossed, begin_open
    if names == ["encoder"]:
        return inverted, begin_open
    if names == [LABELLED]:
        return with_labelled, begin_open
    raise NotApplicable(
        f"It needs {', '.join(names)}; the suite's games have a second pair of players on a source 'b', an encoder, "
        f"or a source {LABELLED!r}."
    )


def _finite(ops: Any, penalty: Any, here: Any, where: str, cause: str) -> None:
    got = outcome(ops, penalty, here)
    for what, array in {"value": got.value, **{f"gradient in {n}": g for n, g in got.gradient.items()}}.items():
        finite = bool(np.isfinite(array).all())
        require(finite, f"{type(penalty).__name__}, {where}: the {what} is not finite. Likely cause: {cause}")


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_penalty_contract,
    check_penalty_is_pure,
    check_penalty_settings,
    check_penalty_leaves_its_weight_to_the_step,
    settings_act.check_penalty_settings_act,
    check_penalty_gradient,
    check_penalty_where_nothing_changes,
    check_penalty_is_finite,
    check_penalty_is_a_mean,
    *penalty_points.CHECKS,
    check_penalty_slopes,
    check_penalty_memory,
    check_penalty_plays,
    check_penalty_resumes,
    check_penalty_imports_no_framework,
)
