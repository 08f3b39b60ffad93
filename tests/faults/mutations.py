"""Mutations of a checkpoint that know its structure: of values in its header, of its table, of arrays, of bytes."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 10**9, 2**31, 2**53, 2**63, 2**70, 10**30, -(2**63), 0.0, -0.5, 1.5, 1e38, 1e308,
    float("nan"), float("inf"), float("-inf"), "", "zz", "0", "1e5", "float64", "object", "V8", "<U8", "mlp", "torch",
    "\u0000", "\ud800", "../../etc/passwd", "\x1b[2J", "a" * 5000, "ä̈", [], [[]], [0], [-1], [1, 2, 3], [10**9],
    [10**9, 10**9], ["a"], [None], {}, {"name": "mlp"}, {"name": None}, {"name": "adam", "lr": "x"}, {"": 0},
    {"schedule": "ramp"}, {"half_life": 0}, [{"name": "r1"}] * 3, "__import__('os')", "os:system",
)  # fmt: skip


class File:
    """A checkpoint taken apart: its table, its header, its bytes."""

    def __init__(self, content: bytes) -> None:
        length = int.from_bytes(content[:8], "little")
        self.table: dict[str, Any] = json.loads(content[8 : 8 + length])
        self.meta: Any = json.loads(self.table.pop("__metadata__")["gankit"])
        self.payload = content[8 + length :]

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        kinds = {"F32": "<f4", "F64": "<f8"}
        return {
            name: np.frombuffer(self.payload[slice(*e["data_offsets"])], kinds[e["dtype"]]).reshape(e["shape"]).copy()
            for name, e in self.table.items()
        }

    def with_arrays(self, arrays: dict[str, np.ndarray[Any, Any]]) -> File:
        """The same header around other arrays."""
        names = {"f4": "F32", "f8": "F64", "f2": "F16", "i8": "I64", "u1": "U8", "b1": "BOOL", "i4": "I32"}
        other, at = copy.copy(self), 0
        other.table, parts = {}, []
        for name, array in arrays.items():
            parts.append(np.asarray(array, order="C").tobytes())
            other.table[name] = {
                "dtype": names[array.dtype.str[1:]], "shape": list(array.shape),
                "data_offsets": [at, at + array.nbytes],
            }  # fmt: skip
            at += array.nbytes
        other.payload = b"".join(parts)
        return other

    def content(self, seal: bool = True) -> bytes:
        """The file again, with a hash that fits it: whoever forges a header forges that as well."""
        metadata = {"gankit": json.dumps(self.meta)} | ({"sha256": "0" * 64} if seal else {})
        header = json.dumps({"__metadata__": metadata, **self.table}).encode()
        header += b" " * (-len(header) % 8)
        head = len(header).to_bytes(8, "little") + header
        digest = hashlib.sha256(head + self.payload).hexdigest().encode()
        return (head.replace(b"0" * 64, digest, 1) if seal else head) + self.payload


def mutated(content: bytes, draw: random.Random) -> bytes:
    """A checkpoint with one to three things wrong with it."""
    kind: Callable[[bytes, random.Random], bytes] = draw.choices(
        (of_header, of_table, of_arrays, of_bytes), weights=(6, 2, 2, 1)
    )[0]
    return kind(content, draw)


def of_header(content: bytes, draw: random.Random) -> bytes:
    file = File(content)
    for _ in range(draw.randint(1, 3)):
        file.meta = _changed(file.meta, draw)
    return file.content(draw.random() < 0.8)


def of_table(content: bytes, draw: random.Random) -> bytes:
    file = File(content)
    for _ in range(draw.randint(1, 2)):
        file.table = _changed(file.table, draw)
    return file.content(draw.random() < 0.8)


def of_arrays(content: bytes, draw: random.Random) -> bytes:
    file = File(content)
    arrays = file.arrays()
    name = draw.choice(sorted(arrays))
    array = arrays[name]
    change = draw.randrange(9)
    if change == 0:
        del arrays[name]
    elif change == 1:
        arrays[name] = array[None]
    elif change == 2:
        arrays[name] = array.reshape(-1)[:0]
    elif change == 3:
        arrays[name] = array.astype(draw.choice(("f2", "f4", "f8", "i8", "u1", "b1")))
    elif change == 4:
        array.reshape(-1)[: draw.randint(1, 3)] = draw.choice((np.nan, np.inf, -np.inf, 0.0, 1e38))
    elif change == 5:
        arrays[name + draw.choice(("x", "/x", "\x1b[2J", "/../x"))] = array
    elif change == 6:
        for unit in [each for each in arrays if each.startswith("data/")]:
            arrays[unit] = np.full(arrays[unit].shape, draw.choice((np.nan, np.inf, 0.0, 1e300, -1.0)))
    elif change == 7:
        arrays[draw.choice(sorted(arrays))] = np.zeros((0, 2**40), "f4")
    else:
        arrays |= {f"x{i}": np.zeros(0, "f4") for i in range(draw.choice((1, 1000)))}
    return file.with_arrays(arrays).content(draw.random() < 0.8)


def of_bytes(content: bytes, draw: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        change, at = draw.randrange(4), draw.randrange(len(data))
        if change == 0:
            data[at] ^= 1 << draw.randrange(8)
        elif change == 1:
            del data[at : at + draw.randint(1, 64)]
        elif change == 2:
            data[at:at] = draw.randbytes(draw.randint(1, 16))
        else:
            data[:8] = draw.choice((0, 1, 2**20, 2**40, 2**63, len(data), len(data) - 8)).to_bytes(8, "little")
        if len(data) < 2:
            break
    return bytes(data)


def _changed(tree: Any, draw: random.Random) -> Any:
    """One value somewhere in a tree of tables and lists replaced, dropped, doubled, renamed or wrapped."""
    tree = copy.deepcopy(tree)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            places.append((node, key))
            walk(value)

    walk(tree)
    if not places:
        return draw.choice(HOSTILE)
    node, key = draw.choice(places)
    change = draw.randrange(8)
    if change == 0:
        del node[key]
    elif change == 1 and isinstance(node, dict):
        node[draw.choice((key + "x", "", "x" * 300, "\ud800", "name", "__class__"))] = node.pop(key)
    elif change == 2:
        node[key] = [node[key]]
    elif change == 3:
        value: Any = node[key]
        for _ in range(draw.choice((1, 40, 3000)) if draw.random() < 0.1 else 1):
            value = {"name": value}
        node[key] = value if _depth(value) < 900 else draw.choice(HOSTILE)
    elif change == 4 and isinstance(node[key], int | float) and not isinstance(node[key], bool):
        node[key] = node[key] * draw.choice((-1, 2, 10, 1000)) + draw.choice((-1, 0, 1))
    elif change == 5 and isinstance(node[key], list) and node[key]:
        node[key] = node[key] * draw.choice((2, 1000))
    else:
        node[key] = copy.deepcopy(draw.choice(HOSTILE))
    return tree


def _depth(value: Any) -> int:
    deep = 0
    while isinstance(value, dict) and value:
        value, deep = next(iter(value.values())), deep + 1
    return deep


def keep(folder: Path, number: int, content: bytes) -> None:
    """Keep a file that was not refused as it should be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.safetensors").write_bytes(content)
