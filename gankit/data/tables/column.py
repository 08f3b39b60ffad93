"""One column of a table as numbers: mode-specific normalisation of numbers, one slot for each category. Both ways.

A column is a position and a choice. The choice is one-hot: a Gaussian mode that the value belongs to, or a value that
stands for itself (every category; a number that is frequent, such as the 0 of a column that is mostly 0), or nothing,
where the cell is empty. The position is (value - mean) / (4 std) within the mode that was chosen, and 0 beside a value
that stands for itself. Xu et al. 2019, section 4.2; there every number belongs to a mode, which is drawn, and here to
the one that is most probable, so that a table is the same numbers each time.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.data.tables.columns import CONTINUOUS, DATE, KINDS, NUMBERS, Found, is_text, mixture_model, pandas
from gankit.errors import DataError

MODES = 10
"""Gaussians at most, of which those with a weight below `LEAST_WEIGHT` are dropped. Xu et al. 2019, section 4.2."""
LEAST_WEIGHT = 0.005
FITTED_ON = 10_000
"""Rows that a mixture is fitted on, drawn by a fixed seed."""
NARROW = 0.01
"""A deviation, in parts of the column's, that the mixture expects of a mode where it sees little of it."""
SPAN = 4.0
"""Standard deviations that a position of 1 is away from the mean."""
FREQUENT = 0.05
"""The share of rows from which a number stands for itself."""
FEW_VALUES = 25
"""So many different whole numbers or dates all stand for themselves."""
MOST_DECIMALS = 6
UNITS = {"D": 86_400_000_000, "s": 1_000_000, "us": 1}
"""Of dates, in microseconds."""
SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Column:
    """How one column becomes numbers, as plain data.

    dtype: what pandas calls it. modes: (weight, mean, std) of each Gaussian. values: those that stand for themselves.
    missing: whether cells can be empty. shares: of the training rows, how often each slot is chosen: modes, values,
    missing. low, high: the least and greatest number. decimals: that numbers have, None where they have many.
    unit: of dates. text: the format of dates that are text. categories, ordered: of pandas' own categories.
    none: whether empty cells are None, not NaN.
    """

    name: str | int
    kind: str
    dtype: str
    modes: tuple[tuple[float, float, float], ...] = ()
    values: tuple[Any, ...] = ()
    missing: bool = False
    shares: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 0.0
    decimals: int | None = None
    unit: str = ""
    text: str = ""
    categories: tuple[Any, ...] = ()
    ordered: bool = False
    none: bool = False

    @property
    def slots(self) -> int:
        return len(self.modes) + len(self.values) + self.missing

    @property
    def width(self) -> int:
        """How many numbers stand for it: 0 where there is nothing to choose."""
        return bool(self.modes) + (self.slots if self.slots > 1 else 0)

    # ---- both ways

    def encode(self, series: Any, where: str, *, known: bool = True) -> Array:
        """(n,) cells to (n, width) float64. Raises DataError for a cell that the column never had, unless `known` is
        False: none of its slots is then chosen."""
        empty = series.isna().to_numpy()
        slot, position = np.full(len(series), self.slots - 1), np.zeros(len(series))
        if not empty.all():
            slot[~empty], position[~empty] = self._placed(series[~empty], where, known)
        if known and empty.any() and not self.missing:
            raise DataError(f"{where}: row {int(empty.argmax())} is empty, but the training table had no empty cell.")
        if not self.missing:
            slot[empty] = -1
        chosen = np.asarray(slot[:, None] == np.arange(self.slots), np.float64)
        parts = [position[:, None]] if self.modes else []
        return np.concatenate([*parts, *([chosen] if self.slots > 1 else []), np.empty((len(series), 0))], axis=1)

    def _placed(self, present: Any, where: str, known: bool) -> tuple[Array, Array]:
        """(slot, -1 for none, position) of cells that are not empty."""
        if self.kind not in NUMBERS or self.dtype == "category":
            codes, different = pandas().factorize(present.astype(object))
            slots = {value: i for i, value in enumerate(self.values)}
            own = np.array([slots.get(value, -1) for value in different])
            if known and (own < 0).any():
                raise DataError(f"{where}: {different[own.argmin()]!r} is not one of its {len(own)} known categories.")
            return np.asarray(own[codes]), np.zeros(len(codes))
        numbers = self.numbers(present)
        slot, position = self._nearest_mode(numbers)
        if self.values:
            own = np.asarray(self.values, np.float64)
            at = np.minimum(np.searchsorted(own, numbers), len(own) - 1)
            exact = own[at] == numbers
            if not self.modes and not exact.all():
                # Whole numbers, all of which stand for themselves: one that is new goes to the nearest.
                at, exact = np.abs(own - numbers[:, None]).argmin(axis=1), np.ones(len(numbers), bool)
            slot, position = np.where(exact, len(self.modes) + at, slot), np.where(exact, 0.0, position)
        return slot, position

    def _nearest_mode(self, numbers: Array) -> tuple[Array, Array]:
        if not self.modes:
            return np.zeros(len(numbers), int), np.zeros(len(numbers))
        weight, mean, std = np.array(self.modes).T
        z = (numbers[:, None] - mean) / std
        slot = (np.log(weight) - np.log(std) - 0.5 * z * z).argmax(axis=1)
        return slot, np.take_along_axis(z, slot[:, None], axis=1)[:, 0] / SPAN

    def decode(self, x: Array) -> Any:
        """(n, width) to a Series of the column's own dtype; what is chosen is the slot with the greatest number."""
        slot = x[:, bool(self.modes) :].argmax(axis=1) if self.slots > 1 else np.zeros(len(x), int)
        if self.kind in NUMBERS and self.dtype != "category":
            cells = self._cells(self._numbers_at(slot, x[:, 0] if self.modes else np.zeros(len(x))))
        else:
            cells = pandas().Series(np.array([*self.values, None], object)[slot], dtype=object)
        empty = slot == self.slots - 1 if self.missing else np.zeros(len(x), bool)
        try:
            return self._typed(cells, empty).rename(self.name)
        except (TypeError, ValueError) as error:  # a dtype that this pandas has not, such as one of pyarrow's
            raise DataError(f"The column {self.name!r} cannot be converted to {self.dtype!r}: {error}.") from error

    def _numbers_at(self, slot: Array, position: Array) -> Array:
        modes = len(self.modes)
        _, mean, std = np.array([*self.modes, (1.0, 0.0, 0.0)]).T
        own = np.minimum(slot, modes)
        numbers = np.clip(mean[own] + SPAN * std[own] * position.astype(np.float64), self.low, self.high)
        decimals = 0 if self.kind != CONTINUOUS else self.decimals
        numbers = numbers if decimals is None else np.round(numbers, decimals)
        if self.values:
            values = np.asarray(self.values, np.float64)
            numbers = np.where(slot >= modes, values[np.clip(slot - modes, 0, len(values) - 1)], numbers)
        return np.asarray(numbers)

    # ---- numbers and cells

    def numbers(self, present: Any) -> Array:
        """(n,) float64 of cells that are not empty; dates in their unit since 1970, in UTC."""
        if self.kind != DATE:
            return np.asarray(present.to_numpy(np.float64))
        return np.asarray(microseconds(present) // UNITS[self.unit], np.float64)

    def _cells(self, numbers: Array) -> Any:
        if self.kind != DATE:
            return pandas().Series(numbers)
        whole = np.rint(numbers).astype(np.int64) * UNITS[self.unit]
        return pandas().Series(whole.astype("datetime64[us]"))

    def _typed(self, cells: Any, empty: Array) -> Any:
        """Cells, of which some are empty, in the column's own dtype."""
        pd = pandas()
        if self.dtype == "category":
            own = pd.CategoricalDtype(list(self.categories), ordered=self.ordered)
            return cells.mask(empty).astype(own)
        if self.text:
            cells = cells.dt.strftime(self.text)
        dtype = "object" if self.dtype == "str" and pd.__version__ < "3" else self.dtype
        if self.kind == DATE and not self.text:
            zoned = "," in dtype
            return (cells.dt.tz_localize("UTC") if zoned else cells).mask(empty).astype(dtype)
        if not empty.any():
            return cells.astype(dtype)
        if dtype in ("object", "str"):
            values = cells.to_numpy(object, copy=True)
            values[empty] = None if self.none else np.nan
            return pd.Series(values, dtype=dtype)
        return cells.mask(empty).astype(dtype)

    # ---- as data

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint's header."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Column:
        """The inverse of `to_plain`; raises ValueError, saying what is wrong, for what no column is."""
        known = {f.name for f in fields(cls)}
        if not {"name", "kind", "dtype"} <= plain.keys() <= known:
            raise ValueError(f"a column has the keys {', '.join(map(str, plain))[:200]}")
        made = cls(**{k: _frozen(v) if isinstance(v, list) else v for k, v in plain.items()})
        numbers = [n for mode in made.modes for n in mode] + [made.low, made.high, *made.shares]
        good = (
            all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
            and all(len(mode) == 3 and mode[0] > 0 and mode[2] > 0 for mode in made.modes)
            and all(isinstance(v, SCALARS) for v in (*made.values, *made.categories))
            and all(isinstance(t, str) for t in (made.kind, made.dtype, made.unit, made.text))
            and {type(flag) for flag in (made.missing, made.ordered, made.none)} == {bool}
            and len(made.shares) == made.slots > 0
            and min(made.shares) >= 0 < sum(made.shares)
            and made.kind in KINDS
            and (made.kind != DATE or made.unit in UNITS)
            and type(made.name) in (str, int)
        )
        if not good:
            raise ValueError(f"the column {str(made.name)[:80]!r} says what no column is")
        return made


def fitted(found: Found, series: Any, where: str) -> Column:
    """The column that suits these cells."""
    present, kind = series[series.notna()], found.kind
    dtype, settings = str(series.dtype), dict[str, Any]()
    missing = len(present) < len(series)
    if dtype == "object":
        settings["none"] = any(value is None for value in series)
    if dtype == "category":
        categories = series.cat.categories
        settings = {"categories": tuple(_plain(v, where) for v in categories), "ordered": bool(series.cat.ordered)}
        present = present.astype(object)
    number = dtype != "category" and kind in NUMBERS
    if kind == DATE:
        settings |= _date_format(present)
    bare = Column(found.name, kind, dtype, missing=missing, **settings)
    if number and len(present):
        bare = _with_numbers(bare, bare.numbers(present))
    else:
        bare = replace(bare, values=_categories(present, where))
    chosen = bare.encode(series, where)[:, bool(bare.modes) :] if bare.slots > 1 else np.ones((len(series), 1))
    return replace(bare, shares=tuple(float(share) for share in chosen.mean(axis=0)))


def _with_numbers(column: Column, numbers: Array) -> Column:
    different, counts = np.unique(numbers, return_counts=True)
    column = replace(column, low=float(different[0]), high=float(different[-1]))
    if len(different) == 1 or (column.kind != CONTINUOUS and len(different) <= FEW_VALUES):
        own = different
    else:
        own = different[counts >= FREQUENT * len(numbers)]
    rest = numbers[~np.isin(numbers, own)]
    modes = _modes(rest) if len(rest) else ()
    if column.kind == CONTINUOUS:
        column = replace(column, decimals=_decimals(numbers))
    return replace(column, modes=modes, values=tuple(map(float, own)))


def _modes(numbers: Array) -> tuple[tuple[float, float, float], ...]:
    """(weight, mean, std) of the Gaussians of a variational mixture, by their means."""
    centre, scale = float(numbers.mean()), float(numbers.std()) or 1.0
    different = len(np.unique(numbers))
    if different < 3:
        return ((1.0, centre, scale),)
    if len(numbers) > FITTED_ON:
        numbers = np.random.Generator(np.random.Philox(0)).choice(numbers, FITTED_ON, replace=False)
    mixture = mixture_model().BayesianGaussianMixture(
        n_components=min(MODES, different, len(numbers)),
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=1e-3,
        covariance_prior=[[NARROW**2]],
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not settled after 100 rounds does no harm
        own = mixture.fit_predict(((numbers - centre) / scale)[:, None])
    # Prior and overlap make means and deviations other than those of the numbers that belong to a mode.
    members = [numbers[own == mode] for mode in range(mixture.n_components)]
    modes = [
        (len(each) / len(numbers), float(each.mean()), max(float(each.std()), NARROW / 10 * scale))
        for each in members
        if len(each) >= LEAST_WEIGHT * len(numbers)
    ]
    return tuple(sorted(modes, key=lambda mode: mode[1]))


def _decimals(numbers: Array) -> int | None:
    """How many decimals all of them have; None for more than `MOST_DECIMALS`."""
    return next((d for d in range(MOST_DECIMALS + 1) if (np.round(numbers, d) == numbers).all()), None)


def _categories(present: Any, where: str) -> tuple[Any, ...]:
    values = [_plain(value, where) for value in present.unique()]
    return tuple(sorted(values, key=lambda value: (type(value).__name__, value)))


def _plain(value: Any, where: str) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, SCALARS):
        raise DataError(f"{where}: the category {value!r} is a {type(value).__name__}; expected text or a number.")
    return value


def microseconds(present: Any) -> Array:
    """(n,) int64 since 1970, in UTC, of dates or of their text."""
    dates = pandas().to_datetime(present, format="ISO8601") if is_text(present) else present
    dates = dates.dt.tz_convert("UTC").dt.tz_localize(None) if dates.dt.tz is not None else dates
    return np.asarray(dates.to_numpy().astype("datetime64[us]").astype(np.int64))


def _date_format(present: Any) -> dict[str, str]:
    since = microseconds(present)
    unit = next(unit for unit, size in UNITS.items() if (since % size == 0).all())
    if not is_text(present):
        return {"unit": unit}
    longest = max(present, key=len)
    if len(longest) == 10:
        return {"unit": "D", "text": "%Y-%m-%d"}
    clock = "%H:%M" if len(longest) == 16 else "%H:%M:%S" + ("" if len(longest) == 19 else ".%f")
    unit = unit if unit != "D" else "s"
    return {"unit": unit, "text": f"%Y-%m-%d{longest[10]}{clock}"}


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
