"""What every layer record computes, in float64 NumPy: written from the docstrings, sharing no code with the layers.

A record inside a row goes by the name that checkpoints give it, and a row of one is what most checks look at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.reference import choices, conditions, labels, norms, plain, windows
from gankit.conformance.reference.differences import along, central_differences
from gankit.conformance.reference.given import Given, Moving, Still
from gankit.layers import AsCondition, Features, Layer, Layers, Residual, Skip, SpectralNorm

__all__ = ["MOVING", "STILL", "Given", "along", "central_differences", "row"]


def row(records: Layers, given: Given) -> tuple[Any, dict[str, Array]]:
    """(output, buffers after it) of layers one after the other. With `Features` among them the output is D's dict."""
    x: Any = given.x
    moved: dict[str, Array] = {}
    features, counts = [], Counter[str]()
    for record in records:
        kind = type(record).__name__.lower()
        name = f"{kind}{counts[kind]}"
        counts[kind] += 1
        if isinstance(record, Features):
            features.append(x)
        x, new = single(record, given._replace(arrays=below(given.arrays, name), x=x))
        moved |= under(name, new)
    if features:
        x = {**(x if isinstance(x, Mapping) else {"logits": x}), "features": tuple(features)}
    return x, moved


def single(record: Layer, given: Given) -> tuple[Any, dict[str, Array]]:
    """(output, buffers after it) of one layer."""
    kind = type(record)
    return MOVING[kind](record, given) if kind in MOVING else (STILL[kind](record, given), {})


def residual(record: Residual, given: Given) -> tuple[Array, dict[str, Array]]:
    main, in_main = row(record.main, given._replace(arrays=below(given.arrays, "main")))
    shortcut, in_shortcut = row(record.shortcut, given._replace(arrays=below(given.arrays, "shortcut")))
    return main + shortcut, under("main", in_main) | under("shortcut", in_shortcut)


def skip(record: Skip, given: Given) -> tuple[Array, dict[str, Array]]:
    inner, moved = row(record.inner, given._replace(arrays=below(given.arrays, "inner")))
    return np.concatenate([given.x, inner], axis=-1), under("inner", moved)


def as_condition(record: AsCondition, given: Given) -> tuple[Any, dict[str, Array]]:
    inside = given._replace(arrays=below(given.arrays, "inner"), conditions={**given.conditions, record.name: given.x})
    out, moved = row(record.inner, inside)
    return out, under("inner", moved)


def spectral_norm(record: SpectralNorm, given: Given) -> tuple[Any, dict[str, Array]]:
    inner, vectors = norms.divided_kernels(given.arrays, given.train)
    out, moved = single(record.layer, given._replace(arrays=inner))
    return out, under("layer", moved) | vectors


def below(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The arrays whose names start with `name/`, without it."""
    return {full.removeprefix(f"{name}/"): array for full, array in arrays.items() if full.startswith(f"{name}/")}


def under(name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The inverse of `below`."""
    return {f"{name}/{own}": array for own, array in arrays.items()}


STILL: dict[type[Layer], Still] = {
    **plain.REFERENCES,
    **windows.REFERENCES,
    **labels.REFERENCES,
    **conditions.REFERENCES,
    **choices.REFERENCES,
    **norms.STILL,
}
MOVING: dict[type[Layer], Moving] = {
    **norms.MOVING,
    AsCondition: as_condition,
    Residual: residual,
    Skip: skip,
    SpectralNorm: spectral_norm,
}
