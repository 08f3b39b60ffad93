"""The semi-supervised game: D's classes and score, what it learns from, and what is kept of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.building import open_backend
from gankit.conformance.penalties import seen_by
from gankit.data import open_data
from gankit.errors import ConfigError
from gankit.interfaces import Draw, Scores
from gankit.metrics.linear import linear_errors
from gankit.parts.terms import ClassConsistency
from gankit.play.labelled import labelled_part, labelled_rows
from tests.cli_runner import Cli

SMALL = {
    "data": "digits",
    "labelled": 30,
    "latent_dim": 8,
    "generator": {"hidden": [32]},
    "discriminator": {"name": "k-class-mlp", "hidden": [32]},
    "augmentations": [],
}


def game(backend, **settings):
    return gankit.build(backend=backend, recipe="semi-supervised", **{**SMALL, **settings})


def test_d_says_logsumexp_of_the_logits_whose_softmax_it_classifies_by(backend):
    gan = game(backend, dtype="float64").fit(steps=3)
    x = gan.data.x[:6]
    weights = gan.discriminator.parameters
    h = np.asarray(gan.spec.scaling.to_model(x, "float64")).reshape(6, -1) @ weights["dense0/kernel"]
    h += weights["dense0/bias"]
    h = np.where(h > 0, h, 0.2 * h)
    np.testing.assert_allclose(gan.features(x, ema=False), h, rtol=1e-12)
    logits = h @ weights["classeshead0/kernel"] + weights["classeshead0/bias"]
    np.testing.assert_allclose(gan.score(x), np.logaddexp.reduce(logits, axis=1), rtol=1e-12)
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    np.testing.assert_allclose(gan.classify(x, ema=False), p, rtol=1e-12)
    assert np.abs(gan.classify(x) - p).max() > 1e-6  # by the moving average, which is another


class Terms:
    every = 1

    def __init__(self):
        self.lines = []

    def __call__(self, trainer, step, terms):
        self.lines.append(dict(terms))


def test_the_cross_entropy_is_that_of_the_labelled_examples(backend):
    """As many labelled examples as a batch has: each step sees all of them, in whatever order."""
    whole = {
        "discriminator": {"name": "k-class-mlp", "hidden": [32], "keep": 1.0},
        "penalties": ["class-cross-entropy"],
    }
    gan, seen = game(backend, dtype="float64", batch_size=30, **whole), Terms()
    p = gan.classify((part := labelled(gan)).x, ema=False)
    gan.fit(steps=1, callbacks=[seen])
    want = -np.log(p[np.arange(30), part.labels]).mean()
    np.testing.assert_allclose(seen.lines[0]["class-cross-entropy"], want, rtol=1e-10)


def labelled(gan):
    return labelled_part(gan.data, gan.config.labelled, gan.config.seed)


def test_consistency_is_the_squared_distance_of_both_looks_at_an_example(backend):
    ops, rng = open_backend(backend, "cpu", "float64").ops, np.random.default_rng(0)
    logits, x = 3 * rng.normal(size=(8, 3)), ops.asarray(rng.normal(size=(4, 2)))

    def critic(both, given):
        np.testing.assert_array_equal(ops.to_numpy(both), np.tile(ops.to_numpy(x), (2, 1)))
        return Scores(ops.asarray(logits[:, 0]), class_logits=ops.asarray(logits))

    key = ops.key((np.uint32(0), np.uint32(0)))
    got = ClassConsistency()(seen_by(ops, critic, Draw(x, {}, x, {}), x, key, {}))
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    np.testing.assert_allclose(ops.to_numpy(got), np.square(p[:4] - p[4:]).sum() / 4, rtol=1e-12)


def test_it_learns_classes_from_few_labels(backend):
    gan, test = game(backend).fit(steps=400), open_data("digits")
    error = float(np.mean(gan.classify(test.x).argmax(axis=1) != test.labels))
    metric = {"name": "classification-error", "split": "train"}
    found = gankit.evaluate(gan, n=10, metrics=[metric], weights="ema").rows[0]["classification-error"]
    assert found.value == error < 0.25 and found.protocol == {"n": len(test), "split": "train"}
    # 0.9 before the first step


def test_a_run_goes_on_from_its_checkpoint_alone_with_the_same_labels(backend, tmp_path):
    first = game(backend).fit(steps=5)
    path = first.save(tmp_path / "state")
    header = checkpoint.read(path)[1]["config"]
    assert header["labelled"] == 30 and header["seed"] == 0 and header["averages"] == "both"
    second = gankit.load(path, backend=backend).fit(steps=5)
    a, b = (checkpoint.read(gan.save(tmp_path / name))[0] for gan, name in ((first.fit(steps=5), "a"), (second, "b")))
    assert "ema/discriminator/dense0/kernel" in a
    assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_without_the_game_it_is_a_classifier_of_the_labelled_examples_alone(backend):
    """The baseline: unlabelled examples and G then change nothing."""
    alone = {
        "loss": {"name": "feature-matching", "base": {"name": "non-saturating", "d_weight": 0.0}},
        "penalties": ["class-cross-entropy"],
    }
    x, labels = (data := open_data("digits")).x, data.labels
    one = game(backend, dtype="float64", **alone)
    part = labelled(one)
    others = gankit.Dataset(x[::-1].copy(), None, None, data.value_range, "others")
    other = gankit.build(
        backend=backend, recipe="semi-supervised", dtype="float64", sources={"labelled": part},
        **{**SMALL, **alone, "data": others},
    )  # fmt: skip
    a, b = (gan.fit(steps=5).discriminator.parameters for gan in (one, other))
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-12, atol=1e-12)
    assert len(labels) == len(x)


def test_games_without_classes_or_labels_are_refused_before_anything_is_written(backend, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli = Cli(monkeypatch, capsys)
    np.savez("bare.npz", x=np.zeros((9, 8, 8, 1), np.uint8))
    train = ["train", "--backend", backend, "--recipe", "semi-supervised", "--steps", "1", "--out", "run"]
    for more, words in {
        ("--data", "bare.npz"): "bare.npz has no labels",
        ("--data", "digits", "--set", "labelled=5000"): "ask for that many at most",
        ("--data", "digits", "--set", "labelled=0"): "and this game has none",
        ("--data", "digits", "--set", "discriminator=mlp"): "predicts no classes",
    }.items():
        done = cli(*train, *more)
        assert done.code == 2 and words in done.err, done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.npz"]


def test_d_that_marks_or_tells_nothing_says_so(backend):
    plain = gankit.build(backend=backend, recipe="gan-2014", data="digits", generator={"units": 8},
                         discriminator={"units": 4})  # fmt: skip
    with pytest.raises(ConfigError, match="predicts no classes"):
        plain.classify(plain.data.x[:2])
    with pytest.raises(ConfigError, match="marks no features"):
        plain.features(plain.data.x[:2])


def test_features_are_judged_beside_raw_pixels(backend, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression

    monkeypatch.chdir(tmp_path)
    cli = Cli(monkeypatch, capsys)
    gan = game(backend).fit(steps=60)
    gan.save("runs/checkpoints/step-000060")
    done = cli("features", "runs", "--labelled", "30", "--split", "train", "--backend", backend)
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "runs" / "features.json").read_text())["errors"]
    assert [row["of"] for row in rows] == ["features", "raw"] and all(row["labelled"] == 30 for row in rows)
    assert [row["value"] for row in rows] == [each.value for each in linear_errors(gan, [30], split="train")]
    whole, rows_of = open_data("digits"), labelled_rows(gan.data, 30, 0)
    others = np.setdiff1d(np.arange(len(whole)), rows_of)
    x, x_test = (whole.x[which].reshape(len(which), -1).astype(float) for which in (rows_of, others))
    std = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    by_hand = LogisticRegression(C=rows[1]["strength"], max_iter=1000).fit(
        (x - x.mean(axis=0)) / std, whole.labels[rows_of]
    )
    error = np.mean(by_hand.predict((x_test - x.mean(axis=0)) / std) != whole.labels[others])
    np.testing.assert_allclose(rows[1]["value"], error)
