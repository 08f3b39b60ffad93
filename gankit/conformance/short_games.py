"""Short games of any losses and penalties together, on a backend: they must stay finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gankit.building import build
from gankit.config import Setting
from gankit.conformance.games import Recorder

Wish = str | Mapping[str, Setting]
"""A part as a user writes it: "hinge", or {"name": "f-gan", "divergence": "kl"}."""

SMALL: dict[str, Any] = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}, "batch_size": 16}


def stay_finite(
    backend: str, losses: Iterable[Wish], penalties: Iterable[Wish] = (), *, steps: int = 20, **settings: Any
) -> None:
    """Play each loss without a penalty and with each of the penalties; see `stays_finite`.

    Raises AssertionError with a line for every game in which a number was infinite or none at all.
    """
    faults = []
    wishes = list(penalties)
    for loss in losses:
        for penalty in (None, *wishes):
            try:
                stays_finite(backend, loss, () if penalty is None else (penalty,), steps=steps, **settings)
            except AssertionError as fault:
                faults.append(str(fault))
    if faults:
        raise AssertionError("\n".join(faults))


def stays_finite(
    backend: str, loss: Wish, penalties: Iterable[Wish] = (), *, steps: int = 20, data: str = "ring", **settings: Any
) -> None:
    """Play one small game in float32, and look at every term of every step and at all parameters at its end.

    settings: of `gankit.build`, beside small networks and batches.
    Raises AssertionError naming the game, the step and the number when one is not finite.
    """
    penalties, recorder = list(penalties), Recorder()
    gan = build(backend, data=data, device="cpu", loss=loss, penalties=penalties, **{**SMALL, **settings})
    gan.fit(steps=steps, callbacks=[recorder])
    game = f"{backend}, loss={loss!r}, penalties={penalties!r}"
    for step, terms in enumerate(recorder.terms, 1):
        if not np.isfinite(list(terms.values())).all():
            raise AssertionError(f"{game}: step {step} is not finite: {dict(terms)}.")
    for role, player in (("G", gan.generator), ("D", gan.discriminator)):
        arrays: Mapping[str, Any] = player.parameters  # type: ignore[attr-defined]
        wrong = [name for name, array in arrays.items() if not np.isfinite(array).all()]
        if wrong:
            raise AssertionError(f"{game}: after {steps} steps {role} is not finite in {', '.join(wrong)}.")
