"""Metrics of tables by their definitions: on rows that are real, on rows that are noise, on copies."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from gankit.data import table
from gankit.metrics import NotMeasurable
from gankit.metrics.tables import ClosestRecord, ColumnShapes, TrainOnSynthetic
from tests.recipe_games import mixed_rows

from .stand_in import evidence

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

ROWS = table(mixed_rows(1200), test=400)
"""800 rows to train on. Their target, `owns`, follows from `income` but for noise."""


def judged(metric, rows, data=ROWS):
    """By the number's name: (of the samples, of real rows)."""
    from dataclasses import replace

    splits = {"train": data, **data.held_out}
    bare = evidence(data.codec.encode(rows), splits)
    shown = SimpleNamespace(codec=data.codec, choices=data.codec.choices)
    found = {}
    for m in metric(replace(bare, spec=shown)):
        found.setdefault(m.metric, []).append(m)
    return found


def test_real_rows_are_worth_as_much_as_real_rows() -> None:
    found = judged(TrainOnSynthetic(), ROWS.frame)
    assert list(found) == ["train-on-synthetic-f1", "train-on-synthetic-auc"]
    for pair in found.values():
        assert [m.protocol["learned from"] for m in pair] == ["samples", "real rows"]
    for samples, real in found.values():
        assert samples.value == real.value > 0.85


def test_the_numbers_are_those_of_scikit_learn() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import f1_score, roc_auc_score

    found = judged(TrainOnSynthetic(n=500), ROWS.frame)

    def features(frame):
        city = frame["city"].map({"Köln": 0, "Oslo": 1, "東京": 2})
        days = (frame["day"] - pd.Timestamp("1970-01-01")).dt.days
        return np.stack([frame["income"], city, days, frame["children"]], axis=1).astype(float)

    test, learned = ROWS.held_out["test"].frame, ROWS.frame[:500]
    model = HistGradientBoostingClassifier(random_state=0, categorical_features=[False, True, False, False])
    model.fit(features(learned), learned["owns"])
    rarer = bool(ROWS.frame["owns"].mean() < 0.5)
    p = model.predict_proba(features(test))[:, int(rarer)]
    truth = test["owns"] == rarer
    assert found["train-on-synthetic-f1"][0].value == pytest.approx(f1_score(truth, p > 0.5))
    assert found["train-on-synthetic-auc"][0].value == pytest.approx(roc_auc_score(truth, p))


def test_shuffled_columns_teach_nothing_and_lose_every_trend() -> None:
    rng = np.random.default_rng(0)
    loose = pd.DataFrame({name: ROWS.frame[name].to_numpy()[rng.permutation(len(ROWS))] for name in ROWS.frame})
    loose = loose.astype(ROWS.frame.dtypes)
    found = judged(TrainOnSynthetic(), loose) | judged(ColumnShapes(), loose)
    samples, real = found["train-on-synthetic-auc"]
    assert samples.value < 0.65 < 0.9 < real.value
    samples, real = found["column-shapes"]
    assert samples.value == pytest.approx(real.value, abs=0.02), "each column by itself is as it was"
    samples, real = found["pair-trends"]
    assert samples.value < real.value - 0.03


def test_one_answer_for_all_is_worth_nothing() -> None:
    alike = ROWS.frame.assign(owns=True)
    found = judged(TrainOnSynthetic(), alike)
    assert [found[f"train-on-synthetic-{kind}"][0].value for kind in ("f1", "auc")] == [0.0, 0.5]


def test_several_classes_are_averaged() -> None:
    several = table(mixed_rows(1200), test=400, target="city")
    f1, auc = (pair[1].value for pair in judged(TrainOnSynthetic(), several.frame, several).values())
    assert 0.3 < f1 < 1 and 0.7 < auc < 1


def test_shapes_by_their_definitions() -> None:
    from scipy.stats import ks_2samp

    other = ROWS.frame.sample(400, random_state=1, ignore_index=True)
    other["income"] += 3.0
    shapes = judged(ColumnShapes(), other)["column-shapes"][0].details
    test = ROWS.held_out["test"].frame
    assert shapes["income"] == pytest.approx(1 - ks_2samp(other["income"], test["income"]).statistic)
    shares = [frame["city"].fillna("none").value_counts(normalize=True) for frame in (other, test)]
    assert shapes["city"] == pytest.approx(1 - 0.5 * shares[0].sub(shares[1], fill_value=0).abs().sum())


def test_trends_by_their_definitions() -> None:
    pytest.importorskip("scipy")
    other = ROWS.frame.sample(400, random_state=1, ignore_index=True)
    trends = judged(ColumnShapes(), other)["pair-trends"][0].details
    assert list(trends) == [f"{a}, {b}" for a, b in combinations(other, 2)]
    test = ROWS.held_out["test"].frame
    r = [frame["income"].corr(frame["children"]) for frame in (other, test)]
    assert trends["income, children"] == pytest.approx(1 - abs(r[0] - r[1]) / 2)
    both = [frame["city"].fillna("none") + frame["owns"].astype(str) for frame in (other, test)]
    shares = [each.value_counts(normalize=True) for each in both]
    assert trends["city, owns"] == pytest.approx(1 - 0.5 * shares[0].sub(shares[1], fill_value=0).abs().sum())


def test_copies_are_told() -> None:
    copied = judged(ClosestRecord(n=100), ROWS.frame[:100])
    assert copied["closest-record"][0].value == 0 and copied["copied-records"][0].value == 1
    assert copied["closest-record"][1].value > 0 and copied["copied-records"][1].value < 0.1
    assert [m.protocol["of"] for m in copied["closest-record"]] == ["samples", "real rows"]


def test_the_closest_record_by_definition() -> None:
    asked = ROWS.held_out["test"].frame[:5].reset_index(drop=True)
    found = judged(ClosestRecord(n=5), asked)["closest-record"][0]
    train, distances = ROWS.frame, []
    for _, row in asked.iterrows():
        apart = [abs(train["income"] - row["income"]) / np.ptp(train["income"])]
        apart.append(abs(train["day"] - row["day"]).dt.days / (train["day"].max() - train["day"].min()).days)
        apart += [
            (train[name].fillna("none") != ("none" if pd.isna(row[name]) else row[name])) for name in ("city", "owns")
        ]
        children = abs(train["children"] - row["children"]) / np.ptp(train["children"].dropna())
        empty = train["children"].isna()
        apart.append(np.where(empty, float(not pd.isna(row["children"])), children.fillna(1.0)))
        distances.append(np.mean([np.asarray(each, float) for each in apart], axis=0).min())
    assert found.value == pytest.approx(np.median(distances), abs=1e-6)


def test_without_held_out_rows_or_a_target_nothing_is_learned() -> None:
    with pytest.raises(NotMeasurable, match="No rows are held out"):
        list(judged(TrainOnSynthetic(split="train"), ROWS.frame))
    numbers = table(pd.DataFrame({"a": np.arange(50.0) ** 2 % 7.3, "b": np.arange(50.0) ** 3 % 5.1}), test=10)
    with pytest.raises(NotMeasurable, match="The column to predict is not known"):
        list(judged(TrainOnSynthetic(), numbers.frame, numbers))


def test_what_is_no_table_is_not_measured() -> None:
    x = np.zeros((9, 2), np.float32)
    for metric in (TrainOnSynthetic(), ColumnShapes(), ClosestRecord()):
        with pytest.raises(NotMeasurable, match="It needs a table"):
            list(metric(evidence(x, {"train": x, "test": x})))
