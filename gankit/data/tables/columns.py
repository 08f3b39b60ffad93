"""What the columns of a table are: numbers, categories, dates; found by looking, or told by the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from gankit.errors import DataError, PluginError, did_you_mean, one_of

KINDS = CONTINUOUS, INTEGER, CATEGORY, BOOLEAN, DATE, LEFT_OUT = (
    "continuous",
    "integer",
    "category",
    "boolean",
    "date",
    "left-out",
)
NUMBERS = (CONTINUOUS, INTEGER, DATE)
MOST_CATEGORIES = 1_000
"""Different texts above which a column is taken for names or numbers of things, not for categories."""
FEW = 20
"""Different values up to which even a column in which all of them differ is not taken for an identifier."""
ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?"


def pandas() -> Any:
    """The library; raises PluginError, saying how it is installed, where it is not."""
    return needed("pandas")


def mixture_model() -> Any:
    """scikit-learn's mixtures, as `pandas`."""
    return needed("sklearn.mixture")


def needed(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise PluginError(
            f"Tables need pandas and scikit-learn, and {module} cannot be imported ({error}). Install both: "
            "pip install 'gankit[tabular]'"
        ) from error


@dataclass(frozen=True)
class Found:
    """What a column is taken for. why: in words, where a reader may ask."""

    name: Any
    kind: str
    why: str = ""


def look(frame: Any, told: Mapping[str, str], where: str) -> list[Found]:
    """What each column of a DataFrame is. told: kinds by name, which go before what is found.

    Raises DataError for kinds and columns that are not there, infinite numbers, and what no column can hold.
    """
    names = [str(name) for name in frame.columns]
    if getattr(frame.columns, "nlevels", 1) > 1:
        raise DataError(f"{where}: the columns have {frame.columns.nlevels} levels; each column must have one name.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(
            f"{where}: {names.count(twice[0])} columns are called {twice[0]!r}; each must have its own name."
        )
    for name, kind in told.items():
        if name not in names:
            raise DataError(f"{where} has no column {name!r}.{did_you_mean(name, names)} There are: {one_of(names)}.")
        if kind not in KINDS:
            hint = did_you_mean(str(kind), KINDS)
            raise DataError(f"{where}, column {name!r}: {kind!r} is not a kind.{hint} Possible: {one_of(KINDS)}.")
    if not len(frame) or not names:
        raise DataError(f"{where} has {len(frame)} rows and {len(names)} columns; a table has at least one of each.")
    return [_found(frame[name], told.get(str(name)), where) for name in frame.columns]


def _found(series: Any, told: str | None, where: str) -> Found:
    name, own = series.name, f"{where}, column {series.name!r}"
    present = series[series.notna()]
    if told == LEFT_OUT:
        return Found(name, LEFT_OUT, "as told")
    if present.dtype.kind in "fiu" and not np.isfinite(present.to_numpy(np.float64)).all():
        raise DataError(f"{own}: contains infinity. Replace it with numbers, or leave the cells empty.")
    different = _different(present, own)
    if not len(present):
        return Found(name, CATEGORY, "always empty")
    if told is not None:
        _check(told, present, own)
        kind, why = told, "as told"
    else:
        kind, why = _guess(series, present, different, own)
    constant = different == 1 and len(present) == len(series)
    return Found(name, kind, f"always {present.iloc[0]}" if constant else why)


def _different(present: Any, where: str) -> int:
    try:
        return int(present.nunique())
    except TypeError as error:  # lists, dictionaries
        raise DataError(f"{where}: values cannot be compared ({error}). Leave it out, or make it text.") from error


def _guess(series: Any, present: Any, different: int, where: str) -> tuple[str, str]:
    """(kind, why)."""
    types = pandas().api.types
    dtype = series.dtype
    if isinstance(dtype, pandas().CategoricalDtype):
        return CATEGORY, ""
    if types.is_bool_dtype(dtype) or (dtype.kind == "O" and {type(v) for v in present} <= {bool, np.bool_}):
        return BOOLEAN, ""
    if types.is_datetime64_any_dtype(dtype):
        return DATE, ""
    if types.is_integer_dtype(dtype):
        values = present.to_numpy()
        if different == len(series) > FEW and int(values.max()) - int(values.min()) + 1 == different:
            return LEFT_OUT, "it counts the rows"
        return INTEGER, ""
    if types.is_float_dtype(dtype):
        values = present.to_numpy(np.float64)
        return (INTEGER if (values == np.rint(values)).all() and np.abs(values).max() < 2**53 else CONTINUOUS), ""
    if is_text(series):
        if _are_dates(present):
            return DATE, ""
        if different > MOST_CATEGORIES or (different > FEW and different > 0.5 * len(series)):
            return LEFT_OUT, f"it tells rows apart: {different:,} different texts"
        return CATEGORY, ""
    if dtype.kind == "O" and {type(v) for v in present} <= {str, int, float, bool}:
        return CATEGORY, ""
    raise DataError(
        f"{where}: has {dtype if dtype.kind != 'O' else type(present.iloc[0]).__name__}. Possible are numbers, text, "
        "booleans and dates (datetime64). Convert it, or declare it 'left-out'."
    )


def _check(told: str, present: Any, where: str) -> None:
    """Raise DataError where a column cannot be what the user says that it is."""
    types = pandas().api.types
    numeric = types.is_numeric_dtype(present.dtype) and not types.is_bool_dtype(present.dtype)
    fits = {
        CONTINUOUS: numeric,
        INTEGER: numeric and bool((present.to_numpy(np.float64) == np.rint(present.to_numpy(np.float64))).all()),
        DATE: types.is_datetime64_any_dtype(present.dtype) or (is_text(present) and _are_dates(present)),
        BOOLEAN: types.is_bool_dtype(present.dtype) or set(present.unique()) <= {0, 1},
    }
    if not fits.get(told, True):
        shown = ", ".join(map(repr, present.unique()[:3].tolist()))
        raise DataError(f"{where} is declared {told!r}, but has {shown}, ... Declare it {one_of({*KINDS} - {told})}.")


def is_text(series: Any) -> bool:
    """Whether all that is there is text."""
    present = series[series.notna()]
    return bool(pandas().api.types.is_string_dtype(present.dtype)) and all(isinstance(v, str) for v in present)


def _are_dates(present: Any) -> bool:
    return bool(present.str.fullmatch(ISO_DATE).all())
