"""Metrics by a classifier, against direct formulas on probabilities that are chosen by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gankit
from gankit.arrays import Array
from gankit.data.dataset import Dataset, Scaling
from gankit.data.spec import DataSpec
from gankit.metrics import Evidence, NotMeasurable
from gankit.metrics.classes import ClassBalance, ClassifierScore, ConditionalAccuracy

CLASSES = 4
SPEC = DataSpec((1,), CLASSES, Scaling(np.zeros(1), np.ones(1)))


class Told:
    """A classifier that is told what to say: an example is the number of a row of its table."""

    name, shape, num_features, num_classes = "told", (1,), 1, CLASSES

    def __init__(self, table: Array) -> None:
        self._table = np.asarray(table, np.float32)

    def open(self, backend: Any) -> Any:
        return lambda x: (x.astype(np.float32), self._table[x[:, 0].astype(int)])


def evidence(table: Array, samples: Any, data: Any, truth: Any = None, asked: Any = None) -> Evidence:
    """Rows of the table as samples and as the split "test" of the data."""

    def column(rows: Any) -> Array:
        return np.asarray(rows, np.float64)[:, np.newaxis]

    real = Dataset(column(data), None if truth is None else np.asarray(truth), CLASSES, name="rows")

    def split(name: str) -> Dataset:
        assert name == "test"
        return real

    extractor: Any = Told(table)
    return Evidence(
        backend=None,  # type: ignore[arg-type]
        spec=SPEC,
        samples=column(samples),
        labels=None if asked is None else np.asarray(asked),
        split=split,
        extractor=extractor,
        look=extractor.open(None),
    )


SURE = np.eye(CLASSES)
"""Row y is surely of class y."""


def test_the_score_is_the_formula_of_the_paper_on_each_part():
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(CLASSES), size=90)
    [got] = ClassifierScore(splits=3)(evidence(table, range(90), range(90)))
    p = table.astype(np.float32).astype(np.float64)
    each = []
    for part in (p[:30], p[30:60], p[60:]):
        divergence = [sum(x * np.log(x / y) for x, y in zip(row, part.mean(axis=0), strict=True)) for row in part]
        each.append(np.exp(np.mean(divergence)))
    assert got.value == pytest.approx(np.mean(each), rel=1e-12)
    assert got.error == pytest.approx(np.std(each, ddof=1) / np.sqrt(3), rel=1e-12)
    assert got.label == "classifier-score[classifier=told, n=90, splits=3]" and got.better == "higher"


@pytest.mark.parametrize(("rows", "score"), [([0, 1, 2, 3] * 5, CLASSES), ([2] * 20, 1.0), ([0, 3] * 10, 2.0)])
def test_sure_verdicts_score_the_number_of_classes_seen(rows, score):
    """Zeros among the probabilities count for nothing, and are no NaN."""
    [got] = ClassifierScore(splits=1)(evidence(SURE, rows, range(4)))
    assert got.value == pytest.approx(score, rel=1e-12) and got.error is None


def test_verdicts_that_are_all_unsure_score_one():
    [got] = ClassifierScore(splits=2)(evidence(np.full((1, CLASSES), 0.25), [0] * 10, [0]))
    assert got.value == pytest.approx(1.0, rel=1e-12)


def test_a_score_needs_a_sample_in_every_part():
    with pytest.raises(NotMeasurable, match="9 samples cannot be split into 10 parts"):
        list(ClassifierScore()(evidence(SURE, [0] * 9, range(4))))
    with pytest.raises(gankit.ConfigError, match="splits=0"):
        ClassifierScore(splits=0)


def test_balance_compares_the_shares_of_samples_with_those_of_the_data():
    data = [0] * 4 + [1] * 3 + [2] * 2 + [3] * 1
    got = {m.metric: m for m in ClassBalance()(evidence(SURE, [0] * 5 + [1] * 4 + [2], data))}
    want = 0.5 * np.log(0.5 / 0.4) + 0.4 * np.log(0.4 / 0.3) + 0.1 * np.log(0.1 / 0.2)
    assert got["class-kl"].value == pytest.approx(want, rel=1e-12)
    assert got["class-deviation"].value == pytest.approx(0.1, rel=1e-12)
    assert got["classes-covered"].value == 3 and got["classes-covered"].details["classes"] == 4
    assert got["class-kl"].label == "class-kl[classifier=told, n=10, split=test]"
    assert got["class-kl"].details["shares"] == [0.5, 0.4, 0.1, 0.0]


def test_shares_equal_to_the_datas_are_perfect_balance():
    got = {m.metric: m.value for m in ClassBalance()(evidence(SURE, [0, 0, 1, 2, 3, 3], [3, 3, 0, 0, 1, 2] * 7))}
    assert got == {"class-kl": pytest.approx(0, abs=1e-15), "class-deviation": pytest.approx(0), "classes-covered": 4}


def test_a_class_counts_as_covered_from_a_tenth_of_its_share():
    """The data has a quarter of each class: a share of 2.5 % is enough, of 2 % is not."""
    samples = [0] * 500 + [1] * 455 + [2] * 25 + [3] * 20
    covered = [m for m in ClassBalance()(evidence(SURE, samples, range(4))) if m.metric == "classes-covered"]
    assert covered[0].value == 3 and "least=0.1" in covered[0].label


def test_a_class_that_the_data_never_has_makes_the_divergence_infinite():
    [divergence, *_] = ClassBalance()(evidence(SURE, [0, 1, 2, 3], [0, 1, 2]))
    assert divergence.value == np.inf


def test_conditional_accuracy_is_the_share_judged_to_be_what_was_asked_for():
    [got] = ConditionalAccuracy()(evidence(SURE, [0, 0, 1, 1, 2], range(4), truth=range(4), asked=[0, 1, 1, 1, 2]))
    assert got.value == 0.8 and got.error == pytest.approx(np.sqrt(0.8 * 0.2 / 5))
    assert got.details["of_class"] == {0: 1.0, 1: pytest.approx(2 / 3), 2: 1.0}
    assert got.details["of_real_examples"] == 1.0
    assert got.label == "conditional-accuracy[classifier=told, n=5]"


def test_conditional_accuracy_is_of_conditional_games():
    with pytest.raises(NotMeasurable, match="not conditional"):
        list(ConditionalAccuracy()(evidence(SURE, [0], range(4))))


@pytest.mark.parametrize("metric", [ClassifierScore(splits=1), ClassBalance(), ConditionalAccuracy()])
def test_a_classifier_that_is_wrong_about_the_data_is_not_believed(metric):
    """The rows are surely something, but of other classes than the data says: digits judging clothes."""
    with pytest.raises(NotMeasurable, match=r"told is right about only 50.0% of rows \(test\), so it is not"):
        list(metric(evidence(SURE, [0, 1], [0, 1, 2, 3], truth=[0, 1, 3, 2], asked=[0, 1])))


@pytest.mark.parametrize("metric", [ClassifierScore(splits=1), ClassBalance(), ConditionalAccuracy()])
def test_without_a_classifier_nothing_is_measured(metric):
    full = evidence(SURE, [0, 1], range(4), truth=range(4), asked=[0, 1])
    without = Evidence(full.backend, full.spec, full.samples, full.labels, full.split)
    with pytest.raises(NotMeasurable, match=r"No installed classifier takes examples of shape \(1,\)"):
        list(metric(without))
    features_only = Evidence(
        full.backend, full.spec, full.samples, full.labels, full.split, full.extractor, lambda x: (x, None)
    )
    with pytest.raises(NotMeasurable, match="told has features, but no classes"):
        list(metric(features_only))
