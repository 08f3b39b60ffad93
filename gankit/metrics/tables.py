"""Metrics for tables: what a classifier learns from samples, the distribution of columns and pairs, and copied rows.

Each number comes with that of real rows: training rows in the place of samples, or held-out rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.data.tables.codec import Codec
from gankit.data.tables.column import Column
from gankit.data.tables.columns import NUMBERS, needed
from gankit.data.tables.table import Table
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting
from gankit.metrics.points import drawn_without_replacement

Told = dict[str, Setting]

MOST_CATEGORIES = 255
"""That scikit-learn's gradient boosting takes as categories; columns with more are numbers to it."""
BINS = 10
"""A number beside a category is seen as one of so many parts, cut where the real rows have equal shares."""
SAMPLES, REAL = "samples", "real rows"
BLOCK = 256


@dataclass(frozen=True)
class TrainOnSynthetic:
    """F1 and the area under the ROC curve, on real test rows, of a classifier trained on samples.

    The classifier is scikit-learn's HistGradientBoostingClassifier with `random_state=0`. The second number is for as
    many real training rows in the place of samples. F1 is that of the rarer of two classes, or the mean over several
    classes; so is the area.

    n: at most so many samples. target: the column to predict; by default the table's target.
    """

    n: int = 100_000
    target: str | None = None
    split: str = "test"
    train_split: str = "train"
    name: ClassVar[str] = "train-on-synthetic"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        codec, fake, train, test = _tables(evidence, self.train_split, self.split)
        if self.split == self.train_split:
            raise NotMeasurable("No rows are held out for testing: set test = 0.2 in the table's .toml file.")
        target = codec.target if self.target is None else self.target
        if target is None:
            raise NotMeasurable("The column to predict is not known: set target = ... in the .toml file.")
        column, *_ = codec.choice_of(target)
        n = min(self.n, len(fake), len(train))
        chosen = train.iloc[drawn_without_replacement(len(train), n)]
        rarer = int(np.argmin(column.shares[: len(column.values)]))
        for of, rows in ((SAMPLES, fake.iloc[:n]), (REAL, chosen)):
            found = _learned(codec, column, rows, test, rarer)
            told: Told = {"learned from": of, "n": n, "target": str(target), "split": self.split}
            for kind, value in found.items():
                yield Measurement(f"{self.name}-{kind}", value, told, better="higher")


def _learned(codec: Codec, target: Column, rows: Any, test: Any, rarer: int) -> dict[str, float]:
    """F1 and area under the curve on test rows, of a classifier that learned from others."""
    scores = needed("sklearn.metrics")
    columns = [column for column in codec.columns if column.name != target.name and column.width]
    (x, y), (ask, truth) = ((_numbers(columns, own), _codes(target, own)) for own in (rows, test))
    x, y, ask, truth = x[y >= 0], y[y >= 0], ask[truth >= 0], truth[truth >= 0]
    classes = np.unique(y)
    if len(classes) < 2:  # it has learned nothing: one answer for all
        return {"f1": 0.0, "auc": 0.5}
    few = [column.kind not in NUMBERS and len(column.values) <= MOST_CATEGORIES for column in columns]
    model = needed("sklearn.ensemble").HistGradientBoostingClassifier(random_state=0, categorical_features=few)
    model.fit(x, y)
    known = np.isin(truth, classes)
    p = model.predict_proba(ask)
    said = classes[p.argmax(axis=1)]
    if len(target.values) == 2:
        f1 = scores.f1_score(truth == rarer, said == rarer)
        auc = scores.roc_auc_score(truth == rarer, p[:, list(classes).index(rarer)])
    else:
        f1 = scores.f1_score(truth, said, average="macro", zero_division=0.0)
        areas = [
            scores.roc_auc_score(truth == c, p[:, i])
            for i, c in enumerate(classes)
            if 0 < (truth == c).sum() < len(truth)
        ]
        auc = np.mean(areas) if known.any() else 0.5
    return {"f1": float(f1), "auc": float(auc)}


@dataclass(frozen=True)
class ColumnShapes:
    """How similar the distributions of columns and pairs of columns are in samples and in held-out rows; 1 is equal.

    `column-shapes`: the mean over columns of 1 - D. D is the Kolmogorov-Smirnov distance for numbers, and the total
    variation distance for categories, where an empty cell is a category. `pair-trends`: the mean over pairs of columns;
    for two columns of numbers, 1 - |r - r'| / 2 of their correlations, otherwise 1 - the total variation distance of
    the pairs of categories, with numbers cut into ten parts. The second number of each is that of training rows.

    n: at most so many rows of each.
    """

    n: int = 10_000
    split: str = "test"
    train_split: str = "train"
    name: ClassVar[str] = "column-shapes"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        codec, fake, train, test = _tables(evidence, self.train_split, self.split)
        n = min(self.n, len(fake), len(train), len(test))
        columns = [column for column in codec.columns if column.width]
        held = _Seen(columns, test.iloc[drawn_without_replacement(len(test), n, seed=1)])
        for of, rows in ((SAMPLES, fake.iloc[:n]), (REAL, train.iloc[drawn_without_replacement(len(train), n)])):
            seen = _Seen(columns, rows)
            told: Told = {"of": of, "n": n, "split": self.split}
            each = {str(c.name): _shape(seen, held, i) for i, c in enumerate(columns)}
            yield Measurement(self.name, float(np.mean([*each.values()])), told, None, "higher", each)
            pairs = {
                f"{columns[i].name}, {columns[j].name}": _trend(seen, held, i, j)
                for i, j in combinations(range(len(columns)), 2)
            }
            if pairs:
                yield Measurement("pair-trends", float(np.mean([*pairs.values()])), told, None, "higher", pairs)


class _Seen:
    """Columns as numbers (n, k), NaN where a cell is empty or new, and as categories, an empty cell being one."""

    def __init__(self, columns: list[Column], frame: Any) -> None:
        self.columns, self.numbers = columns, _numbers(columns, frame)

    def is_number(self, i: int) -> bool:
        return self.columns[i].kind in NUMBERS and self.columns[i].dtype != "category"

    def categories(self, i: int, cuts: Array | None) -> Array:
        """(n,) whole numbers from 0. cuts: of a number."""
        x = self.numbers[:, i]
        own = x if cuts is None else np.searchsorted(cuts, x, side="right")
        return np.where(np.isnan(x), 0, 1 + own).astype(int)

    def cuts(self, i: int) -> Array | None:
        x = self.numbers[:, i]
        whole = x[~np.isnan(x)]
        if not self.is_number(i):
            return None
        return np.unique(np.quantile(whole, np.arange(1, BINS) / BINS)) if len(whole) else np.zeros(1)


def _shape(a: _Seen, b: _Seen, i: int) -> float:
    if not a.is_number(i):
        return 1.0 - _variation(a.categories(i, None), b.categories(i, None))
    x, y = (seen.numbers[:, i][~np.isnan(seen.numbers[:, i])] for seen in (a, b))
    if not len(x) or not len(y):
        return float(len(x) == len(y))
    both = np.sort(np.concatenate([x, y]))
    below = (np.searchsorted(np.sort(own), both, side="right") / len(own) for own in (x, y))
    return 1.0 - float(np.abs(np.subtract(*below)).max())


def _trend(a: _Seen, b: _Seen, i: int, j: int) -> float:
    if a.is_number(i) and a.is_number(j):
        return 1.0 - abs(_correlation(a, i, j) - _correlation(b, i, j)) / 2.0
    cuts = [b.cuts(k) for k in (i, j)]
    many = 2 + max(int(seen.categories(j, cuts[1]).max()) for seen in (a, b))
    pairs = (seen.categories(i, cuts[0]) * many + seen.categories(j, cuts[1]) for seen in (a, b))
    return 1.0 - _variation(*pairs)


def _correlation(seen: _Seen, i: int, j: int) -> float:
    x = seen.numbers[:, [i, j]]
    x = x[~np.isnan(x).any(axis=1)]
    deviations = x.std(axis=0) if len(x) else np.zeros(2)
    if not deviations.all():
        return 0.0
    return float(np.mean(np.prod((x - x.mean(axis=0)) / deviations, axis=1)))


def _variation(a: Array, b: Array) -> float:
    """Half the sum of what the shares of each value differ by."""
    size = 1 + max(int(a.max()), int(b.max()))
    shares = (np.bincount(own, minlength=size) / len(own) for own in (a, b))
    return 0.5 * float(np.abs(np.subtract(*shares)).sum())


@dataclass(frozen=True)
class ClosestRecord:
    """The distance of samples to the closest training row, and how many samples equal one.

    The distance is a mean over columns: for numbers, their difference as a fraction of the range in the training rows,
    at most 1; for categories, whether they differ. The second number is that of held-out rows, which G cannot have
    memorised. If samples are closer to training rows than these, they are more or less copied.

    n: at most so many samples and held-out rows.
    """

    n: int = 2_000
    split: str = "test"
    train_split: str = "train"
    name: ClassVar[str] = "closest-record"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"closest-record: n={self.n}; expected 1 or more.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        codec, fake, train, test = _tables(evidence, self.train_split, self.split)
        columns = [column for column in codec.columns if column.width]
        rows = _numbers(columns, train)
        kept = {SAMPLES: fake.iloc[: self.n]}
        if self.split != self.train_split:
            kept[REAL] = test.iloc[drawn_without_replacement(len(test), self.n)]
        for of, own in kept.items():
            closest = _closest(columns, _numbers(columns, own), rows)
            told: Told = {"of": of, "n": len(own)}
            tenth = {"tenth part": float(np.quantile(closest, 0.1))}
            yield Measurement(self.name, float(np.median(closest)), told, details=tenth)
            yield Measurement("copied-records", float(np.mean(closest < 1e-9)), told)


def _closest(columns: list[Column], x: Array, rows: Array) -> Array:
    """(n,) the least distance of each row of x to one of the others."""
    least = np.full(len(x), np.inf)
    spans = [c.high - c.low or 1.0 for c in columns]
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK]
        apart = np.zeros((len(part), len(rows)), np.float32)
        for i, (column, span) in enumerate(zip(columns, spans, strict=True)):
            a, b = part[:, i : i + 1].astype(np.float64), rows[:, i]
            if column.kind in NUMBERS and column.dtype != "category":
                step = np.minimum(np.abs(a - b) / span, 1.0)
            else:
                step = np.asarray(a != b, np.float64)
            empty = np.isnan(a), np.isnan(b)
            apart += np.where(empty[0] & empty[1], 0.0, np.where(empty[0] | empty[1], 1.0, step))
        least[start : start + BLOCK] = apart.min(axis=1) / len(columns)
    return least


# ---- rows


def _tables(evidence: Evidence, train: str, test: str) -> tuple[Codec, Any, Any, Any]:
    """(codec, samples, training rows, rows to compare with) as DataFrames; NotMeasurable where they are no tables."""
    codec = evidence.spec.codec
    if not isinstance(codec, Codec):
        raise NotMeasurable("It needs a table, such as --data adult.csv.")
    frames = []
    for name in (train, test):
        rows = evidence.split(name)
        if not isinstance(rows, Table):
            raise NotMeasurable("The rows of the table cannot be found. Pass them: gankit.evaluate(game, data=...).")
        frames.append(rows.frame)
    return codec, codec.decode(evidence.samples), *frames


def _numbers(columns: list[Column], frame: Any) -> Array:
    """(n, columns) float64: numbers as they are, dates in their unit, categories counted; NaN for empty cells, and for
    categories that are new."""
    out = np.full((len(frame), len(columns)), np.nan)
    for i, column in enumerate(columns):
        if column.kind not in NUMBERS or column.dtype == "category":
            codes = _codes(column, frame)
            out[:, i] = np.where(codes < 0, np.nan, codes)
        else:
            series = frame[column.name]
            there = series.notna().to_numpy()
            out[there, i] = column.numbers(series[there])
    return out


def _codes(column: Column, frame: Any) -> Array:
    """(n,) the place of each cell among the column's values; -1 for empty and new ones."""
    places = {value: i for i, value in enumerate(column.values)}
    series = frame[column.name]
    values, there = series.to_numpy(object), series.notna().to_numpy()
    return np.array([places.get(v, -1) if ok else -1 for v, ok in zip(values, there, strict=True)])
