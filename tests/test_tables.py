"""Tables as numbers and back: kinds of columns, missing cells, settings beside a file. pandas' warnings are errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gankit.data import open_data, table
from gankit.errors import DataError

pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from gankit.data.tables.codec import Codec  # noqa: E402
from gankit.data.tables.column import SPAN, Column, fitted  # noqa: E402
from gankit.data.tables.columns import Found, look  # noqa: E402

N = 240


def mixed() -> pd.DataFrame:
    """A column of every kind and dtype, most of them with empty cells somewhere."""
    rng = np.random.default_rng(0)
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 500, N), unit="D")
    seconds = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 500_000, N), unit="s")
    hollow = rng.random(N) < 0.2
    return pd.DataFrame(
        {
            "whole": rng.integers(0, 1000, N),
            "real": rng.normal(size=N),
            "single": rng.normal(size=N).astype("float32"),
            "price": np.round(rng.gamma(2, 10, N), 2),
            "text": rng.choice(["ä", "β", "猫", None], N),
            "yes": rng.random(N) < 0.3,
            "perhaps": pd.array(rng.choice([True, False, None], N), dtype="boolean"),
            "day": days,
            "some day": pd.Series(days).mask(hollow),
            "moment": seconds.strftime("%Y-%m-%d %H:%M:%S"),
            "zoned": seconds.tz_localize("Europe/Berlin"),
            "always": 7,
            "never": np.nan,
            "holes": np.where(hollow, np.nan, rng.integers(0, 500, N)),
            "nullable": pd.array(np.where(hollow, None, rng.integers(0, 4000, N)), dtype="Int64"),
            "ranked": pd.Categorical(rng.choice(["lo", "hi"], N), categories=["lo", "mid", "hi"], ordered=True),
            "mostly 0": np.where(rng.random(N) < 0.7, 0.0, rng.normal(size=N)),
            "few": rng.integers(0, 5, N).astype("int8"),
            "objects": np.array([True, None, False] * (N // 3), object),
            "string": pd.array(["a", None] * (N // 2), dtype="string"),
        }
    )


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return mixed()


@pytest.fixture(scope="module")
def codec(frame: pd.DataFrame) -> Codec:
    return table(frame).codec


def test_what_columns_are_is_found(frame: pd.DataFrame) -> None:
    found = {each.name: each.kind for each in look(frame, {}, "it")}
    assert found == {
        **dict.fromkeys(("whole", "always", "holes", "nullable", "few"), "integer"),
        **dict.fromkeys(("real", "single", "price", "mostly 0"), "continuous"),
        **dict.fromkeys(("text", "never", "ranked", "string"), "category"),
        **dict.fromkeys(("yes", "perhaps", "objects"), "boolean"),
        **dict.fromkeys(("day", "some day", "moment", "zoned"), "date"),
    }


def test_a_table_comes_back_from_its_numbers(frame: pd.DataFrame, codec: Codec) -> None:
    x = codec.encode(frame)
    assert x.shape == (N, codec.width) and np.isfinite(x).all()
    pd.testing.assert_frame_equal(codec.decode(x), frame, check_exact=False, rtol=1e-6)


def test_in_single_precision_too(frame: pd.DataFrame, codec: Codec) -> None:
    back = codec.decode(codec.encode(frame).astype(np.float32).astype(np.float64))
    pd.testing.assert_frame_equal(back, frame, check_exact=False, rtol=1e-4, atol=1e-5)


def test_any_numbers_are_a_table_of_the_same_kinds(frame: pd.DataFrame, codec: Codec) -> None:
    made = codec.decode(np.random.default_rng(1).normal(size=(3000, codec.width)))
    assert made.dtypes.equals(frame.dtypes)
    for name in frame:
        own, other = made[name].dropna(), frame[name].dropna()
        assert set(other.unique()) >= set(own.unique()) or (own.min() >= other.min() and own.max() <= other.max())
        assert made[name].isna().any() == frame[name].isna().any(), name
    assert (made["price"] == made["price"].round(2)).all()


def test_a_codec_is_plain_data(frame: pd.DataFrame, codec: Codec) -> None:
    again = Codec.from_plain(json.loads(json.dumps(codec.to_plain(), allow_nan=False)))
    assert again == codec
    assert table(frame).codec == codec, "fitted again, it is the same"


def test_the_numbers_of_a_column_are_those_of_the_paper() -> None:
    modes = ((0.5, -1.0, 0.5), (0.5, 4.0, 2.0))
    column = Column("c", "continuous", "float64", modes=modes, shares=(0.5, 0.5), low=-9.0, high=99.0)
    cells = np.array([-1.0, 0.0, 4.0, 8.0])
    want = [[0, 1, 0], [1.0 / (SPAN * 0.5), 1, 0], [0, 0, 1], [4.0 / (SPAN * 2.0), 0, 1]]
    x = column.encode(pd.Series(cells), "c")
    np.testing.assert_allclose(x, want, atol=1e-15)
    np.testing.assert_allclose(column.decode(np.array([[0.25, 0.6, 0.4], [-0.5, 0.1, 0.9]])), [-0.5, 0.0], atol=1e-15)


def test_modes_are_where_the_numbers_are() -> None:
    rng = np.random.default_rng(0)
    numbers = np.concatenate([rng.normal(-50, 1, 600), rng.normal(0, 0.1, 300), rng.normal(1000, 20, 100)])
    column = fitted(Found("c", "continuous"), pd.Series(numbers), "c")
    x = column.encode(pd.Series(numbers), "c")
    assert np.abs(x[:, 0]).max() < 2, "no number is far from the mode that it belongs to"
    shares = {round(mean, -1): 0.0 for _, mean, _ in column.modes}
    for (_, mean, _), share in zip(column.modes, column.shares, strict=True):
        shares[round(mean, -1)] += share
    assert shares[-50] == pytest.approx(0.6) and shares[0] == pytest.approx(0.3)


def test_frequent_numbers_stand_for_themselves() -> None:
    numbers = pd.Series([0.0] * 900 + list(np.random.default_rng(0).gamma(3, 1000, 100)))
    column = fitted(Found("c", "continuous"), numbers, "c")
    assert column.values == (0.0,) and column.shares[-1] == 0.9
    noise = column.encode(numbers[:5], "c") + np.array([0.3, *[0.1] * column.slots])
    assert (column.decode(noise) == 0.0).all()


def test_columns_that_tell_rows_apart_are_left_out_and_may_be_kept() -> None:
    frame = pd.DataFrame({"id": range(100), "name": [f"n{i}" for i in range(100)], "x": [0.5, 1.5] * 50})
    found = {each.name: (each.kind, each.why) for each in look(frame, {}, "it")}
    assert found["id"] == ("left-out", "it counts the rows")
    assert found["name"] == ("left-out", "it tells rows apart: 100 different texts")
    assert list(table(frame).codec.decode(np.ones((1, 2)))) == ["x"]
    kept = table(frame, columns={"id": "integer", "name": "category"})
    assert list(kept.codec.decode(np.ones((1, kept.codec.width)))) == ["id", "name", "x"]


def test_a_table_says_what_it_takes_its_columns_for(frame: pd.DataFrame) -> None:
    lines = repr(table(frame.assign(id=range(N)), test=40)).splitlines()
    assert lines[0] == "table: 200 rows to train on, 40 held out to test; target string"
    said = {line[:8].strip(): line.split()[1:] for line in lines[2:]}
    assert said["always"] == ["constant", "always", "7"] and said["never"] == ["constant", "always", "empty"]
    assert said["id"] == ["left", "out", "it", "counts", "the", "rows"]
    assert said["string"] == ["category", "51.5%", "1", "value"] and said["few"] == ["integer", "5", "values"]


def test_the_choices_of_a_row(codec: Codec, frame: pd.DataFrame) -> None:
    x = codec.encode(frame)
    for choice in codec.choices:
        np.testing.assert_allclose(x[:, choice.start : choice.stop].sum(axis=1), 1)
        np.testing.assert_allclose(x[:, choice.start : choice.stop].mean(axis=0), choice.shares)
        if choice.position is not None:
            elsewhere = x[:, choice.start + choice.modes : choice.stop].sum(axis=1) == 1
            assert (x[elsewhere, choice.position] == 0).all()


def test_rows_that_came_later() -> None:
    codec = table(pd.DataFrame({"c": ["a", "b"] * 5, "x": [1.5, 2.5] * 5})).codec
    later = pd.DataFrame({"c": ["new"], "x": [2.0]})
    with pytest.raises(DataError, match="'new' is not one of its"):
        codec.encode(later)
    assert codec.encode(later, known=False)[0, :2].tolist() == [0, 0]
    with pytest.raises(DataError, match="row 0 is empty"):
        codec.encode(pd.DataFrame({"c": [None], "x": [1.5]}))
    with pytest.raises(DataError, match="has no column 'c'"):
        codec.encode(pd.DataFrame({"x": [1.5]}))


MISTAKES = {
    "infinity": ({"x": [1.0, np.inf]}, {}, "contains infinity"),
    "lists": ({"x": [[1], [2]]}, {}, "cannot be compared"),
    "nothing varies": ({"x": [1, 1]}, {}, "no column varies"),
    "no rows": ({"x": []}, {}, "has 0 rows"),
    "a kind that is none": ({"x": [1, 2]}, {"columns": {"x": "categroy"}}, "Did you mean 'category'"),
    "a column that is not there": ({"age": [1, 2]}, {"columns": {"aeg": "integer"}}, "Did you mean 'age'"),
    "a kind that does not fit": ({"x": ["a", "b"]}, {"columns": {"x": "integer"}}, "is declared 'integer', but has"),
    "a target that is not there": ({"x": [1, 2]}, {"target": "y"}, "the target 'y' is not a column"),
    "more rows than there are": ({"x": [1, 2]}, {"test": 2}, "expected 0 to 1 of the 2 rows"),
    "complex numbers": ({"x": [1j, 2j]}, {}, "has complex128"),
}


@pytest.mark.parametrize(("columns", "settings", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told(columns, settings, said) -> None:
    with pytest.raises(DataError, match=said):
        table(pd.DataFrame(columns), **settings)


def test_two_columns_of_one_name() -> None:
    with pytest.raises(DataError, match="2 columns are called 'a'"):
        table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# ---- files


def test_a_file_is_read_divided_and_told_about(tmp_path) -> None:
    rows = [f"{i % 7 + 0.5},{'?' if i % 10 == 0 else 'ab'[i % 2]},{i % 3}" for i in range(100)]
    (tmp_path / "mine.csv").write_text("\n".join(["x, letter, n", *rows]), "utf-8")
    train, test = (open_data(tmp_path / "mine.csv", split=split) for split in ("train", "test"))
    assert (len(train), len(test)) == (80, 20), "a fifth of a file is held out"
    assert train.codec.target == "letter"
    (tmp_path / "mine.toml").write_text('test = 30\nmissing = ["?"]\ntarget = "n"\n[columns]\nn = "category"\n')
    told = open_data(tmp_path / "mine.csv")
    assert (len(told), len(told.split("test")), told.codec.target) == (70, 30, "n")
    [letter] = [column for column in told.codec.columns if column.name == "letter"]
    assert letter.missing and letter.values == ("a", "b")
    both = pd.concat([told.frame, told.split("test").frame])
    assert sorted(both["x"]) == sorted(i % 7 + 0.5 for i in range(100)), "no row is lost, and none is there twice"
    assert open_data(tmp_path / "mine.csv", split="test", codec=told.codec).codec == told.codec


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tset = 0.1", "Did you mean 'test'"),
        ('missing = "?"', "expected a list of texts"),
        ("test = true", "expected a share"),
        ("test = ", "is not valid TOML"),
    ],
)
def test_mistakes_in_the_settings_beside_a_file(tmp_path, text, said) -> None:
    (tmp_path / "mine.csv").write_text("x\n1\n2\n")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(DataError, match=said):
        open_data(tmp_path / "mine.csv")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00x", b'a,b\n"1'])
def test_a_damaged_file(tmp_path, content) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as a table|has 0 rows"):
        open_data(tmp_path / "mine.csv")


def test_parquet(tmp_path, frame: pd.DataFrame) -> None:
    pytest.importorskip("pyarrow")
    from gankit.data.tables.table import write_frame

    write_frame(tmp_path / "mine.parquet", frame)
    opened = open_data(tmp_path / "mine.parquet")
    assert opened.frame.dtypes.equals(frame.dtypes) and len(opened) == 0.8 * N


def test_pandas_is_not_imported_before_a_table_comes() -> None:
    import subprocess
    import sys

    code = "import sys; from gankit.data import open_data; open_data('digits'); assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
