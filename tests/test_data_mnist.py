"""MNIST from a folder or a mirror: the right rows, whole files, and words when there is neither.

The real files are read from $GANKIT_DATA; no test uses the network.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gankit.data import mnist
from gankit.errors import DataError

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def real_folder() -> Path:
    root = os.environ.get("GANKIT_DATA", "")
    folder = next((f for f in (Path(root, "mnist"), Path(root)) if root and any(f.glob("train-images-idx3*"))), None)
    if folder is None and os.environ.get("CI"):
        pytest.fail("CI must have MNIST: set GANKIT_DATA to a folder with mnist/train-images-idx3-ubyte.gz")
    if folder is None:
        pytest.skip("set GANKIT_DATA to a folder with mnist/train-images-idx3-ubyte.gz")
    return folder


@pytest.fixture
def no_pooch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[str], str]], list[dict[str, Any]]]:
    """Put `answer(url)` in the place of every download; returns the list of requests made."""

    def install(answer: Callable[[str], str]) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = []

        def retrieve(url: str, **settings: Any) -> str:
            requests.append({"url": url, **settings})
            return answer(url)

        pooch = SimpleNamespace(retrieve=retrieve, os_cache=lambda name: tmp_path / "cache" / name)
        monkeypatch.setitem(sys.modules, "pooch", pooch)
        return requests

    monkeypatch.delenv("GANKIT_DATA", raising=False)
    return install


def write_test_part(folder: Path, images: int = 10_000, labels: int = 10_000, zipped: bool = False) -> Path:
    """Files of the shape of MNIST's test part, all zeros."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, shape in ((IMAGES, (images, 28, 28)), (LABELS, (labels,))):
        content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(int(np.prod(shape)))
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content, 1) if zipped else content)
    return folder


def test_the_training_images_are_the_well_known_ones(real_folder: Path) -> None:
    path = next(real_folder.glob("train-images-idx3-ubyte*"))
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert hashlib.md5(content).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"


def test_train_and_validation_are_the_first_50000_and_last_10000_of_full(real_folder: Path) -> None:
    full, train, validation = (mnist.load(split) for split in ("full", "train", "validation"))
    assert (len(full), len(train), len(validation)) == (60_000, 50_000, 10_000)
    np.testing.assert_array_equal(np.concatenate([train.x, validation.x]), full.x)
    assert train.labels is not None and validation.labels is not None and full.labels is not None
    np.testing.assert_array_equal(np.concatenate([train.labels, validation.labels]), full.labels)


def test_images_are_uint8_nhwc_with_int64_labels_in_the_published_order(real_folder: Path) -> None:
    train, test = mnist.load(), mnist.load("test")
    assert train.x.dtype == np.uint8 and train.shape == (28, 28, 1)
    assert train.labels is not None and train.labels.dtype == np.int64
    assert (train.num_classes, train.value_range, train.name) == (10, (0, 255), "mnist")
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels is not None and test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert len(test) == 10_000


def test_an_unknown_split_names_the_four() -> None:
    with pytest.raises(DataError, match="'full', 'test', 'train', 'validation'. Did you mean 'validation'"):
        mnist.load("valid")


@pytest.mark.parametrize("subfolder", ["mnist", "."])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_of_the_users_is_read_without_pooch_and_only_the_files_of_the_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pooch: None, subfolder: str, zipped: bool
) -> None:
    write_test_part(tmp_path / subfolder, zipped=zipped)  # there is no training file at all
    monkeypatch.setenv("GANKIT_DATA", str(tmp_path))
    assert len(mnist.load("test")) == 10_000


def test_fewer_labels_than_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_test_part(tmp_path, labels=9_999)
    monkeypatch.setenv("GANKIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=rf"{LABELS}: expected MNIST's shape \(10000,\) of uint8; found \(9999,\)"):
        mnist.load("test")


def test_half_a_folder_is_not_completed_with_files_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (write_test_part(tmp_path / "mnist") / LABELS).unlink()
    monkeypatch.setenv("GANKIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"half of MNIST: {LABELS}"):
        mnist.load("test")


def test_without_folder_and_pooch_both_ways_out_are_named(monkeypatch: pytest.MonkeyPatch, no_pooch: None) -> None:
    monkeypatch.delenv("GANKIT_DATA", raising=False)
    with pytest.raises(DataError, match=r"pip install 'gankit\[fetch\]'.*set GANKIT_DATA.*mnist/train-images-idx3"):
        mnist.load()


def test_the_second_mirror_is_asked_when_the_first_fails(tmp_path: Path, mirrors: Any) -> None:
    served = write_test_part(tmp_path / "served", zipped=True)

    def answer(url: str) -> str:
        if "ossci" in url:
            raise ConnectionError("down")
        return str(served / url.rpartition("/")[2])

    requests = mirrors(answer)
    assert len(mnist.load("test")) == 10_000
    assert [request["url"].rpartition("/")[0] + "/" for request in requests] == list(mnist.MIRRORS) * 2


def test_downloads_are_checked_by_sha256_and_cached_under_one_name_for_all_mirrors(
    tmp_path: Path, mirrors: Any
) -> None:
    served = write_test_part(tmp_path / "served", zipped=True)
    requests = mirrors(lambda url: str(served / url.rpartition("/")[2]))
    mnist.load("test")
    for request, name in zip(requests, (f"{IMAGES}.gz", f"{LABELS}.gz"), strict=True):
        assert request["fname"] == name
        assert request["known_hash"] == f"sha256:{mnist.SHA256[name]}"
        assert request["path"] == tmp_path / "cache" / "gankit" / "mnist"


def test_when_all_fails_the_error_tells_what_each_mirror_said_and_where_the_folder_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirrors: Any
) -> None:
    def answer(url: str) -> str:
        raise ValueError("wrong checksum") if "ossci" in url else ConnectionError("down")

    mirrors(answer)
    monkeypatch.setenv("GANKIT_DATA", str(tmp_path))
    with pytest.raises(DataError) as raised:
        mnist.load("test")
    for part in ("ossci", "wrong checksum", "cvdf", "down", "GANKIT_DATA is set", str(tmp_path / "mnist")):
        assert part in str(raised.value)
