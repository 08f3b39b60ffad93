"""Pictures in archives are those of the folder that was packed."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from gankit.data import decoding, folder, open_data
from gankit.data.sources import can_reopen
from gankit.errors import DataError
from tests.pictures.making import RNG, encoded, folder_of, packed, picture, small

# ---- archives


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("top", ["", "faces/"])
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("size", ["", "@4"])
def test_an_archive_is_the_folder_that_was_packed(tmp_path: Path, kind: str, top: str, classes: int, size: str) -> None:
    faces = folder_of(tmp_path / "faces", 7, classes=classes)
    (faces / "notes.txt").write_text("no picture")
    data, want = open_data(f"{packed(kind, faces, top)}{size}"), open_data(f"{faces}{size}")
    np.testing.assert_array_equal(data.x, want.x)
    assert data.num_classes == want.num_classes
    assert (data.labels is None and want.labels is None) or data.labels.tolist() == want.labels.tolist()
    assert can_reopen(data.name)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_large_archive_is_read_by_several_threads(tmp_path: Path, kind: str) -> None:
    faces = folder_of(tmp_path / "faces", 60)
    path = packed(kind, faces)
    np.testing.assert_array_equal(np.asarray(folder(path, workers=4).x), small(faces).x)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_damaged_archive_or_member_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"bad.{kind}").write_bytes(b"no archive at all")
    with pytest.raises(DataError, match=rf"bad\.{kind}"):
        open_data(f"{tmp_path}/bad.{kind}")
    path = packed(kind, folder_of(tmp_path / "faces", 5, broken=(2,)))
    with pytest.raises(DataError, match=rf"faces\.{kind}: 002\.png cannot be read as an image"):
        open_data(str(path) + "@4")
    data = open_data(f"{path}@4+skip-broken")
    assert len(data) == 4 and len(data.skipped) == 1 and data.skipped[0].startswith("002.png: ")


def test_a_packed_tar_says_why_it_is_not_read(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 2)
    with tarfile.open(tmp_path / "faces.tar", "w:gz") as archive:
        archive.add(faces, "faces")
    with pytest.raises(DataError, match="not a plain .tar.*Unpack it into a folder"):
        folder(tmp_path / "faces.tar")


def test_images_at_different_depths_of_an_archive_are_refused(tmp_path: Path) -> None:
    folder_of(tmp_path / "faces" / "cat", 2)
    (tmp_path / "faces" / "a.png").write_bytes(encoded(picture()))
    with pytest.raises(DataError, match=r"different depths.*a\.png"):
        open_data(str(packed("zip", tmp_path / "faces")))


@pytest.mark.parametrize("group", [3, 100])
@pytest.mark.parametrize("lazily", [False, True])
def test_parquet_as_hubs_ship_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int, lazily: bool) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    if lazily:
        monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    pictures, labels = [picture() for _ in range(10)], RNG.integers(0, 2, 10)
    told = {"info": {"features": {"label": {"names": ["dog", "cat"], "_type": "ClassLabel"}}}}
    (tmp_path / "set" / "data").mkdir(parents=True)
    for shard in range(2):
        rows = range(5 * shard, 5 * shard + 5)
        images = [{"bytes": encoded(pictures[i]), "path": f"{i}.png"} for i in rows]
        table = pa.table({"image": images, "label": pa.array(labels[list(rows)]), "caption": ["a"] * 5})
        table = table.replace_schema_metadata({"huggingface": __import__("json").dumps(told)})
        name = tmp_path / "set" / "data" / f"train-{shard:05d}-of-00002.parquet"
        parquet.write_table(table, name, row_group_size=group)
    (tmp_path / "set" / "data" / "test-00000-of-00001.parquet").write_bytes(b"of another split")
    data = open_data(f"{tmp_path}/set")
    assert data.num_classes == 2 and data.labels is not None and data.labels.tolist() == labels.tolist()
    rows = np.array([9, 0, 4, 4])
    np.testing.assert_array_equal(data.x[rows], np.array(pictures)[rows])
    np.testing.assert_array_equal(np.asarray(data.x), pictures)
    one = open_data(f"{tmp_path}/set/data/train-00001-of-00002.parquet@6x8x1")
    assert one.shape == (6, 8, 1) and len(one) == 5


def test_a_parquet_without_pictures_names_its_columns(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"age": [1, 2]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="the columns age.*struct with bytes"):
        open_data(f"{tmp_path / 'x.parquet'}@8")
