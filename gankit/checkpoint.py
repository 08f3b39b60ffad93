"""Checkpoints: one safetensors file with a JSON header, the whole state under canonical names. No pickle.

    generator/params/dense0/kernel          float, canonical layout
    generator/slots/first/dense0/kernel     optimizer slots, shaped like the parameters
    ema/dense0/kernel                       the moving average of G
    data/offset, data/scale                 the map to the user's units

A file is written aside, flushed to the disk, and renamed, so a name always holds a whole checkpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gankit.errors import CheckpointError

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

FORMAT = 1
SUFFIX = ".safetensors"


def write(path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    """Write or replace a checkpoint, atomically and durably."""
    # safetensors stores other layouts wrongly without a word; np.ascontiguousarray would turn 0-d into (1,)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    header = {"gankit": json.dumps({"format": FORMAT, **meta})}
    write_atomically(path, save(contiguous, metadata=header))


def write_atomically(path: Path, content: bytes) -> None:
    """The whole content under that name, or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(aside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    if os.name == "posix":  # the rename itself has to reach the disk
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """(arrays, header) of a checkpoint; raises CheckpointError unless the file is one, and whole."""
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get("gankit")
            if header is None:
                raise CheckpointError(
                    f"{path} is a safetensors file, but no gankit checkpoint: it has no game in its header."
                )
            meta = json.loads(header)
            if meta.get("format", 0) > FORMAT:
                raise CheckpointError(
                    f"{path} was written by gankit {meta.get('version')}, in format {meta['format']}; this gankit "
                    f"reads format {FORMAT}. Upgrade it: pip install -U gankit"
                )
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a whole checkpoint: {error}. It may have been cut short in copying."
        ) from error


def find(path: str | os.PathLike[str]) -> Path:
    """The checkpoint file meant by a path: the file, the path without its suffix, or a run folder's latest."""
    path = Path(path)
    if path.is_file():
        return path
    if path.is_dir():
        return latest(path)
    if with_suffix(path).is_file():
        return with_suffix(path)
    raise CheckpointError(
        f"There is no checkpoint at {path}: expected a {SUFFIX} file, or a run folder made by `gankit train`."
    )


def latest(run: Path) -> Path:
    """The last checkpoint of a run folder, or of the folder of checkpoints itself."""
    steps = sorted([*run.glob(f"checkpoints/step-*{SUFFIX}"), *run.glob(f"step-*{SUFFIX}")], key=step_of)
    if not steps:
        raise CheckpointError(f"{run} holds no checkpoint: expected {run / 'checkpoints'}/step-*{SUFFIX}.")
    return steps[-1]


def step_of(path: Path) -> int:
    """500 of `step-000500.safetensors`, or of `step-000500.png`."""
    digits = path.stem.removeprefix("step-")
    return int(digits) if digits.isdecimal() else -1


def with_suffix(path: Path) -> Path:
    """The path with `.safetensors` at its end."""
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def prefixed(prefix: str, arrays: Mapping[str, Array]) -> Arrays:
    """Every name behind `prefix/`."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def under(prefix: str, arrays: Mapping[str, Array]) -> Arrays:
    """The arrays whose names begin with `prefix/`, without it."""
    return {name.removeprefix(f"{prefix}/"): a for name, a in arrays.items() if name.startswith(f"{prefix}/")}


def require_same_leaves(path: Path, arrays: Mapping[str, Array], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError naming every array that is missing, unexpected or of another shape."""
    problems = list(_differences(arrays, expected))
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:8])
        more = f"\n  ... and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise CheckpointError(
            f"{path} belongs to another architecture than this game's:{shown}{more}\n"
            f"Open it as what it is with gankit.load({str(path)!r})."
        )


def _differences(arrays: Mapping[str, Array], expected: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for name in sorted(expected.keys() | arrays.keys()):
        if name not in arrays:
            yield f"{name}: not in the file; this game has it, {expected[name]}"
        elif name not in expected:
            yield f"{name}: in the file, {arrays[name].shape}; this game has no such array"
        elif arrays[name].shape != expected[name]:
            yield f"{name}: {arrays[name].shape} in the file, {expected[name]} in this game"
