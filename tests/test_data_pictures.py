"""Large folders and archives: the examples of small ones, decoded once, in time, whoever else does what meanwhile."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from gankit.config import Config
from gankit.data import cache, decoding, folder, open_data, pairs
from gankit.data.asked import asked
from gankit.data.dataset import Array, feature_mean, is_memory_mapped, scaling
from gankit.data.decoder import Decoder
from gankit.data.fingerprint import changes, contents, fingerprint
from gankit.data.kept import InMemory
from gankit.data.lazy import Pictures
from gankit.data.picture import Form
from gankit.data.sources import can_reopen, data_name
from gankit.data.store import Store
from gankit.errors import ConfigError, DataError
from gankit.parts.optimizers import Adam
from gankit.play.batches import Batches, Stock
from gankit.play.feed import Feed

RNG = np.random.default_rng(0)
Decoded = list[str]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder is one that does not fit into memory and is worth a place in the cache."""
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    monkeypatch.setattr(decoding, "WORTH", 0)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """The names of the pictures that were decoded, in their order."""
    names, pixels = Decoded(), Form.pixels

    def counted(form: Form, encoded: Any, name: str) -> Array:
        names.append(Path(name).name)
        return pixels(form, encoded, name)

    monkeypatch.setattr(Form, "pixels", counted)
    return names


def picture(height: int = 6, width: int = 8, channels: int = 3) -> Array:
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(pixels: Array, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, form)
    return file.getvalue()


def folder_of(path: Path, n: int, *, classes: int = 0, broken: tuple[int, ...] = ()) -> Path:
    """n pictures, in class folders where there are classes."""
    for i in range(n):
        file = path / (f"class-{i * classes // n}" if classes else "") / f"{i:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(picture())[: 40 if i in broken else None])
    return path


def small(source: Any, **settings: Any) -> Any:
    """The same as it is opened where it fits into memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "IN_MEMORY", 2**28)
        patch.setenv("GANKIT_CACHE", "off")
        return open_data(source) if isinstance(source, str) else folder(source, **settings)


# ---- large folders are read as arrays


KEYS: dict[str, Any] = {
    "one": 3,
    "last": -1,
    "slice": slice(2, 7),
    "steps": slice(1, None, 3),
    "backwards": slice(8, 2, -2),
    "all": slice(None),
    "none": slice(4, 4),
    "rows": np.array([7, 0, 7, -2]),
    "steps of minibatches": np.array([[[1, 5], [9, 0]]], np.int32),
    "no rows": np.array([], np.int64),
    "mask": np.arange(10) % 3 == 0,
    "channels": (slice(2, 5), ..., slice(1, 2)),
    "pixel": (4, 2, 3),
    "whole": (..., slice(0, 1)),
}


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_rows_of_a_large_folder_are_those_of_a_small_one(tmp_path: Path, key: Any) -> None:
    faces = folder_of(tmp_path / "faces", 10)
    x = folder(faces, size=(5, 4)).x
    assert isinstance(x, Pictures) and x.shape == (10, 5, 4, 3) and x.nbytes == 600 and len(x) == 10
    np.testing.assert_array_equal(x[key], small(faces, size=(5, 4)).x[key])


@pytest.mark.usefixtures("large")
def test_numpy_takes_a_large_folder_for_an_array_and_slices_of_it_stay_on_disk(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 10)
    x, want = folder(faces).x, small(faces).x
    np.testing.assert_array_equal(np.asarray(x), want)
    np.testing.assert_array_equal(np.array(x, np.float32), want.astype(np.float32))
    assert np.mean(x) == want.mean() and is_memory_mapped(x) and is_memory_mapped(x[2:5])
    with pytest.raises(IndexError):
        x[10]
    with pytest.raises(IndexError):
        x[np.ones(9, bool)]


@pytest.mark.usefixtures("large")
def test_labels_and_names_are_those_of_a_small_folder(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 9, classes=3)
    for text in (f"{faces}", f"{faces}@4", f"{faces}@4x5x1", f"{faces}@4+flip+pad"):
        data, want = open_data(text), small(text)
        assert isinstance(data.x, Pictures) and data.name == want.name and data.num_classes == 3
        assert data.labels.tolist() == want.labels.tolist()
        np.testing.assert_array_equal(np.asarray(data.x), want.x)
        np.testing.assert_array_equal(np.asarray(open_data(data.name).x), want.x)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("workers", [1, 4])
def test_the_examples_are_the_same_for_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    faces = folder_of(tmp_path / "faces", 60)
    x = folder(faces, size=4, workers=workers, cache=False).x
    rows = RNG.permutation(60)
    np.testing.assert_array_equal(x[rows], small(faces, size=4).x[rows])


def test_what_is_asked_for_is_decoded_before_the_rest() -> None:
    """The first minibatch of a shuffled order waits for itself alone."""
    order, gate = list[int](), threading.Semaphore(3)

    class Gated:
        ahead = 1

        def begin(self, rows: Any) -> None:
            self.rows = rows

        def finish(self) -> Iterator[tuple[int, Array]]:
            for row in self.rows:
                order.append(row)
                assert gate.acquire(timeout=30)
                yield row, np.full(1, row, np.uint8)

    def units(rows: Any) -> list[list[int]]:
        return [[row] for row in rows]

    store = Store(
        InMemory(np.zeros((200, 1), np.uint8)),
        np.zeros(200, bool),
        lambda: nullcontext(Gated()),
        units,
        None,
        threads=1,
    )
    store.start()
    with ThreadPoolExecutor(1) as reader:
        until(lambda: order == [0, 1, 2, 3])  # and at the last it waits
        found = reader.submit(store.read, [150, 20, 180, 3])
        until(lambda: bool(store._urgent))
        gate.release(200)
        assert found.result(30).ravel().tolist() == [150, 20, 180, 3]
        assert order[:7] == [0, 1, 2, 3, 20, 150, 180]
        until(lambda: len(order) == 200)
    assert sorted(order) == list(range(200)), "each once"
    store.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.usefixtures("large")
def test_a_large_folder_goes_along_with_each_chunk_and_is_never_wholly_in_memory(tmp_path: Path) -> None:
    n, side = 400, 64
    tiles = [encoded(picture(side, side)) for _ in range(8)]
    (tmp_path / "faces").mkdir()
    for i in range(n):
        (tmp_path / "faces" / f"{i:03d}.png").write_bytes(tiles[i % 8])
    data = folder(tmp_path / "faces")
    tiles_decoded = np.array([np.asarray(Image.open(io.BytesIO(tile))) for tile in tiles])
    ops: Any = SimpleNamespace(asarray=np.array)
    plan = Batches(Config(batch_size=4, latent_dim=2), {"generator": Adam(), "discriminator": Adam()})
    np.asarray(data.x[:])  # all decoded
    tracemalloc.start()
    feed = Feed(data, plan, ops, frozenset(), {"": {"": (0.0, 1.0)}})
    batch = feed.chunk(0, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert feed.shared == () and peak < 2e6 < data.x.nbytes, f"{peak:,} bytes were held"
    order = plan.make(0, 8, Stock(n)).discriminator.real
    np.testing.assert_array_equal(batch.discriminator.real, tiles_decoded[order % 8])


@pytest.mark.usefixtures("large")
def test_a_game_on_a_large_folder_is_begun_without_decoding_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gankit.data.dataset.FOR_THE_MEAN", 5)
    monkeypatch.setattr(Store, "start", lambda store: None)  # nothing is decoded that is not asked for
    data = folder(folder_of(tmp_path / "faces", 41))
    asked_for: list[int] = []
    monkeypatch.setattr(Store, "ensure", lambda store, rows, **how: asked_for.extend(np.asarray(rows).tolist()))
    feature_mean(data, scaling(data, "symmetric"))
    assert asked_for == [0, 10, 20, 30, 40]


@pytest.mark.usefixtures("large")
def test_data_may_be_dropped_at_any_moment(tmp_path: Path, own_cache: Path) -> None:
    """Its threads end, its files are closed once, and what was decoded by then is kept."""
    faces = folder_of(tmp_path / "faces", 24)
    want = small(faces).x
    for i in range(60):
        x = folder(faces, workers=3).x
        np.testing.assert_array_equal(x[i % 24], want[i % 24])
        time.sleep(0.0003 * i)
        del x
        if i % 6 == 5:
            shutil.rmtree(own_cache)  # under their hands, too
    until(lambda: not any(each.name.startswith("gankit-pictures") for each in threading.enumerate()))


# ---- processes that decode


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Those that were begun; nothing is decoded before they are ready."""
    monkeypatch.setattr(decoding, "IN_MEMORY", 0)
    monkeypatch.setattr(decoding, "PROCESSES", 0)
    monkeypatch.setattr("gankit.data.store.usable_cores", lambda: 2)
    begun: list[subprocess.Popen[bytes]] = []
    enter = Decoder.__enter__

    def entered(self: Decoder) -> Decoder:
        enter(self)
        assert self._process is not None and self._ready.wait(60)
        begun.append(self._process)
        return self

    monkeypatch.setattr(Decoder, "__enter__", entered)
    return begun


@pytest.mark.parametrize("kind", ["folder", "zip", "pairs", "halves"])
def test_processes_decode_what_threads_do_and_end_with_the_data(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], decoded: Decoded, kind: str
) -> None:
    if kind in ("pairs", "halves"):
        name = f"{kind}:{paired(tmp_path / 'p', halves=kind == 'halves', n=60)}"
    else:
        faces = folder_of(tmp_path / "faces", 60)
        name = str(faces if kind == "folder" else packed("zip", faces)) + "@5+flip"
    x = open_data(name).x
    decoded.clear()  # the first one tells the size, here
    got = np.asarray(x[RNG.permutation(60)[:20]]).shape[0], np.array(x)
    assert got[0] == 20 and processes and not decoded, "nothing was decoded here"
    np.testing.assert_array_equal(got[1], small(name).x)
    del x
    until(lambda: all(process.poll() is not None for process in processes))
    assert all(process.returncode == 0 for process in processes)


def test_where_a_process_is_killed_decoding_goes_on_without(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    faces = folder_of(tmp_path / "faces", 60)
    x = folder(faces, size=5, workers=1).x
    until(lambda: bool(processes))
    processes[0].kill()
    np.testing.assert_array_equal(np.asarray(x), small(faces, size=5).x)


def test_processes_tell_what_is_wrong_as_threads_do(
    tmp_path: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = folder_of(tmp_path / "faces", 20, broken=(7,))
    with pytest.raises(DataError, match=r"007\.png cannot be read as an image.*--skip-broken"):
        np.asarray(folder(faces).x)
    assert open_data(f"{packed('zip', faces)}+skip-broken").x[:].shape == (20, 6, 8, 3)
    (faces / "007.png").write_bytes(encoded(picture(5, 5)))
    with pytest.raises(DataError, match=r"000\.png is 6x8 and .*007\.png is 5x5"):
        np.asarray(folder(faces).x)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 47)
    with pytest.raises(DataError, match="MAX_IMAGE_PIXELS"):
        np.asarray(folder(faces, size=4).x)
    assert processes


# ---- what they are made into


def test_padding_shows_all_of_a_picture_on_white(tmp_path: Path) -> None:
    wide = np.zeros((8, 16, 1), np.uint8)
    (tmp_path / "a.png").write_bytes(encoded(wide))
    x = folder(tmp_path, size=8, pad=True).x[0, ..., 0]
    assert (x[[0, 1, 6, 7]] == 255).all() and (x[2:6] == 0).all()
    np.testing.assert_array_equal(open_data(f"{tmp_path}@8+pad").x[0, ..., 0], x)


def test_flips_are_further_examples_with_the_labels_of_theirs(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 6, classes=2)
    plain, data = open_data(str(faces)), open_data(f"{faces}+flip")
    np.testing.assert_array_equal(data.x, np.concatenate([plain.x, plain.x[:, :, ::-1]]))
    assert data.labels is not None and data.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2


def test_grey_and_colour_may_be_asked_for(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 2)
    want = np.asarray([np.asarray(Image.open(file).convert("L")) for file in sorted(faces.iterdir())])
    np.testing.assert_array_equal(open_data(f"{faces}+grey").x[..., 0], want)
    assert open_data(f"{faces}@4+colour").shape == (4, 4, 3) and open_data(f"{faces}@4+grey").shape == (4, 4, 1)


def test_photos_are_decoded_no_finer_than_they_are_shown(tmp_path: Path) -> None:
    """Within two levels of the resize of every pixel, by Pillow's own."""
    smooth = Image.fromarray(picture(24, 32)).resize((1600, 1200), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as photo:
        want = np.asarray(ImageOps.fit(photo.convert("RGB"), (32, 32), method=Image.Resampling.LANCZOS)).astype(int)
    off = np.abs(folder(tmp_path, size=32).x[0].astype(int) - want)
    assert off.max() <= 2 and off.mean() < 0.5, (off.max(), off.mean())


def test_several_folders_follow_each_other_and_share_their_classes(tmp_path: Path) -> None:
    for name, labels in (("a", "cat dog"), ("b", "bird dog")):
        for label in labels.split():
            folder_of(tmp_path / name / label, 2)
    data = open_data(f"{tmp_path}/a,{tmp_path}/b@4")
    assert data.num_classes == 3 and data.labels is not None and data.labels.tolist() == [1, 1, 2, 2, 0, 0, 2, 2]
    want = [open_data(f"{tmp_path}/{name}@4").x for name in "ab"]
    np.testing.assert_array_equal(data.x, np.concatenate(want))
    np.testing.assert_array_equal(folder([tmp_path / "a", tmp_path / "b"], size=4).x, data.x)
    assert can_reopen(data.name) and data_name(data) == f"{tmp_path}/a,{tmp_path}/b@4x4x3"
    folder_of(tmp_path / "plain", 2)
    with pytest.raises(DataError, match="class folders, or none"):
        open_data(f"{tmp_path}/a,{tmp_path}/plain@4")
    with pytest.raises(DataError, match="does not exist"):
        open_data(f"{tmp_path}/a,{tmp_path}/nowhere@4")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("faces@64+pad+skip-broken", {"size": (64, 64), "pad": True, "skip_broken": True}),
        ("faces+skip-broken+flip@8", None),  # a size comes first
        ("pairs:faces@8x9+skip-broken", {"kind": "pairs:", "size": (8, 9), "skip_broken": True}),
        ("faces+flip", {"flip": True}),
    ],
)
def test_text_says_what_is_made_of_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, want: dict[str, Any] | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("faces").mkdir()
    found = asked(text)
    assert (found is None) == (want is None)
    assert found is None or {name: getattr(found, name) for name in want or {}} == want


def test_a_folder_whose_name_looks_like_a_choice_comes_first(tmp_path: Path) -> None:
    folder_of(tmp_path / "faces", 2)
    folder_of(tmp_path / "faces+flip", 3)
    folder_of(tmp_path / "faces,faces", 1)
    assert [len(open_data(f"{tmp_path}/{name}")) for name in ("faces+flip", "faces+flip+flip", "faces,faces")] == [
        3,
        6,
        1,
    ]


# ---- archives


def packed(kind: str, folder: Path, top: str = "") -> Path:
    path = folder.with_name(f"{folder.name}.{kind}")
    files = {f"{top}{file.relative_to(folder).as_posix()}": file for file in folder.rglob("*") if file.is_file()}
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"__MACOSX/{top}._a.png", b"what macOS leaves")
            for name, file in reversed(files.items()):
                archive.write(file, name)
    else:
        with tarfile.open(path, "w") as archive:
            for name, file in reversed(files.items()):
                archive.add(file, name)
    return path


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
    with pytest.raises(DataError, match="not a plain .tar.*unpack it into a folder"):
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


# ---- the cache


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("fits", [True, False])
def test_what_was_decoded_once_is_not_decoded_again(
    tmp_path: Path, decoded: Decoded, monkeypatch: pytest.MonkeyPatch, own_cache: Path, fits: bool
) -> None:
    monkeypatch.setattr(decoding, "IN_MEMORY", 2**28 if fits else 0)
    faces = folder_of(tmp_path / "faces", 20)
    want = small(faces, size=4).x
    decoded.clear()
    for times in (20, 0):
        x = folder(faces, size=4).x
        np.testing.assert_array_equal(np.asarray(x), want)
        assert len(decoded) == times
        decoded.clear()
        del x
    [entry] = own_cache.iterdir()
    np.testing.assert_array_equal(np.load(entry / "x.npy"), want)  # as NumPy reads it
    assert len(folder(faces, size=5).x[:]) == len(decoded) == 20, "another size is decoded for itself"


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("change", ["content", "more", "name"])
def test_a_folder_that_changed_is_decoded_anew(tmp_path: Path, change: str) -> None:
    faces = folder_of(tmp_path / "faces", 5)
    np.asarray(folder(faces).x)
    first, about = faces / "000.png", (faces / "000.png").stat()
    if change == "content":  # of the same size, at the same time: as two archives without times are unpacked
        flat = np.zeros((6, 8, 3), np.uint8)
        content = encoded(flat)
        first.write_bytes(content + bytes(about.st_size - len(content)))
        os.utime(first, ns=(about.st_atime_ns, about.st_mtime_ns))
    elif change == "more":
        (faces / "zzz.png").write_bytes(encoded(picture()))
    else:
        first.rename(faces / "999.png")
    np.testing.assert_array_equal(np.asarray(folder(faces).x), small(faces).x)


@pytest.mark.usefixtures("large")
def test_a_folder_that_was_moved_is_known_again(tmp_path: Path, decoded: Decoded) -> None:
    np.asarray(folder(folder_of(tmp_path / "faces", 5)).x)
    (tmp_path / "faces").rename(tmp_path / "people")
    decoded.clear()
    assert len(np.asarray(folder(tmp_path / "people").x)) == 5 and not decoded


KILLED = """
import os, signal, sys, time
import numpy as np
from gankit.data import decoding, store, folder
decoding.IN_MEMORY = decoding.WORTH = store.BETWEEN = 0
pixels = decoding.Form.pixels
def slow(form, encoded, name):
    time.sleep(0.03)
    return pixels(form, encoded, name)
decoding.Form.pixels = slow
x = folder(sys.argv[1], workers=2).x
while not (notes := list(__import__("pathlib").Path(os.environ["GANKIT_CACHE"]).rglob("done"))):
    x[40:44]
    time.sleep(0.001)
while np.fromfile(notes[0], np.uint8).sum() < 30:
    time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.usefixtures("large")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_start_that_was_killed_goes_on_where_it_was(tmp_path: Path, decoded: Decoded, own_cache: Path) -> None:
    faces = folder_of(tmp_path / "faces", 200)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(faces)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    there = int(np.fromfile(next(own_cache.rglob("done")), np.uint8).sum())
    assert 30 <= there < 200
    x = np.asarray(folder(faces).x)
    assert len(decoded) == 200 - there, "what was missing, and no more"
    np.testing.assert_array_equal(x, small(faces).x)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("damage", ["shorter", "other header", "no note", "note of another length"])
def test_an_entry_that_is_not_whole_is_made_anew(tmp_path: Path, own_cache: Path, damage: str) -> None:
    faces = folder_of(tmp_path / "faces", 6)
    want = np.array(folder(faces).x)
    [entry] = own_cache.iterdir()
    match damage:
        case "shorter":
            os.truncate(entry / "x.npy", 200)
        case "other header":
            (entry / "x.npy").write_bytes(bytes((entry / "x.npy").stat().st_size))
        case "no note":
            (entry / "done").unlink()
        case _:
            (entry / "done").write_bytes(b"\1\1")
    np.testing.assert_array_equal(np.asarray(folder(faces).x), want)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("how", ["keyword", "variable", "limit", "read-only"])
def test_without_a_cache_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path, how: str
) -> None:
    faces = folder_of(tmp_path / "faces", 6)
    match how:
        case "variable":
            monkeypatch.setenv("GANKIT_CACHE", "off")
        case "limit":
            monkeypatch.setenv("GANKIT_CACHE_LIMIT", "100")
        case "read-only":
            (tmp_path / "file").write_text("")
            monkeypatch.setenv("GANKIT_CACHE", str(tmp_path / "file"))
    with pytest.warns(cache.CacheWarning, match="GANKIT_CACHE_LIMIT=1GB") if how == "limit" else nullcontext():
        data = folder(faces, cache=how != "keyword")
    np.testing.assert_array_equal(np.asarray(data.x), small(faces).x)
    assert not own_cache.exists()


def test_a_few_pictures_are_not_worth_a_place(tmp_path: Path, own_cache: Path) -> None:
    assert len(folder(folder_of(tmp_path / "faces", 6))) == 6 and not own_cache.exists()


@pytest.mark.usefixtures("large")
@pytest.mark.skipif(cache.fcntl is None, reason="no locks here")
def test_room_is_made_by_what_was_used_longest_ago_and_is_not_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    sets = [folder_of(tmp_path / f"faces-{i}", 6) for i in range(5)]
    made: dict[int, str] = {}

    def opened(i: int) -> Any:
        before = {each.name for each in own_cache.iterdir()} if own_cache.exists() else set()
        data = folder(sets[i], size=64)
        np.asarray(data.x)
        made.setdefault(i, next(iter({each.name for each in own_cache.iterdir()} - before), ""))
        time.sleep(0.02)
        return data

    used = opened(0)
    for i in (1, 2, 1):
        opened(i)
    one = cache.taken(own_cache / made[0])
    monkeypatch.setenv("GANKIT_CACHE_LIMIT", str(3 * one + one // 2))
    opened(3)
    assert {each.name for each in own_cache.iterdir()} == {made[i] for i in (0, 1, 3)}, "2 was used longest ago"
    monkeypatch.setenv("GANKIT_CACHE_LIMIT", str(one + one // 2))
    opened(4)
    assert {each.name for each in own_cache.iterdir()} == {made[i] for i in (0, 4)}, "0 is in use"
    assert len(np.asarray(used.x)) == 6


@pytest.mark.parametrize("size", ["many", "5 apples", "-1"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("GANKIT_CACHE_LIMIT", size)
    with pytest.raises(ConfigError, match=r"GANKIT_CACHE_LIMIT.*50GB"):
        cache.limit()


@pytest.mark.parametrize(
    ("size", "want"), [("500MB", 5 * 10**8), ("1.5 g", 15 * 10**8), ("7", 7), ("2TiB", 2 * 10**12)]
)
def test_limits_are_read_as_people_write_them(monkeypatch: pytest.MonkeyPatch, size: str, want: int) -> None:
    monkeypatch.setenv("GANKIT_CACHE_LIMIT", size)
    assert cache.limit() == want


@pytest.mark.usefixtures("large")
def test_a_disk_without_room_is_told_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = folder_of(tmp_path / "faces", 6)
    monkeypatch.setattr(decoding.shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(DataError, match=r"6 pictures .*GANKIT_CACHE=.*TMPDIR"):
        folder(faces)


# ---- what cannot be read


@pytest.mark.usefixtures("large")
def test_a_broken_picture_is_named_when_it_is_found(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 30, broken=(17,))
    x = folder(faces, size=4, workers=1).x
    with pytest.raises(DataError, match=r"017\.png cannot be read as an image.*--skip-broken"):
        np.asarray(x)
    with pytest.raises(DataError, match=r"017\.png"):  # and from then on: a run does not go on beside it
        x[:2]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    "order", [range(30), range(29, -1, -1), [4, 3, 19, *range(30)]], ids=["on", "back", "broken first"]
)
def test_the_next_whole_picture_of_its_class_stands_in_for_a_broken_one(tmp_path: Path, order: Any) -> None:
    """So the number of examples, their order and what is seen do not hang on what is found when."""
    faces = folder_of(tmp_path / "faces", 30, classes=3, broken=(3, 4, 19))
    data = open_data(f"{faces}@4+skip-broken")
    assert len(data) == 30 and data.labels is not None and data.labels.tolist() == [i // 10 for i in range(30)]
    rows = list(order)
    instead = {3: 5, 4: 5, 19: 10}
    want = {name: row for row, name in enumerate(r for r in range(30) if r not in instead)}
    plain = small(f"{faces}@4+skip-broken").x
    np.testing.assert_array_equal(data.x[rows], plain[[want[instead.get(row, row)] for row in rows]])
    assert [line.split(":")[0] for line in data.skipped] == ["class-0/003.png", "class-0/004.png", "class-1/019.png"]
    np.testing.assert_array_equal(data.x[2:6], plain[[2, 3, 3, 3]])


@pytest.mark.usefixtures("large")
def test_a_class_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 9, classes=3, broken=(3, 4, 5))
    with pytest.raises(DataError, match="all 3 of its class are"):
        np.asarray(open_data(f"{faces}@4+skip-broken").x)


@pytest.mark.usefixtures("large")
def test_another_size_is_told_with_both_names_when_it_is_found(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 30)
    (faces / "020.png").write_bytes(encoded(picture(5, 5)))
    with pytest.raises(DataError, match=r"000\.png is 6x8 and .*020\.png is 5x5.*size=5|size=6"):
        np.asarray(folder(faces).x)


def paired(path: Path, *, broken: tuple[int, ...] = (), halves: bool = False, n: int = 8) -> Path:
    for i in range(n):
        a, b = picture(6, 6), picture(6, 6, 1)
        files = {"": np.concatenate([a, b.repeat(3, -1)], 1)} if halves else {"A": a, "B": b}
        for side, pixels in files.items():
            (path / side).mkdir(parents=True, exist_ok=True)
            bad = i in broken and side in ("", "A" if i % 2 else "B")
            (path / side / f"{i}.png").write_bytes(encoded(pixels)[: 40 if bad else None])
    return path


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("halves", [False, True])
def test_pairs_stay_together_whatever_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazily: bool, halves: bool
) -> None:
    if lazily:
        monkeypatch.setattr(decoding, "IN_MEMORY", 0)
        monkeypatch.setattr(decoding, "WORTH", 0)
    path = paired(tmp_path / "p", broken=(2, 5), halves=halves)
    kind = "halves" if halves else "pairs"
    with pytest.raises(DataError, match=r"(?s)[25]\.png cannot be read.*--skip-broken"):
        np.asarray(open_data(f"{kind}:{path}").x)
    data = open_data(f"{kind}:{path}+skip-broken")
    rows = [0, 1, 3, 3, 4, 6, 6, 7] if lazily else [0, 1, 3, 4, 6, 7]
    for array, side in ((data.given["image"], 0), (data.x, 1)):
        for got, row in zip(np.asarray(array), rows, strict=True):
            if halves:
                want = np.asarray(Image.open(path / f"{row}.png"))[:, 6 * side : 6 * side + 6]
            else:
                want = np.asarray(Image.open(path / "AB"[side] / f"{row}.png")).reshape(6, 6, -1)
            np.testing.assert_array_equal(got, want)
    assert [line.split(":")[0] for line in data.skipped] == ["2.png", "5.png"] and can_reopen(data.name)


def test_both_of_a_pair_are_mirrored(tmp_path: Path) -> None:
    plain, data = pairs(paired(tmp_path / "p")), pairs(tmp_path / "p", flip=True)
    for x, y in ((plain.x, data.x), (plain.given["image"], data.given["image"])):
        np.testing.assert_array_equal(y, np.concatenate([x, x[:, :, ::-1]]))


# ---- what a run remembers of it


def touched(file: Path) -> None:
    os.utime(file, ns=(1, 1))


def exchanged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-20] ^= 255
    file.write_bytes(bytes(content))
    os.utime(file, ns=(2, 2))


CHANGES: list[tuple[Callable[[Path], Any], list[str]]] = [
    (touched, []),
    (exchanged, ["sha256"]),
    (lambda file: file.write_bytes(b"shorter"), ["bytes", "listing"]),
    (lambda file: file.rename(file.with_name("zzz.png")), ["listing"]),
    (lambda file: file.unlink(), ["files", "bytes", "listing"]),
]


@pytest.mark.parametrize(("change", "want"), CHANGES, ids=["touched", "exchanged", "shorter", "renamed", "gone"])
def test_exchanged_data_is_noticed_in_a_folder_of_very_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], Any], want: list[str]
) -> None:
    monkeypatch.setattr("gankit.data.fingerprint.MANY", 3)
    faces = folder_of(tmp_path / "faces", 6)
    name = f"{faces}@4"
    noted = fingerprint(name)
    assert noted is not None and noted.keys() == {"files", "bytes", "listing", "times"}
    assert changes(name, noted) == [] and changes(name, {**noted, "sha256": contents(name)}) == []
    whole = {**noted, "sha256": contents(name)}
    change(faces / "003.png")
    assert [line.split(":")[0] for line in changes(name, whole)] == want


def test_small_folders_are_told_apart_as_they_always_were(tmp_path: Path) -> None:
    """By names, sizes and the first bytes, in the order of the paths: as run folders have it."""
    faces = folder_of(tmp_path / "faces", 6, classes=2)
    (faces / "class-0 b.png").write_bytes(RNG.bytes(40_000))
    digest = hashlib.sha256()
    for file in sorted(each for each in faces.rglob("*") if each.is_file()):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(faces).as_posix()}\0{len(content)}\0".encode() + content[: 2**14])
    found = fingerprint(f"{faces}@4+pad")
    assert found is not None and found["files"] == 7 and found["sha256"] == digest.hexdigest()


def test_what_runs_of_before_noted_of_a_folder_still_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = folder_of(tmp_path / "faces", 6)
    before = fingerprint(f"{faces}@4")
    assert before is not None and before.keys() == {"files", "bytes", "sha256"}
    monkeypatch.setattr("gankit.data.fingerprint.MANY", 3)
    assert changes(f"{faces}@4+skip-broken", before) == []
    exchanged(faces / "003.png")
    assert [line.split(":")[0] for line in changes(f"{faces}@4", before)] == ["sha256"]
