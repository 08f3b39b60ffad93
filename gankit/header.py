"""What a checkpoint's header says, looked at as data before anything is made of it: it may come from anybody."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.errors import (
    CapabilityError,
    CheckpointError,
    ConfigError,
    DamagedError,
    DeviceError,
    GankitError,
    MissingPartError,
    PluginError,
    UnknownNameError,
    UnplayableError,
)

Shape = tuple[int, ...]

MOST_STEPS, MOST_UPDATES = 2**53, 2**31 - 1
"""Frameworks count the updates of an optimizer in 32 bits."""
MOST_NUMBERS, MOST_CLASSES, MOST_DIMENSIONS, LONGEST_LIST = 2**31, 2**31, 8, 4096
LARGEST = 3.4e38
"""What float32, the smallest dtype that games compute in, can hold."""
DTYPES = ("uint8", "float16", "float32", "float64", "float128")
KINDS = ("class", "vector", "image", "part", "mask", "column", "chance")
NAME = re.compile(r"[A-Za-z0-9._:-]{1,100}")
"""Of roles, sources and conditions; they become parts of arrays' names."""


def check(path: Path, meta: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    """Raise DamagedError, naming what is wrong, unless the header of a game can be true of these arrays."""
    try:
        _whole("steps_done", meta.get("steps_done"), 0, MOST_STEPS)
        _text("backend", meta.get("backend"))
        _settings("config", _mapping("config", meta.get("config")))
        for role, count in _mapping("updates", meta.get("updates")).items():
            _text("updates", role)
            _whole(f"updates of {role}", count, 0, MOST_UPDATES)
        _data("data", _mapping("data", meta.get("data")), shapes)
    except ValueError as error:
        raise DamagedError(f"{path} has a damaged header: {error}.") from error


def check_units(path: Path, arrays: Mapping[str, Array]) -> None:
    """Raise DamagedError unless what maps examples to the user's units is finite, and can be undone."""
    for name, array in arrays.items():
        if name.startswith("data/") and not (
            array.dtype.kind == "f" and np.isfinite(array).all() and (np.all(array != 0) or not name.endswith("/scale"))
        ):
            raise DamagedError(f"{path} has damaged units: {name[:80]!r} holds what maps no example.")


@contextmanager
def of_the_file(path: Path, brought: bool = False) -> Iterator[None]:
    """What goes wrong while a game is made from a header is said of its file, as a CheckpointError.

    brought: whether modules of the user's own take part, whose errors are theirs.
    """
    try:
        yield
    except (CheckpointError, CapabilityError, DeviceError, PluginError):
        raise
    except UnknownNameError as error:
        raise MissingPartError(f"{path} needs a part that is not installed. {error}") from error
    except ConfigError as error:
        raise UnplayableError(f"{path} cannot be opened as a game. {error}") from error
    except GankitError as error:
        raise CheckpointError(f"{path} cannot be opened as a game. {error}") from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        if brought:
            raise
        raise DamagedError(f"{path} has a damaged header: {type(error).__name__}: {str(error)[:200]}.") from error


def _data(name: str, plain: Mapping[str, Any], shapes: Mapping[str, Shape], deep: int = 1) -> None:
    shape = _shape(f"{name}.shape", plain.get("shape"), 1)
    if (classes := plain.get("num_classes")) is not None:
        _whole(f"{name}.num_classes", classes, 1, MOST_CLASSES)
    prefix = name.replace(".", "/")
    _bounds(name, plain)
    _mapping_of_units(prefix, shapes, shape)
    given = _mapping(f"{name}.given", plain.get("given", {}))
    for condition, port in given.items():
        _text(f"{name}.given", condition)
        _port(f"{name}.given.{condition}", _mapping(f"{name}.given.{condition}", port))
    for condition, bounds in _mapping(f"{name}.units", plain.get("units", {})).items():
        if condition not in given:
            raise ValueError(f"{name}.units has {condition[:80]!r}, which is no condition")
        _bounds(f"{name}.units.{condition}", _mapping(f"{name}.units.{condition}", bounds))
        _mapping_of_units(f"{prefix}/given/{condition}", shapes, _shape("", given[condition]["shape"], 0))
    if "table" in plain:
        _table(f"{name}.table", _mapping(f"{name}.table", plain["table"]), shape)
    sources = _mapping(f"{name}.sources", plain.get("sources", {}))
    if sources and not deep:
        raise ValueError(f"{name} has sources of its own")
    for source, own in sources.items():
        _text(f"{name}.sources", source)
        _data(f"{name}.{source}", _mapping(f"{name}.{source}", own), shapes, deep - 1)


def _table(name: str, plain: Mapping[str, Any], shape: Shape) -> None:
    from gankit.data.tables.codec import Codec

    try:
        width = Codec.from_plain(plain).width
    except TypeError as error:
        raise ValueError(f"{name}: {str(error)[:200]}") from error
    if shape != (width,):
        raise ValueError(f"{name} makes rows of {width} numbers, and an example has shape {shape}")


def _port(name: str, port: Mapping[str, Any]) -> None:
    if port.get("kind") not in KINDS or not {"shape", "num_classes"} <= port.keys():
        raise ValueError(f"{name} is no condition")
    _shape(f"{name}.shape", port["shape"], 0 if port["kind"] == "class" else 1)
    if port["kind"] == "class" or port["num_classes"] is not None:
        _whole(f"{name}.num_classes", port["num_classes"], 1, MOST_CLASSES)


def _bounds(name: str, plain: Mapping[str, Any]) -> None:
    """The least and the greatest value of the user's units, and their dtype."""
    if not {"low", "high", "dtype"} <= plain.keys():
        raise ValueError(f"{name} does not say low, high and dtype")
    low, high = plain["low"], plain["high"]
    if (low, high) != (None, None) and not (_is_finite(low) and _is_finite(high) and low < high):
        raise ValueError(f"{name} runs from {_shown(low)} to {_shown(high)}")
    if plain["dtype"] not in DTYPES or (plain["dtype"] == "uint8" and low is None):
        raise ValueError(f"{name} has the dtype {_shown(plain['dtype'])}")
    least, most = (0, 255) if plain["dtype"] == "uint8" else (-LARGEST, LARGEST)
    if low is not None and not least <= low < high <= most:  # samples are clipped to it in the game's own dtype
        raise ValueError(f"{name} is {plain['dtype']} and runs from {_shown(low)} to {_shown(high)}")


def _mapping_of_units(prefix: str, shapes: Mapping[str, Shape], shape: Shape) -> None:
    for name in (f"{prefix}/offset", f"{prefix}/scale"):
        if name not in shapes:
            raise ValueError(f"the array {name[:80]!r} is not there")
        own = shapes[name]
        if len(own) > len(shape) + 1 or any(
            a not in (1, b) for a, b in zip(reversed(own), reversed((1, *shape)), strict=False)
        ):
            raise ValueError(f"the array {name[:80]!r} has shape {own}, an example {shape}")


def _settings(name: str, value: Any) -> None:
    """No list longer than anybody writes, and no number that is none."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _settings(f"{name}.{key[:40]}", item)
    elif isinstance(value, list):
        if len(value) > LONGEST_LIST:
            raise ValueError(f"{name[:200]} has {len(value):,} items")
        for item in value:
            _settings(name, item)
    elif isinstance(value, float) and math.isnan(value):
        raise ValueError(f"{name[:200]} is not a number")


def _shape(name: str, value: Any, least: int) -> Shape:
    """At least so many dimensions, of at least one number each."""
    good = isinstance(value, list) and least <= len(value) <= MOST_DIMENSIONS
    if not good or not all(type(n) is int and n >= 1 for n in value) or math.prod(value) > MOST_NUMBERS:
        raise ValueError(f"{name} is {_shown(value)}, which is no shape")
    return tuple(value)


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {_shown(value)}, and no table")
    return value


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name[:80]} is {_shown(value)}, and no whole number from {low} to {high}")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"{name} has {_shown(value)} for a name")


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
