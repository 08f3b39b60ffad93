"""Tables on each backend: from rows to rows, one column told, choices and packs by their closed forms, and measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gankit
from gankit.building import open_backend
from gankit.data import table
from gankit.errors import ConfigError, DataError, ShapeError
from gankit.interfaces.values import Choice
from gankit.layers import Choose, KeepColumn, Pack, Unpack
from gankit.networks.spec import GameSpec
from gankit.parts.columns import column
from tests.cli_runner import Cli
from tests.recipe_games import TABULAR, mixed_rows

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

SMALL = {"recipe": "tabular", "batch_size": 20, "loss": "non-saturating", **TABULAR}
CHOICES = (Choice(1, 4, (0.5, 0.3, 0.2), 0, 2), Choice(4, 6, (0.9, 0.1)), Choice(6, 9, (0.2, 0.2, 0.6)))
"""A number of two modes and one value that stands for itself, and two columns of categories."""


@pytest.fixture
def ops(backend):
    return open_backend(backend, "cpu", "float64").ops


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("scale", [1.0, 1e4], ids=["usual", "huge"])
def test_choices_are_softmaxes_with_gumbel_noise(ops, scale):
    rng = np.random.default_rng(0)
    x, u = scale * rng.normal(size=(7, 9)), rng.random((7, 8))
    u[0, 0], u[1, 1] = 0.0, np.nextafter(1.0, 0.0)
    layer = Choose(CHOICES, "chance", 0.2)
    got = ops.to_numpy(layer.compute(ops, {}, ops.asarray(x), ops.asarray(u)))
    even = u * (1 - 2e-6) + 1e-6
    logits = (x[:, 1:] - np.log(-np.log(even))) / 0.2
    p = [softmax(logits[:, a:b]) for a, b in ((0, 3), (3, 5), (5, 8))]
    np.testing.assert_allclose(got[:, 1:], np.concatenate(p, axis=1), atol=1e-12)
    np.testing.assert_allclose(got[:, 0], x[:, 0] * p[0][:, :2].sum(axis=1), rtol=1e-10)
    slope = ops.to_numpy(ops.grad(lambda x: ops.xp.sum(layer.compute(ops, {}, x, ops.asarray(u)) ** 2))(ops.asarray(x)))
    assert np.isfinite(slope).all()


def test_categories_are_drawn_as_often_as_their_logits_say(ops):
    shares = np.array([0.7, 0.2, 0.1])
    u = np.random.default_rng(0).random((20_000, 3))
    layer = Choose((Choice(0, 3, tuple(shares)),), "chance")
    x = np.broadcast_to(np.log(shares), u.shape)
    got = ops.to_numpy(layer.compute(ops, {}, ops.asarray(x), ops.asarray(u))).argmax(axis=1)
    np.testing.assert_allclose(np.bincount(got) / len(got), shares, atol=0.01)


def test_a_column_that_is_told_is_kept(ops):
    x = np.random.default_rng(0).random((3, 9))
    told = np.array([[0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], np.float64)
    got = ops.to_numpy(KeepColumn(CHOICES[1:]).compute(ops, {}, ops.asarray(x), ops.asarray(told)))
    want = x.copy()
    want[0, 4:6], want[1, 6:9] = (0, 1), (0, 0, 1)
    np.testing.assert_allclose(got, want, atol=1e-15)


def test_packs_are_rows_after_one_another(ops):
    x = np.arange(12.0).reshape(4, 3)
    packed = Pack(2).compute(ops, {}, ops.asarray(x), None)
    np.testing.assert_array_equal(ops.to_numpy(packed), x.reshape(2, 6))
    np.testing.assert_array_equal(ops.to_numpy(Unpack(2).compute(ops, {}, ops.asarray([1.0, 2.0]), None)), [1, 1, 2, 2])
    assert Pack(2).output_shape((3,)) == (6,) and Pack(2).mixes_samples and not Pack(1).mixes_samples
    with pytest.raises(ShapeError, match="make batch_size a multiple of 5"):
        Pack(5).compute(ops, {}, ops.asarray(x), None)
    with pytest.raises(ShapeError, match="1, 2, 5 or 10"):
        Pack(3)


# ---- a column is told


@pytest.fixture(scope="module")
def rows():
    return table(mixed_rows(2000), test=500)


@pytest.mark.parametrize("even", [True, False])
def test_rows_have_what_they_are_told_and_rare_categories_are_seen(ops, rows, even):
    maker = column(GameSpec(rows.shape, 4, choices=rows.codec.choices), even=even)
    noise = np.random.default_rng(0).random((40_000, maker.noise))
    x = rows.x[maker.rows(rows)(noise)]
    given = {name: ops.to_numpy(v) for name, v in maker(ops, ops.asarray(x), ops.asarray(noise)).items()}
    own = given["column"]
    assert (own.sum(axis=1) == 1).all(), "each row is told one category"
    first = maker.told[0].start
    assert (x[:, first:][own == 1] == 1).all(), "and has it"
    for choice in maker.told:
        counts = own[:, choice.start - first : choice.stop - first].sum(axis=0)
        assert counts.sum() / len(own) == pytest.approx(1 / len(maker.told), abs=0.02), "each column as often"
        real = rows.x[:, choice.start : choice.stop].sum(axis=0)
        weights = np.log1p(real) if even else real
        np.testing.assert_allclose(counts / counts.sum(), weights / weights.sum(), atol=0.02)
    np.testing.assert_array_equal(given["chance"], noise[:, 3:])


def test_outside_training_categories_are_told_as_often_as_they_occur(rows):
    maker = column(GameSpec(rows.shape, 4, choices=rows.codec.choices))
    drawn = maker.drawn(np.random.default_rng(0).random((40_000, maker.noise)))["column"]
    first = maker.told[0].start
    for choice in maker.told:
        own = drawn[:, choice.start - first : choice.stop - first]
        np.testing.assert_allclose(own.sum(axis=0) / own.sum(), choice.shares, atol=0.02)


def test_a_table_without_choices_has_no_column_to_tell(backend):
    numbers = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(ConfigError, match="takes a table with categories"):
        gankit.build(backend, data=numbers, **SMALL)


# ---- games


def test_samples_are_a_table_like_the_data(backend):
    frame = mixed_rows(300)
    gan = gankit.build(backend, data=frame, **SMALL).fit(steps=5)
    made = gan.sample(200, seed=1)
    assert made.dtypes.equals(frame.dtypes) and list(made) == list(frame)
    assert set(made["city"].dropna()) <= set(frame["city"].dropna())
    pd.testing.assert_frame_equal(gan.sample(50, seed=1), made[:50])
    assert gan.score(frame[:7]).shape == (7,)
    told = gan.sample(20, given={"city": "東京"})
    assert (told["city"] == "東京").all() and told["income"].nunique() > 1
    several = gan.sample(2, given={"city": ["Köln", None]})
    assert several["city"].isna().tolist() == [False, True]
    with pytest.raises(DataError, match="is never 'Koeln'"):
        gan.sample(2, given={"city": "Koeln"})
    with pytest.raises(ConfigError, match="You can give one column"):
        gan.sample(2, given={"city": "Köln", "owns": True})
    with pytest.raises(DataError, match="has no column 'city'"):
        gan.score(frame[["income"]])


def test_other_recipes_play_on_tables_too(backend):
    frame = mixed_rows(100)
    gan = gankit.build(backend, data=frame, generator={"hidden": [8]}, discriminator={"hidden": [8]}).fit(steps=2)
    assert gan.sample(3).dtypes.equals(frame.dtypes)


def test_stopped_and_resumed_it_is_bit_equal(backend, tmp_path):
    frame = mixed_rows(300)
    whole = gankit.build(backend, data=frame, **SMALL).fit(steps=70)
    gankit.build(backend, data=frame, **SMALL).fit(steps=33).save(tmp_path / "half")
    resumed = gankit.load(tmp_path / "half", backend=backend)
    pd.testing.assert_frame_equal(resumed.sample(3), resumed.sample(3))
    resumed.fit(frame, steps=37)
    a, b = (gankit.checkpoint.read(gan.save(tmp_path / name))[0] for gan, name in ((whole, "a"), (resumed, "b")))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    pd.testing.assert_frame_equal(whole.sample(20), resumed.sample(20), check_exact=True)


def test_a_damaged_table_in_a_checkpoint_is_told(backend, tmp_path):
    gan = gankit.build(backend, data=mixed_rows(100), **SMALL)
    arrays, meta = gankit.checkpoint.read(gan.save(tmp_path / "game"))
    whole = meta["data"]["table"]
    first, *rest = whole["columns"]
    damages = [
        {"columns": rest},
        {"columns": []},
        {"columns": 7},
        {},
        *({"columns": [{**first, **change}, *rest]} for change in ({"modes": [[1, 2]]}, {"shares": [1.0]}, {"new": 1})),
        *({"columns": [{**first, **change}, *rest]} for change in ({"kind": 3}, {"name": []}, {"values": [[]]})),
    ]
    for damage in damages:
        meta["data"]["table"] = damage
        gankit.checkpoint.write(tmp_path / "bad.safetensors", arrays, meta)
        with pytest.raises(gankit.CheckpointError, match="damaged header"):
            gankit.load(tmp_path / "bad.safetensors", backend=backend)
    meta["data"]["table"] = {**whole, "columns": [{**first, "dtype": "banana"}, *rest]}
    gankit.checkpoint.write(tmp_path / "bad.safetensors", arrays, meta)
    with pytest.raises(DataError, match="cannot be converted to 'banana'"):
        gankit.load(tmp_path / "bad.safetensors", backend=backend).sample(2)


def test_the_command_line(backend, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli = Cli(monkeypatch, capsys)
    mixed_rows(300).assign(id=range(300)).to_csv("people.csv", index=False)
    small = ["--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--set", "batch_size=20"]
    command = ["train", "--backend", backend, "--recipe", "tabular", "--loss", "non-saturating", *small]
    done = cli(*command, "--data", "people.csv", "--steps", "20", "--sample-every", "10", "--out", "run")
    assert done.code == 0, done.err
    assert "people.csv: 240 rows to train on, 60 held out to test; target owns" in done.out
    assert "it counts the rows" in done.out
    assert len(pd.read_csv("run/samples/step-000010.csv")) == len(pd.read_csv("run/samples.csv")) == 100
    done = cli("sample", "run", "--n", "7", "--out", "made.csv", "--given", "city=Köln")
    assert done.code == 0, done.err
    made = pd.read_csv("made.csv")
    assert len(made) == 7 and set(made["city"]) == {"Köln"} and "id" not in made
    assert "Use .csv or .parquet" in cli("sample", "run", "--out", "made.png").err
    assert "COLUMN=CATEGORY" in cli("sample", "run", "--given", "Köln").err
    metrics = ["--metric", "train-on-synthetic", "--metric", "column-shapes", "--metric", "closest-record"]
    done = cli("evaluate", "run", "--n", "200", *metrics)
    assert done.code == 0, done.err
    [row] = json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"][:1]
    found = {m["metric"] for m in row["measurements"]}
    assert found == {
        "train-on-synthetic-f1",
        "train-on-synthetic-auc",
        "column-shapes",
        "pair-trends",
        "closest-record",
        "copied-records",
    }
    assert cli(*command, "--data", "people.csv", "--steps", "25", "--out", "run").code == 0, "and it goes on"
