"""The networks of CTGAN (Xu et al. 2019, section 4.4), with z, the column that is told, and noise for each choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from gankit.interfaces.values import CHANCE, COLUMN, Choice
from gankit.layers import (
    BatchNorm,
    Choose,
    Dense,
    Features,
    KeepColumn,
    Layers,
    LeakyRelu,
    Pack,
    Relu,
    Reshape,
    Skip,
    Unpack,
)
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import HeNormal


def generator(spec: GameSpec, *, hidden: Sequence[int] = (256, 256), temperature: float = 0.2) -> Layers:
    """z and the column that is told -> dense layers, each seeing all before it -> a row, whose choices are Gumbel's.

    temperature: of the softmax in each choice. Where there is no maker of the conditions `column` and `chance`, G does
    without them.
    """
    _require_rows(spec)
    layers: Layers = _told(spec)
    for width in hidden:
        layers += (Skip((Dense(width, bias=None), BatchNorm(), Relu())),)
    layers += (Dense(math.prod(spec.shape), kernel=HeNormal(gain=1.0)),)
    if spec.choices:
        layers += (Choose(spec.choices, CHANCE if CHANCE in spec.given else None, temperature),)
    if COLUMN in spec.given:
        layers += (KeepColumn(categories(spec.choices)),)
    return layers


def discriminator(spec: GameSpec, *, hidden: Sequence[int] = (256, 256), pack: int = 1) -> Layers:
    """Rows, each beside the column that was told -> dense leaky-relu layers -> one logit.

    pack: how many rows are judged as one, so that D sees whether they are alike (Lin et al. 2018): 1, 2, 5 or 10.
    """
    _require_rows(spec)
    layers: Layers = _told(spec) + ((Pack(pack),) if pack != 1 else ())
    for width in hidden:
        layers += (Dense(width), LeakyRelu(0.2))
    judging = (Dense(1, kernel=HeNormal(gain=1.0)), Reshape(()))
    return (*layers, *((*judging, Unpack(pack)) if pack != 1 else (Features(), *judging)))


def categories(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """The choices that are columns of their own, not the modes of a number; they come last in a row."""
    return tuple(choice for choice in choices if choice.position is None)


def _told(spec: GameSpec) -> Layers:
    """The layers that append every condition but chance, which belongs to the choices."""
    given = {name: port for name, port in spec.given.items() if name != CHANCE}
    return replace(spec, given=given).conditions()


def _require_rows(spec: GameSpec) -> None:
    spec.require(len(spec.shape) == 1, "tabular", "rows of a table, such as --data adult.csv")
