"""Checkpoints: one safetensors file with a JSON header, the whole state under canonical names. No pickle.

    generator/params/dense0/kernel          float, canonical layout
    generator/slots/first/dense0/kernel     optimizer slots, shaped like the parameters
    ema/dense0/kernel                       the moving average of G
    data/offset, data/scale                 the map to the user's units

A file is written aside, flushed to the disk, and renamed, so a name always holds a whole checkpoint; and it carries the
hash of its bytes, so that one damaged later is told from a whole one.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gankit import sealed
from gankit.arrays import Array
from gankit.disk import write_atomically as write_atomically
from gankit.errors import CheckpointError, DamagedError

Arrays = dict[str, Array]
Opened = tuple[Path, Arrays, dict[str, Any]]
"""(file, arrays, header)."""

FORMAT = 1
SUFFIX = ".safetensors"
MODEL = f"model{SUFFIX}"
"""The one checkpoint of a folder in the Hugging Face Hub's layout: see `gankit.exporting`."""
SEAL = sealed.SEAL
"""In a header that was read: the hash that the file was found to have; None in files from before there was one."""
TRIES = 20
"""How often a folder is looked through for a checkpoint while somebody removes the old ones."""


class CheckpointWarning(UserWarning):
    """Something about a checkpoint that was opened all the same."""


def write(path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    """Write or replace a checkpoint, atomically and durably. Raises OSError, naming the file.

    A header says `"finite": false` where some array is not.
    """
    header = {"format": FORMAT, **{key: value for key, value in meta.items() if key not in (SEAL, "finite")}}
    if not all(map(is_finite, arrays.values())):
        header["finite"] = False
    write_atomically(path, sealed.pieces(arrays, json.dumps(header)))


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """(arrays, header) of a checkpoint; raises CheckpointError unless the file is one, and whole."""
    try:
        arrays, metadata = sealed.read(path)
    except OSError as error:
        raise _unread(path, error) from error
    return arrays, _header(path, metadata)


def outline(path: Path) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """(header, shape of each array) of a checkpoint, of which only the first bytes are read."""
    try:
        found = sealed.outline(path)
    except OSError as error:
        raise _unread(path, error) from error
    return _header(path, found.metadata), found.shapes


def _unread(path: Path, error: OSError) -> CheckpointError:
    if isinstance(error, FileNotFoundError):
        return DamagedError(f"{path} is not there any more.")
    return DamagedError(f"{path} cannot be read: {error.strerror or error}.")


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if "gankit" not in metadata:
        raise CheckpointError(f"{path} is a safetensors file, but not a gankit checkpoint: its header has no game.")
    try:
        meta = sealed.loads(metadata["gankit"])
        if not isinstance(meta, dict) or type(meta.get("format", 0)) is not int:
            raise ValueError("it is no table with a format")
    except ValueError as error:
        raise DamagedError(f"{path} has a damaged header: {error}.") from error
    if meta.get("format", 0) > FORMAT:
        raise CheckpointError(
            f"{path} was written by gankit {str(meta.get('version'))[:40]}, in format {meta['format']}; this gankit "
            f"reads format {FORMAT}. Upgrade it: pip install -U gankit"
        )
    return {**meta, SEAL: metadata.get(SEAL)}


def is_finite(array: Array) -> bool:
    """Whether no number of an array is NaN or infinite."""
    if array.dtype.kind != "f" or not array.size:
        return True
    with np.errstate(all="ignore"):
        # The sum is not finite where a number is not; it may also be too great, and then each is looked at.
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def find(path: str | os.PathLike[str]) -> Path:
    """The checkpoint file meant by a path: the file, the path without its suffix, or a run's latest whole one."""
    return opened(path)[0] if Path(path).is_dir() else _file(Path(path))


def opened(
    path: str | os.PathLike[str], say: Callable[[str], None] | None = None
) -> tuple[Path, Arrays, dict[str, Any]]:
    """(file, arrays, header) of the checkpoint meant by a path. Of a run folder it is the latest that is whole; say is
    told, or a warning tells, which were passed over. Raises CheckpointError where there is none."""
    path = Path(path)
    if path.is_dir() and (path / MODEL).is_file() and not in_folder(path):
        path = path / MODEL
    if not path.is_dir():
        return (file := _file(path)), *read(file)
    for _ in range(TRIES):
        steps = in_folder(path)
        try:
            return newest(steps, say or _warn, path)
        except DamagedError:
            if all(step.exists() for step in steps):
                raise
    raise CheckpointError(f"{path} changes faster than it can be read. Try again.")


def in_folder(run: Path) -> list[Path]:
    """The checkpoints of a run folder, or in the folder of checkpoints itself, oldest first."""
    found = [*run.glob(f"checkpoints/step-*{SUFFIX}"), *run.glob(f"step-*{SUFFIX}")]
    return sorted((path for path in found if step_of(path) >= 0), key=step_of)


def none_in(folder: Path) -> CheckpointError:
    """What to raise where a run has no checkpoint."""
    return CheckpointError(
        f"{folder} has no checkpoint: expected {folder / 'checkpoints'}/step-*{SUFFIX}. To train it: gankit train "
        f"--out {folder}"
    )


def newest(steps: Sequence[Path], say: Callable[[str], None], folder: Path) -> Opened:
    """(file, arrays, header) of the last checkpoint that is whole, and what it says it is.

    Raises DamagedError when all are damaged, and CheckpointError when there is none, or one is of a format that this
    gankit does not know.
    """
    if not steps:
        raise none_in(folder)
    passed = list[str]()
    for path in reversed(steps):
        try:
            arrays, meta = read(path)
            if meta.get("steps_done", step_of(path)) != step_of(path):
                raise DamagedError(
                    f"{path} has the wrong step in its name: {str(meta['steps_done'])[:40]} steps were done."
                )
        except DamagedError as error:
            passed.append(str(error))
            continue
        for why in passed:
            say(f"{why} Falling back to the one before it, {path}.")
        return path, arrays, meta
    raise DamagedError(
        f"None of the checkpoints in {folder} can be read. Start over with --new.\n  " + "\n  ".join(passed[:8])
    )


def _file(path: Path) -> Path:
    for candidate in (path, with_suffix(path)):
        if candidate.exists() and not candidate.is_dir():
            return candidate
    raise CheckpointError(
        f"There is no checkpoint at {path}: expected a {SUFFIX} file, or a run folder made by `gankit train`."
    )


def _warn(text: str) -> None:
    warnings.warn(text, CheckpointWarning, stacklevel=4)


def step_of(path: Path) -> int:
    """500 of `step-000500.safetensors`, or of `step-000500.png`."""
    digits = path.stem.removeprefix("step-")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else -1


def with_suffix(path: Path) -> Path:
    """The path with `.safetensors` at its end."""
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def prefixed(prefix: str, arrays: Mapping[str, Array]) -> Arrays:
    """Every name behind `prefix/`."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def under(prefix: str, arrays: Mapping[str, Array]) -> Arrays:
    """The arrays whose names begin with `prefix/`, without it."""
    return {name.removeprefix(f"{prefix}/"): a for name, a in arrays.items() if name.startswith(f"{prefix}/")}


def require_player(path: Path, shapes: Mapping[str, Any], role: str, own: Mapping[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError unless the arrays of a player, of these shapes, are those of the file. Asked before any is
    made: a header may ask for more than there is memory."""
    kinds = (f"{role}/params/", f"{role}/buffers/")
    there = {name: shape for name, shape in shapes.items() if name.startswith(kinds)}
    require_same_leaves(path, there, {f"{role}/{name}": shape for name, shape in own.items()})


def require_same_leaves(path: Path, arrays: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise CheckpointError naming every array that is missing, unexpected or of another shape.

    arrays: by name, or only their shapes.
    """
    shapes = {name: getattr(array, "shape", array) for name, array in arrays.items()}
    problems = list(_differences(shapes, expected))
    if problems:
        shown = "".join(f"\n  {problem[:300]}" for problem in problems[:8])
        more = f"\n  ... and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise CheckpointError(
            f"{path} has another architecture than this game:{shown}{more}\nOpen it with gankit.load({str(path)!r})."
        )


def _differences(shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for name in sorted(expected.keys() | shapes.keys()):
        if name not in shapes:
            yield f"{name}: not in the file; this game has it, {expected[name]}"
        elif name not in expected:
            yield f"{name}: in the file, {shapes[name]}; this game has no such array"
        elif shapes[name] != expected[name]:
            yield f"{name}: {shapes[name]} in the file, {expected[name]} in this game"
