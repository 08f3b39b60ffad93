"""What any loss is judged by, a stranger's included, on a backend: no file of its author's, no closed form.

    python -m gankit.conformance --loss hinge

A check is a function of a `Candidate`; the first sentence of its docstring says what a user loses when it fails. What
only a closed form can tell, such as a target that is 0.8 where the paper has 0.9, is for the author's own tests: see
`gankit.conformance.objectives`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.conformance.compare import agree, epsilon, require
from gankit.conformance.parts import loss_batch, loss_steps, settings_act
from gankit.conformance.parts.common import exact, imports_no_framework, made, play, wish
from gankit.conformance.parts.scores import (
    PLAYERS,
    SITUATIONS,
    Minibatch,
    Said,
    answer,
    ask,
    declares,
    namespace,
    reference,
    shown,
    strict,
    within,
)
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.conformance.tiny import TinyOps
from gankit.parts.losses import Conditional


def check_loss_contract(candidate: Candidate) -> None:
    """The step would fail on the loss, or leave out what it needs, with an error that does not name the loss."""
    loss = made(candidate)
    for attribute in ("generator_needs_real", "conditional"):
        require(
            isinstance(getattr(loss, attribute, None), bool),
            f"{type(loss).__name__}.{attribute} is {getattr(loss, attribute, 'missing')}; it must be a bool. Add "
            f"{attribute} = False to the class, or True where G's objective "
            f"{'looks at real examples' if attribute == 'generator_needs_real' else 'needs labels'}.",
        )
    backend = candidate.on.open("float32")
    for player in PLAYERS:
        what = f"{type(loss).__name__}.{player}"
        require(callable(getattr(loss, player, None)), f"{what} is missing: write def {player}(self, ops, real, fake).")
        real, fake = (said.scores(_map(backend.ops.asarray, said.parts), backend.ops.asarray) for said in shown(loss))
        value = ask(backend.ops, loss, player, real, fake)
        shape = tuple(getattr(value, "shape", ())) if hasattr(value, "shape") else f"none ({type(value).__name__})"
        cause = "Likely cause: no mean over the batch: ops.xp.mean(...)."
        require(shape == (), f"{what} returns an array of shape {shape}; it must be 0-d. {cause}")
        dtype = backend.ops.to_numpy(value).dtype
        require(
            dtype == backend.dtype,
            f"{what} returns {dtype} in a game of {backend.dtype}. Likely cause: a NumPy array, which is float64, "
            "among the numbers it computes with; use ops.asarray.",
        )


def check_loss_values(candidate: Candidate) -> None:
    """The same seed would not give the same run: the backend computes another number than the loss says."""
    loss = made(candidate)
    for situation, logits in SITUATIONS.items():
        batch = shown(loss, logits)
        for player in PLAYERS:
            want = reference(loss, player, batch)
            for dtype in candidate.on.dtypes:
                eps = epsilon(dtype)
                got = answer(candidate.on.open(dtype).ops, loss, player, batch).value
                what = f"{type(loss).__name__}, {player}, {situation}, {dtype}: value against NumPy's float64"
                cause = "softplus or a sigmoid by hand, which rounds or overflows; use ops.softplus and its like."
                agree(got, np.array(want.value), what, rtol=64 * eps, atol=32 * eps * (1 + want.weight), cause=cause)


def check_loss_gradients(candidate: Candidate) -> None:
    """Training would use a gradient that is not that of the reported objective."""
    loss = made(candidate)
    for situation, logits in SITUATIONS.items():
        batch = shown(loss, logits)
        for player in PLAYERS:
            want = reference(loss, player, batch)
            for dtype in candidate.on.dtypes:
                got = answer(candidate.on.open(dtype).ops, loss, player, batch)
                for i, side in enumerate(("real", "fake")):
                    for name, gradient in (got.in_real, got.in_fake)[i].items():
                        low, high = want.low[i][name], want.high[i][name]
                        atol = 64 * epsilon(dtype) * max(1.0, float(np.abs(high).max()))
                        what = f"{type(loss).__name__}, {player}, {situation}, {dtype}: gradient in {side} {name}"
                        cause = (
                            " Likely cause: a number taken out of the graph by ops.to_numpy or float(); a function "
                            "whose derivative is not finite where its value is; or rounding to whole numbers."
                        )
                        within(gradient, low - atol, high + atol, what, cause)


def check_loss_is_finite(candidate: Candidate) -> None:
    """One example that D is sure of would turn the whole run into NaN."""
    loss, ops = made(candidate), candidate.on.open("float32").ops
    batch = shown(loss, SITUATIONS["logits of 1e4"], scale=1e4)
    for player in PLAYERS:
        got = answer(ops, loss, player, batch)
        sides = {"real": got.in_real, "fake": got.in_fake}
        parts = {f"gradient in {side} {n}": part for side, by_name in sides.items() for n, part in by_name.items()}
        for what, array in {"value": got.value, **parts}.items():
            require(
                bool(np.isfinite(array).all()),
                f"{type(loss).__name__}, {player}, logits of 1e4, float32: the {what} is not finite. Likely cause: "
                "exp, or the log of a sigmoid; use ops.softplus, ops.log_sigmoid and ops.log_softmax on the logits.",
            )


def check_loss_is_pure(candidate: Candidate) -> None:
    """The rest of the step would use changed scores, and a resumed run would differ from the uninterrupted one."""
    loss, ops = made(candidate), exact(candidate).ops
    batch = shown(loss)
    for player in PLAYERS:
        given = [_map(ops.asarray, said.parts) for said in batch]
        before = [_map(ops.to_numpy, parts) for parts in given]
        labels = [None if said.labels is None else said.labels.copy() for said in batch]
        sides = [said.scores(parts, ops.asarray) for said, parts in zip(batch, given, strict=True)]
        values = []
        for _ in range(2):
            values.append(ops.to_numpy(ask(ops, loss, player, *sides)))
            for side, parts, were, y in zip(sides, given, before, labels, strict=True):
                same = all((ops.to_numpy(part) == were[name]).all() for name, part in parts.items())
                same = same and (y is None or bool((ops.to_numpy(side.labels) == y).all()))
                what = f"{type(loss).__name__}, {player}"
                require(same, f"{what} changes the scores or labels that it is given. Write x = x + 1, not x += 1.")
        require(
            bool(values[0] == values[1]),
            f"{type(loss).__name__}, {player}: {values[0]}, and {values[1]} when asked again. A loss must keep nothing "
            "from call to call and draw nothing: what has to be remembered is a penalty's `memory`.",
        )


def check_loss_without_a_framework(candidate: Candidate) -> None:
    """The loss would work on this backend and fail on another, because it leaves the array standard."""
    loss, xp = made(candidate), strict()
    ops: Any = TinyOps(xp)
    for situation, logits in SITUATIONS.items():
        batch = shown(loss, logits)
        for player in PLAYERS:
            what = f"{type(loss).__name__}, {player}, {situation}, array-api-strict"
            sides = (said.scores(_map(xp.asarray, said.parts), xp.asarray) for said in batch)
            try:
                got = float(ask(ops, loss, player, *sides))
            except (AttributeError, TypeError, IndexError, ValueError) as error:
                raise AssertionError(
                    f"{what}: {type(error).__name__}: {error}. Likely cause: a function of one framework or of NumPy; "
                    "use those of the array-API standard (ops.xp) and of gankit.interfaces.Ops."
                ) from error
            if namespace() is not xp:
                want = reference(loss, player, batch)
                agree(np.array(got), np.array(want.value), what, rtol=1e-12, atol=1e-13 * (1 + want.weight))


def check_loss_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the loss, and everybody would wait for the import."""
    imports_no_framework(candidate)


def check_loss_wrapped_by_conditional(candidate: Candidate) -> None:
    """You could not use the loss with labels: `loss={"name": "conditional", "base": ...}`."""
    loss, backend = made(candidate), exact(candidate)
    if declares(loss, "conditional"):
        raise NotApplicable("The loss is conditional itself.")
    wrapped: Any = Conditional(loss)
    labelled = Minibatch(*(_headless(said) for said in shown(wrapped)))
    for player in PLAYERS:
        alone = answer(backend.ops, loss, player, Minibatch(*(replace(said, labels=None) for said in labelled)))
        got = answer(backend.ops, wrapped, player, labelled)
        tolerance = 64 * epsilon(backend.dtype)
        what = f"{type(loss).__name__}, {player}, wrapped by `conditional`: value"
        cause = "the loss looks at labels, which are for the wrapping loss and the networks."
        agree(got.value, alone.value, what, rtol=tolerance, atol=tolerance, cause=cause)


def check_loss_plays(candidate: Candidate) -> None:
    """No game would train with the loss: a term becomes NaN within a few steps, or a player does not change."""
    loss = made(candidate)
    trainer, terms = play(candidate, steps=12, loss=wish(candidate))
    for name in ("d_loss", "g_loss", "D(x)", "D(G(z))"):
        require(all(name in step for step in terms), f"{candidate}: the log has no {name!r}.")
    require(
        trainer.config.conditional or not declares(loss, "conditional"),
        f"{type(loss).__name__} says conditional = True, and a game gave it no labels. Say conditional = False: with "
        f'labels it is played as loss={{"name": "conditional", "base": "{candidate.name}"}}.',
    )


def _map(f: Callable[[Any], Any], parts: Any) -> dict[str, Any]:
    return {name: f(part) for name, part in parts.items()}


def _headless(said: Said) -> Said:
    """Without class logits."""
    return replace(said, parts={name: part for name, part in said.parts.items() if name != "class_logits"})


CHECKS: tuple[Callable[[Candidate], None], ...] = (
    check_loss_contract,
    check_loss_is_finite,  # before what it would make red as well
    check_loss_values,
    check_loss_gradients,
    settings_act.check_loss_settings_act,
    *loss_batch.CHECKS,
    *loss_steps.CHECKS,
    check_loss_is_pure,
    check_loss_without_a_framework,
    check_loss_imports_no_framework,
    check_loss_wrapped_by_conditional,
    check_loss_plays,
)
