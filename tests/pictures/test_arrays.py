"""A large folder is read as an array, decoded by whoever is free, and made into what was asked for."""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from gankit.arrays import Array
from gankit.config import Config
from gankit.data import decoding, folder, open_data
from gankit.data.asked import asked
from gankit.data.dataset import feature_mean, is_memory_mapped, scaling
from gankit.data.decoder import Decoder
from gankit.data.kept import InMemory
from gankit.data.lazy import Pictures
from gankit.data.sources import can_reopen, data_name
from gankit.data.store import Store
from gankit.errors import DataError
from gankit.parts.optimizers import Adam
from gankit.play.batches import Batches, Stock
from gankit.play.feed import Feed
from tests.pictures.making import RNG, Decoded, encoded, folder_of, packed, paired, picture, small, until

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
    with pytest.raises(DataError, match="class folders in all of them, or in none"):
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
