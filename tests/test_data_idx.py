"""idx files are read exactly, and damaged or hostile ones refused in words, without allocating what they promise."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gankit.data.idx import DTYPES, read_idx
from gankit.errors import DataError

NUMBERS = np.arange(24).reshape(2, 3, 4)
MEBIBYTE = 1 << 20


def idx_bytes(array: np.ndarray[Any, Any], code: int = 0x08) -> bytes:
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(DTYPES[code]).tobytes()


def written(folder: Path, content: bytes, zipped: bool = False) -> Path:
    path = folder / "some-idx3-ubyte"
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


def peak_while_refusing(path: Path) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("code", DTYPES)
def test_every_idx_dtype_is_read_in_native_byte_order(tmp_path: Path, code: int, zipped: bool) -> None:
    array = read_idx(written(tmp_path, idx_bytes(NUMBERS, code), zipped))
    assert array.dtype == np.dtype(DTYPES[code]).newbyteorder("=") and array.dtype.isnative
    np.testing.assert_array_equal(array, NUMBERS)


def test_gzip_is_told_by_the_content_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "raw-despite-its-name.gz"
    path.write_bytes(idx_bytes(NUMBERS))
    np.testing.assert_array_equal(read_idx(path), NUMBERS)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "found an empty file"),
        (b"\0\0\x08", "found 00 00 08"),
        (b"PK\x03\x04 a zip archive", "expected the magic bytes 00 00.*found 50 4b 03 04"),
        (b"\0\0\x0a\x01\0\0\0\x01\0", "found 00 00 0a 01"),
        (b"\0\0\x08\x00", "found 00 00 08 00"),
        (b"\0\0\x08\x03\0\0\0\x02\0\0", "expected 12 bytes of shape for 3 axes; found 6"),
        (b"\0\0\x08\x02\0\0\0\0\xff\xff\xff\xff", "at least one entry along each axis"),
        (idx_bytes(NUMBERS)[:-1], r"expected 24 bytes of numbers, for shape \(2, 3, 4\) of uint8; found 23 bytes"),
        (idx_bytes(NUMBERS) + b"\0", "expected 24 bytes of numbers.*found (25 bytes|more bytes)"),
    ],
)
def test_each_fault_names_file_expectation_finding_and_remedy(
    tmp_path: Path, content: bytes, message: str, zipped: bool
) -> None:
    path = written(tmp_path, content, zipped)
    with pytest.raises(DataError, match=message) as raised:
        read_idx(path)
    assert str(raised.value).startswith(str(path))
    assert "Delete the file and download it again." in str(raised.value)


@pytest.mark.parametrize("lost", [1, 8, 20])
def test_a_gzip_stream_that_breaks_off_is_a_data_error(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(NUMBERS))[:-lost])
    with pytest.raises(DataError, match="readable idx file.*download it again"):
        read_idx(path)


@pytest.mark.parametrize("position", [2, 14, -6])
def test_a_flipped_byte_inside_gzip_is_a_data_error(tmp_path: Path, position: int) -> None:
    content = bytearray(gzip.compress(idx_bytes(NUMBERS)))
    content[position] ^= 0xFF
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="download it again"):
        read_idx(path)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist. Download it"):
        read_idx(tmp_path / "nowhere")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_header_that_promises_two_thousand_million_images_allocates_nothing(tmp_path: Path, zipped: bool) -> None:
    hostile = b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**32 - 1, 2**32 - 1) + b"\0" * 100
    assert peak_while_refusing(written(tmp_path, hostile, zipped)) < 2 * MEBIBYTE


def test_a_gzip_bomb_is_read_no_further_than_its_header_promises(tmp_path: Path) -> None:
    bomb = written(tmp_path, idx_bytes(NUMBERS) + b"\0" * (64 * MEBIBYTE), zipped=True)
    assert peak_while_refusing(bomb) < 2 * MEBIBYTE
