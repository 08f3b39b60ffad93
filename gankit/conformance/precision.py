"""`precision="bfloat16"`: half the numbers' width inside networks, and float32 everywhere else."""

from __future__ import annotations

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.cases import case, cases
from gankit.conformance.compare import agree, require
from gankit.conformance.derivatives import Energy
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.layers import Layer, Shape

TOLERANCE = 0.03
"""Of the largest entry: bfloat16 has 8 bits, and products of it are sums of many roundings."""

HEAVY: tuple[tuple[Layer, Shape], ...] = (
    (layers.Dense(5), (3,)),
    (layers.Maxout(3, 2), (5,)),
    (layers.Conv(4, 3), (4, 3, 2)),
    (layers.ConvTranspose(3), (3, 2, 2)),
)
"""The layers that a wide network spends its time in."""


def check_bfloat16_values(subject: Subject) -> None:
    """A game in bfloat16 would be a different game: losses in 8 bits, or running statistics that stop changing."""
    for c in cases(subject, "float32", precision="bfloat16"):
        for train in (False, True) if c.moves else (False,):
            (got, moved), (want, want_moved) = c.computed(train=train), c.reference(train=train)
            what = f"{c.what}, precision bfloat16"
            for name, array in {**got, **moved}.items():
                require(array.dtype == np.float32, f"{what}: {name} is {array.dtype}, expected float32.")
            near(got, want, what)
            near(moved, want_moved, f"{what}: buffers")


def check_bfloat16_gradients(subject: Subject) -> None:
    """Parameters would be updated in 8 bits, where small steps are lost, or gradient penalties would be noise."""
    block = layers.Residual((layers.Conv(2), layers.LeakyRelu(), layers.Conv(2, bias=None)))
    for layer, shape in (*HEAVY, (layers.BatchNorm(), (3, 2, 2)), (layers.LayerNorm(), (3, 2, 2)), (block, (3, 3, 2))):
        c, full = (
            case(subject.open("float32", "bfloat16"), layer, shape),
            case(subject.open(), layer, shape),
        )
        train = c.moves
        for name, got, want in zip(
            ("gradient", "gradient of a squared gradient"),
            Energy(c, train).gradients(c.x),
            Energy(full, train).gradients(c.x),
            strict=True,
        ):
            what = f"{c.what}, precision bfloat16: {name}"
            for array in got.values():
                require(array.dtype == np.float32, f"{what} is {array.dtype}, expected float32.")
            near(got, want, what, 2 * TOLERANCE)


def check_bfloat16_is_used(subject: Subject) -> None:
    """`precision="bfloat16"` would lose digits without being faster."""
    for layer, shape in HEAVY:
        c = case(subject.open("float32", "bfloat16"), layer, shape)
        gap = np.abs(c.computed()[0]["output"] - c.reference()[0]["output"]).max()
        require(bool(gap > 1e-4), f"{c.what}, precision bfloat16: off by only {gap:.2g}, so it computes in float32.")


def near(got: dict[str, Array], want: dict[str, Array], what: str, tolerance: float = TOLERANCE) -> None:
    """Raise AssertionError unless every array agrees to that share of its largest entry."""
    for name, array in want.items():
        scale = max(1.0, float(np.abs(array).max()))
        agree(got[name], array, f"{what}, {name}", rtol=0, atol=tolerance * scale)


CHECKS: tuple[Check, ...] = (
    check_bfloat16_values,
    check_bfloat16_gradients,
    check_bfloat16_is_used,
)
