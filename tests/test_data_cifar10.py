"""CIFAR-10 from its official archives: the right pixels, whole files, and nothing that a pickle asks for is run.

The archives here are small ones of the official layout, made by hand; no test uses the network.
"""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.data import cifar10, open_data
from gankit.errors import DataError

N = 20
RNG = np.random.default_rng(0)
NAMES = (*cifar10.TRAIN, "test_batch")
IMAGES = {name: RNG.integers(0, 256, (N, 32, 32, 3), dtype=np.uint8) for name in NAMES}
LABELS = {name: RNG.integers(0, 10, N) for name in NAMES}
TRAIN_X = np.concatenate([IMAGES[name] for name in cifar10.TRAIN])
TRAIN_Y = np.concatenate([LABELS[name] for name in cifar10.TRAIN])


def planes(images: Array) -> Array:
    """(n, 3072): red, then green, then blue, each row by row."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), 3072)


def binary(name: str) -> bytes:
    return np.concatenate([LABELS[name][:, None].astype(np.uint8), planes(IMAGES[name])], axis=1).tobytes()


def py2_string(content: bytes) -> bytes:
    short = len(content) < 256
    return (b"U" + struct.pack("<B", len(content)) if short else b"T" + struct.pack("<i", len(content))) + content


def python2(name: str, labels: Any = None, dtype: bytes = b"u1", pixels: bytes | None = None) -> bytes:
    """The pickle of Python 2 and its NumPy, opcode by opcode, as the official files begin: no newer one writes it."""
    numbers = LABELS[name].tolist() if labels is None else labels
    pixels = planes(IMAGES[name]).tobytes() if pixels is None else pixels
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01M" + struct.pack("<H", N) + b"M\x00\x0c\x86"
        b"cnumpy\ndtype\n" + py2_string(dtype) + b"K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + py2_string(pixels) + b"tb"
    )
    listed = b"](" + b"".join(b"K" + bytes([number]) for number in numbers) + b"e"
    return (
        b"\x80\x02}(" + py2_string(b"batch_label") + py2_string(b"training batch 1 of 5")
        + py2_string(b"labels") + listed + py2_string(b"data") + array + b"u."
    )  # fmt: skip


CONTENT = {cifar10.BINARY: binary, cifar10.PYTHON: python2}


def unpacked(folder: Path, form: cifar10.Form, **replaced: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / (name + form.suffix)).write_bytes(replaced.get(name, CONTENT[form](name)))
    return folder


def packed(path: Path, form: cifar10.Form, mode: str = "w:gz", **replaced: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in ("readme.html", *NAMES):
            content = (
                b"<html>"
                if name == "readme.html"
                else replaced.get(name, CONTENT[form](name) if name in NAMES else b"")
            )
            member = tarfile.TarInfo(f"{form.folder}/{name}{form.suffix if name in NAMES else ''}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(params=[cifar10.BINARY, cifar10.PYTHON], ids=["binary", "python"])
def form(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 20 records instead of 10,000, checked as strictly."""
    monkeypatch.setattr(cifar10, "RECORDS", N)
    monkeypatch.delenv("GANKIT_DATA", raising=False)


@pytest.mark.parametrize("where", ["cifar10/archive", "archive", "cifar10/folder", "folder", "cifar10"])
def test_every_official_form_is_found_and_gives_the_same_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: None, form: cifar10.Form, where: str
) -> None:
    monkeypatch.setenv("GANKIT_DATA", str(tmp_path))
    if "archive" in where:
        packed(tmp_path / where.replace("archive", form.archive), form)
    else:
        unpacked(tmp_path / where.replace("folder", form.folder), form)
    train, validation, full, test = (open_data("cifar10", split=s) for s in ("train", "validation", "full", "test"))
    assert (len(train), len(validation), len(full), len(test)) == (90, 10, 100, 20)
    assert (train.num_classes, train.value_range, train.name, train.shape) == (10, (0, 255), "cifar10", (32, 32, 3))
    np.testing.assert_array_equal(full.x, TRAIN_X)
    np.testing.assert_array_equal(train.x, TRAIN_X[:90])
    np.testing.assert_array_equal(validation.x, TRAIN_X[90:])
    np.testing.assert_array_equal(test.x, IMAGES["test_batch"])
    assert full.labels is not None and train.labels is not None and validation.labels is not None
    assert full.labels.dtype == np.int64
    np.testing.assert_array_equal(full.labels, TRAIN_Y)
    np.testing.assert_array_equal(np.concatenate([train.labels, validation.labels]), TRAIN_Y)


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "mine.tgz", "mine.tar"])
def test_the_path_of_an_archive_or_folder_is_data(tmp_path: Path, small: None, form: cifar10.Form, name: str) -> None:
    path = packed(tmp_path / name, form, "w" if name.endswith(".tar") else "w:gz")
    data = open_data(str(path), split="test")
    np.testing.assert_array_equal(data.x, IMAGES["test_batch"])
    assert data.name == name and sorted(os.listdir(tmp_path)) == [name]  # nothing is unpacked
    np.testing.assert_array_equal(open_data(unpacked(tmp_path / "here", form)).x, TRAIN_X[:90])


def test_real_files_have_10000_records_and_are_split_at_45000(tmp_path: Path) -> None:
    assert cifar10.RECORDS == 10_000
    with pytest.raises(DataError, match="expected 30,730,000 bytes; found 61,460"):
        open_data(packed(tmp_path / "cifar-10-binary.tar.gz", cifar10.BINARY))
    with pytest.raises(DataError, match="expected 10,000 images of 3,072 bytes"):
        open_data(packed(tmp_path / "cifar-10-python.tar.gz", cifar10.PYTHON))


class Evil:
    """What a pickle can do."""

    def __init__(self, ask: Callable[..., Any], *arguments: Any) -> None:
        self.ask, self.arguments = ask, arguments

    def __reduce__(self) -> Any:
        return self.ask, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("place", ["alone", "inside"])
def test_a_pickle_that_asks_for_anything_else_is_refused_and_not_run(
    tmp_path: Path, small: None, protocol: int, place: str
) -> None:
    evil: Any = Evil(os.mkdir, str(tmp_path / "run"))
    content = pickle.dumps(evil if place == "alone" else [1, {2: evil}], protocol=protocol)
    for path in (
        packed(tmp_path / "a.tar.gz", cifar10.PYTHON, test_batch=content),
        unpacked(tmp_path / "folder", cifar10.PYTHON, test_batch=content),
    ):
        with pytest.raises(DataError, match=r"asks for .*mkdir, which no CIFAR-10 file does; nothing was run"):
            open_data(path, split="test")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name",
    [b"builtins\neval", b"__builtin__\neval", b"numpy\nload", b"numpy\nfromfile", b"numpy.core.multiarray\nscalar",
     b"numpy\nndarray.tofile", b"builtins\ngetattr", b"_codecs\nencode"],
)  # fmt: skip
def test_no_other_global_can_be_named(small: None, name: bytes) -> None:
    with pytest.raises(DataError, match="nothing was run"):
        cifar10.unpickled("x", b"\x80\x02c" + name + b"\n(U\x01atR.")


def test_what_a_pickle_does_to_the_stand_ins_does_not_last(small: None) -> None:
    setattr_on_class = b"\x80\x02cnumpy\nndarray\n(N}U\x0c__setstate__K\x01stb."
    with pytest.raises(Exception):  # noqa: B017  whatever: only what comes after matters
        cifar10.unpickled("x", setattr_on_class).array()
    images, _ = cifar10._parse_pickle("x", python2("test_batch"))
    np.testing.assert_array_equal(images, IMAGES["test_batch"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        python2("test_batch")[:-500],
        python2("test_batch", dtype=b"O"),
        python2("test_batch", dtype=b"i8"),
        python2("test_batch", pixels=bytes(3072)),
        python2("test_batch", labels=[0] * (N - 1)),
        python2("test_batch", labels=[10] * N),
        pickle.dumps({b"data": [], b"labels": []}, protocol=4),
        pickle.dumps([], protocol=2),
    ],
    ids=[
        "empty",
        "garbage",
        "cut",
        "objects",
        "wrong-dtype",
        "few-pixels",
        "few-labels",
        "label-10",
        "no-array",
        "list",
    ],
)
def test_a_damaged_pickle_is_a_data_error_that_names_it(tmp_path: Path, small: None, content: bytes) -> None:
    with pytest.raises(DataError, match=r"test_batch: expected .*Delete the file and download it again"):
        open_data(packed(tmp_path / "a.tar.gz", cifar10.PYTHON, test_batch=content), split="test")


@pytest.mark.parametrize("content", [binary("test_batch")[:-1], binary("test_batch") + b"\0", b"\x0a" * 3073 * N, b""])
def test_a_damaged_binary_file_is_a_data_error_that_names_it(tmp_path: Path, small: None, content: bytes) -> None:
    for path in (
        packed(tmp_path / "a.tar.gz", cifar10.BINARY, test_batch=content),
        unpacked(tmp_path / "folder", cifar10.BINARY, test_batch=content),
    ):
        with pytest.raises(DataError, match=r"test_batch\.bin: expected (61,460 bytes|labels from 0 to 9); found"):
            open_data(path, split="test")


def test_an_archive_cut_short_or_altered_is_noticed_wherever_it_is(
    tmp_path: Path, small: None, form: cifar10.Form
) -> None:
    whole = packed(tmp_path / "whole.tar.gz", form).read_bytes()
    for cut in (10, 1000, len(whole) // 2, len(whole) - 100, len(whole) - 4):
        path = tmp_path / "cut.tar.gz"
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="cut.tar.gz"):
            open_data(path)
    path.write_bytes(whole[:-8] + b"\0\0\0\0" + whole[-4:])  # gzip's checksum of what was packed
    with pytest.raises(DataError, match="CRC"):
        open_data(path)


def test_members_that_are_links_or_lie_elsewhere_are_not_followed(tmp_path: Path, small: None) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(binary("test_batch"))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("cifar-10-batches-bin/test_batch.bin", tarfile.SYMTYPE),
            ("../test_batch.bin", tarfile.LNKTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(secret)
            archive.addfile(member)
    with pytest.raises(DataError, match=r"a\.tar lacks CIFAR-10's test_batch"):
        open_data(tmp_path / "a.tar", split="test")


def test_an_archive_that_swells_without_end_is_given_up(tmp_path: Path, small: None) -> None:
    bomb = tarfile.TarInfo("cifar-10-batches-bin/readme.html")
    bomb.size = 50_000_000
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(bomb.tobuf())
        file.write(bytes(bomb.size))
    with pytest.raises(DataError, match="at most 655,360 bytes inside; found more"):
        open_data(tmp_path / "a.tar.gz")


def test_an_incomplete_archive_or_folder_names_what_it_lacks(tmp_path: Path, small: None, form: cifar10.Form) -> None:
    folder = unpacked(tmp_path / form.folder, form)
    (folder / f"data_batch_3{form.suffix}").unlink()
    with pytest.raises(DataError, match=r"lacks CIFAR-10's data_batch_3.*cifar-10-batches-py/data_batch_1.*Download"):
        open_data(folder)
    assert len(open_data(folder, split="test")) == N
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as archive:
        archive.add(folder / f"test_batch{form.suffix}", "something/else")
    with pytest.raises(DataError, match=r"other\.tar\.gz lacks CIFAR-10's data_batch_1, .*official archives"):
        open_data(tmp_path / "other.tar.gz")


def test_a_missing_archive_and_an_unknown_split_say_what_to_do(tmp_path: Path, small: None) -> None:
    with pytest.raises(DataError, match=r"does not exist. Download it from https://www.cs.toronto.edu"):
        open_data(tmp_path / "cifar-10-python.tar.gz")
    with pytest.raises(DataError, match="'full', 'test', 'train', 'validation'. Did you mean 'validation'"):
        open_data("cifar10", split="valid")


def test_without_a_folder_the_binary_archive_is_downloaded_and_checked_by_its_md5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: None
) -> None:
    served = packed(tmp_path / "served.tar.gz", cifar10.BINARY)
    asked: list[Any] = []

    def retrieve(url: str, **settings: Any) -> str:
        asked.append((url, settings))
        return str(served)

    monkeypatch.setitem(sys.modules, "pooch", SimpleNamespace(retrieve=retrieve, os_cache=lambda name: tmp_path / name))
    assert len(open_data("cifar10")) == 90
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    settings = {"known_hash": "md5:c32a1d4ab5d03f1284b67883e8d87530", "fname": "cifar-10-binary.tar.gz"}
    assert asked == [(url, {**settings, "path": tmp_path / "gankit" / "cifar10"})]


def test_without_folder_and_pooch_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch, small: None) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"pip install 'gankit\[fetch\]'.*set GANKIT_DATA.*cifar-10-binary\.tar\.gz or"):
        cifar10.load()


def test_4000_real_images_open_as_a_file() -> None:
    path = Path(os.environ.get("GANKIT_DATA", ""), "cifar10", "cifar10_lossless4k.npz")
    if not path.is_file():
        # CI has the file, so there its absence is a failure
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "set GANKIT_DATA to a folder with cifar10/cifar10_lossless4k.npz"
        )
    data = open_data(path, num_classes=10)
    assert data.x.shape == (4000, 32, 32, 3) and data.value_range == (0, 255)
    assert data.labels is not None and data.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
