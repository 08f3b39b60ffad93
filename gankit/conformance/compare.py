"""Comparisons whose messages name the likely cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gankit.arrays import Array

DTYPES = ("float32", "float64")


def require(condition: bool, message: str) -> None:
    """Raise AssertionError with the message unless the condition holds; asserts would vanish under `python -O`."""
    if not condition:
        raise AssertionError(message)


def agree(got: Array, want: Any, what: str, *, rtol: float, atol: float = 0.0, cause: str = "") -> None:
    """Raise AssertionError, with the worst entry, unless shapes are the same and |got - want| <= atol + rtol |want|."""
    got, want = np.asarray(got), np.asarray(want)
    require(got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}.{_hint(cause)}")
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(got.astype(np.float64) - want)
        excess = np.where(np.isfinite(got), error - (atol + rtol * np.abs(want)), np.inf)
    if excess.size and excess.max() > 0:
        worst = np.unravel_index(np.argmax(excess), excess.shape)
        raise AssertionError(
            f"{what}: got {got[worst].item()!r}, expected {want[worst].item()!r} (at index {tuple(map(int, worst))}; "
            f"{int((excess > 0).sum())} of {excess.size} entries are off).{_hint(cause)}"
        )


def agree_by_name(
    got: Mapping[str, Array], want: Mapping[str, Array], what: str, *, atol: float, cause: str = ""
) -> None:
    """Raise AssertionError, naming the array, unless both have the same names and agree to atol + atol |want|."""
    same_names(got, want, what)
    for name, array in want.items():
        agree(got[name], array, f"{what}: {name}", rtol=atol, atol=atol, cause=cause)


def bit_equal(got: Mapping[str, Array], want: Mapping[str, Array], what: str, *, cause: str = "") -> None:
    """Raise AssertionError, naming the array, unless names, dtypes, shapes and every bit are the same."""
    same_names(got, want, what)
    for name, array in want.items():
        other = got[name]
        require(
            (other.dtype, other.shape) == (array.dtype, array.shape),
            f"{what}: {name} is {other.dtype}{other.shape}, expected {array.dtype}{array.shape}.{_hint(cause)}",
        )
        if other.tobytes() != array.tobytes():
            gap = np.abs(other.astype(np.float64) - array.astype(np.float64)).max()
            raise AssertionError(f"{what}: {name} is not bit-equal, off by up to {gap:.3g}.{_hint(cause)}")


def same_names(got: Mapping[str, Any], want: Mapping[str, Any], what: str) -> None:
    """Raise AssertionError listing the names that only one of the two has."""
    missing, extra = sorted(want.keys() - got.keys()), sorted(got.keys() - want.keys())
    require(not missing and not extra, f"{what}: missing {missing}, unexpected {extra}.")


def epsilon(dtype: str) -> float:
    """The distance from 1 to the next number of that dtype."""
    return float(np.finfo(dtype).eps)


def _hint(cause: str) -> str:
    return f" Likely cause: {cause}" if cause else ""
