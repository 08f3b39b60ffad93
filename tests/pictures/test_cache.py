"""What was decoded is kept, found again, and noticed when it changed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gankit.data import cache, decoding, folder
from gankit.data.fingerprint import changes, contents, fingerprint
from gankit.errors import ConfigError, DataError
from tests.pictures.making import RNG, Decoded, encoded, folder_of, picture, small

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
    with pytest.raises(DataError, match=r"6 decoded images .*GANKIT_CACHE=.*TMPDIR"):
        folder(faces)


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
