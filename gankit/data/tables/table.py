"""Tables from files and DataFrames: `--data adult.csv`, with `adult.toml` beside it for what is to be told.

```toml
target = "income"     # the column that others are to predict; by default the last one with categories
test = 0.2            # rows held out for measuring: a share, a number, or another file. Of a file by default a fifth
missing = ["?"]       # what stands for an empty cell, beside what pandas takes for one

[columns]
zip = "category"      # continuous, integer, category, boolean, date, left-out
```
"""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gankit.data.dataset import Codec as AnyCodec
from gankit.data.dataset import Dataset, check_split
from gankit.data.tables.codec import Codec, default_target
from gankit.data.tables.columns import Found, look, pandas
from gankit.errors import DataError, did_you_mean, one_of

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
TEST_OF_A_FILE = 0.2
SETTINGS = ("target", "test", "missing", "columns")
TABLE = "table"
"""What a DataFrame is called."""


@dataclass(frozen=True, eq=False)
class Table(Dataset):
    """Rows of a table: x (n, width) float64, encoded by the codec.

    frame: the rows themselves. found: the kind of each column. held_out: the other splits by name.
    """

    _: KW_ONLY
    frame: Any
    codec: Codec
    found: tuple[Found, ...] = ()
    held_out: Mapping[str, Table] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The kind of each column."""
        return described(self)

    def rows(self, which: slice) -> Table:
        return replace(self, x=self.x[which], frame=self.frame.iloc[which])

    def split(self, name: str) -> Table:
        """The rows of a split; raises DataError where there is none."""
        check_split(self.name, name, ["train", *self.held_out])
        return self if name == "train" else self.held_out[name]


def is_table_file(path: Path) -> bool:
    """Whether there is a table in it, by its name; of a .parquet by its columns, which may hold pictures."""
    return path.name.lower().endswith(SUFFIXES) and not (path.suffix.lower() == ".parquet" and _holds_pictures(path))


def _holds_pictures(path: Path) -> bool:
    """Whether a column of a .parquet is bytes, or a struct that has some, as hubs ship pictures."""
    try:
        parquet, types = import_module("pyarrow.parquet"), import_module("pyarrow.types")
        schema = parquet.read_schema(path)
    except (ImportError, OSError, ValueError):  # what is wrong is said when it is read
        return False
    return any(
        types.is_binary(each.type) or types.is_large_binary(each.type) or types.is_struct(each.type) for each in schema
    )


def is_frame(source: Any) -> bool:
    """Whether this is a pandas DataFrame; pandas is not imported to find out."""
    return any((c.__module__.split(".")[0], c.__name__) == ("pandas", "DataFrame") for c in type(source).__mro__)


def table(
    source: Any,
    *,
    columns: Mapping[str, str] | None = None,
    target: str | None = None,
    test: float | int | str | None = None,
    missing: Sequence[str] = (),
    codec: AnyCodec | None = None,
    name: str | None = None,
) -> Table:
    """A table as data for a game.

    source: a DataFrame, or the path of a .csv, .csv.gz, .tsv or .parquet file. The TOML file beside it has the defaults
        of the following arguments.
    columns: kinds by column name, if gankit guesses them wrong: see `gankit.data.tables.columns.KINDS`.
    target: the column to predict in an evaluation; by default the last one with categories.
    test: the rows to hold out as the split "test": a share below 1, a number of rows, both drawn by a fixed seed, or
        the path of another file. By default a fifth of a file, and no rows of a DataFrame.
    missing: texts that mean an empty cell, in a file.
    codec: the codec of an existing game, instead of one fitted on the training rows.

    Raises DataError for files that cannot be read and unsuitable columns; PluginError without pandas.
    """
    if is_frame(source):
        path, frame, told = None, source, dict[str, Any]()
        where = name or TABLE
    else:
        path = Path(source).expanduser()
        told = _told(path)
        where = name or path.name
        missing = (*missing, *told.get("missing", ()))
        frame = _read(path, missing)
        told = {"test": TEST_OF_A_FILE, **told}
    columns = {**told.get("columns", {}), **(columns or {})}
    target = told.get("target") if target is None else target
    test = told.get("test") if test is None else test
    train, held = _divided(frame, test, path, missing, where)
    found = tuple[Found, ...]()
    if not isinstance(codec, Codec):
        found = tuple(look(frame, columns, where))
        codec = Codec.fit(train, found, None, where)
        codec = replace(codec, target=_target(codec, target, where))
    held_out = {}
    if held is not None:
        x = codec.encode(held, f"{where}, test rows", known=False)
        held_out["test"] = Table(x, name=where, codec=codec, frame=held)
    return Table(codec.encode(train, where), name=where, codec=codec, frame=train, found=found, held_out=held_out)


def described(data: Table) -> str:
    """What each column was taken for, as a small table of text."""
    by_name = {column.name: column for column in data.codec.columns}
    lines = [("column", "kind", "empty", "as")]
    for each in data.found:
        column = by_name.get(each.name)
        if column is None or not column.width:
            lines.append((str(each.name), "left out" if column is None else "constant", "", each.why))
            continue
        empty = f"{column.shares[-1]:.1%}" if column.missing else ""
        parts = [_counted(len(column.modes), "mode"), _counted(len(column.values), "value")]
        lines.append((str(each.name), column.kind, empty, " and ".join(filter(None, parts))))
    wide = [max(len(line[i]) for line in lines) for i in range(3)]
    held = "".join(f", {len(other):,} held out to {name}" for name, other in data.held_out.items())
    target = "no target" if data.codec.target is None else f"target {data.codec.target}"
    return "\n".join(
        [
            f"{data.name}: {len(data):,} rows to train on{held}; {target}",
            *(f"  {a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}  {d}".rstrip() for a, b, c, d in lines),
        ]
    )


def _counted(count: int, what: str) -> str:
    return "" if not count else f"{count} {what}{'' if count == 1 else 's'}"


def _target(codec: Codec, asked: str | None, where: str) -> str | int | None:
    if asked is None:
        return default_target(codec.columns)
    names = {str(column.name): column.name for column in codec.columns if column.width}
    if asked not in names:
        raise DataError(f"{where}: the target {asked!r} is not a column that varies.{did_you_mean(asked, names)}")
    return names[asked]


def told_beside(path: Path) -> Path:
    """Where a table's settings lie: `adult.toml` beside `adult.csv.gz`."""
    return path.with_name(path.name[: path.name.index(".", 1)] + ".toml")


def _told(path: Path) -> dict[str, Any]:
    file = told_beside(path)
    if not file.is_file():
        return {}
    try:
        told = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file} is not valid TOML: {error}.") from error
    for key in told:
        if key not in SETTINGS:
            hint = f"{did_you_mean(key, SETTINGS)} Possible: {one_of(SETTINGS)}."
            raise DataError(f"{file}: there is no setting {key!r}.{hint}")
    kinds = {"target": str, "test": int | float | str, "missing": list, "columns": dict}
    for key, value in told.items():
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise DataError(f"{file}: {key} = {value!r}; expected {EXPECTED[key]}.")
    return told


EXPECTED = {
    "target": 'a column, such as "income"',
    "test": 'a share, a number of rows, or a file, such as 0.2 or "test.csv"',
    "missing": 'a list of texts, such as ["?"]',
    "columns": 'a table of kinds, such as zip = "category" under [columns]',
}


def _read(path: Path, missing: Sequence[str]) -> Any:
    pd = pandas()
    if not path.is_file():
        raise DataError(f"{path} does not exist.")
    try:
        if path.name.lower().endswith(".parquet"):
            return pd.read_parquet(path)
        tab = "\t" if ".tsv" in path.name.lower() else ","
        # Whole columns before their types are guessed: by pieces, a column might be of two.
        return pd.read_csv(path, sep=tab, skipinitialspace=True, na_values=list(missing), low_memory=False)
    except ImportError as error:
        raise DataError(f"{path}: reading Parquet needs pyarrow. Install it: pip install pyarrow") from error
    except (ValueError, OSError, EOFError, LookupError) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"{path} cannot be read as a table: {error}.") from error


def write_frame(path: Path, frame: Any) -> None:
    """Write a DataFrame as .csv or .parquet, whole or not at all."""
    from gankit.disk import write_atomically

    if path.suffix == ".csv":
        content = frame.to_csv(index=False).encode()
    else:
        file = io.BytesIO()
        try:
            frame.to_parquet(file, index=False)
        except ImportError as error:
            raise DataError(f"{path}: writing Parquet needs pyarrow. Install it: pip install pyarrow") from error
        content = file.getvalue()
    write_atomically(path, content)


def _divided(
    frame: Any, test: float | int | str | None, path: Path | None, missing: Sequence[str], where: str
) -> tuple[Any, Any]:
    """(rows to train on, rows held out or None), each with an index of its own."""
    if isinstance(test, str):
        other = Path(test).expanduser()
        return frame, _read(other if path is None or other.is_absolute() else path.parent / other, missing)
    n = len(frame)
    count = 0 if test is None else round(test * n) if 0 < test < 1 else int(test)
    if (test is not None and (count != test and not 0 <= test < 1)) or not 0 <= count < max(n, 1):
        raise DataError(f"{where}: test={test!r}; expected 0 to {n - 1:,} of the {n:,} rows, or a share below 1.")
    if not count:
        return frame.reset_index(drop=True), None
    order = np.random.Generator(np.random.Philox(0)).permutation(n)
    train, held = np.sort(order[count:]), np.sort(order[:count])
    return frame.iloc[train].reset_index(drop=True), frame.iloc[held].reset_index(drop=True)
