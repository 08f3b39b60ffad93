"""Makers of conditions: p(x | c) for a c that is computed from x itself. Goodfellow et al. 2014, section 7.1.

Each is created for one game, `downsample(spec, factor=4)`. Images with a known range are numbers in [0, 1], and so are
the images made from them. Everything else has the units of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gankit.data.dataset import Dataset
from gankit.errors import ConfigError, DataError, did_you_mean, one_of
from gankit.interfaces import Array, Given, Ops, Port
from gankit.networks.spec import GameSpec

MASKS = ("half", "box", "pixels", "mixed")
MASKS_OF_ROWS = ("columns", "mixed")


@dataclass(frozen=True)
class Made:
    """A condition, or several, computed from the examples in the step."""

    ports: Mapping[str, Port]
    compute: Callable[[Ops, Array, Any], Given]
    noise: int = 0

    def __call__(self, ops: Ops, x: Array, noise: Array | None) -> Given:
        return self.compute(ops, x, noise)


def downsample(spec: GameSpec, *, factor: int = 4, name: str = "image") -> Made:
    """The example at 1 / `factor` of its size; each pixel is the mean of those it covers. For super-resolution."""
    height, width, channels = _image(spec, "downsample")
    if not _is_count(factor, 2) or height % factor or width % factor:
        raise ConfigError(
            f"downsample: factor={factor!r} must divide both sides of the examples, {height}x{width}, and be 2 or more."
        )
    small = (height // factor, width // factor, channels)

    def compute(ops: Ops, x: Array, noise: Any) -> Given:
        cells = ops.xp.reshape(x, (x.shape[0], small[0], factor, small[1], factor, channels))
        return {name: ops.xp.mean(cells, axis=(2, 4))}

    return Made({name: Port("image", small)}, compute)


def grey(spec: GameSpec, *, name: str = "image") -> Made:
    """The example without its colours, ITU-R 601 luma. For colouring."""
    height, width, channels = _image(spec, "grey")
    if channels != 3:
        raise ConfigError(f"grey takes pictures of three colours; the examples have {channels} channel(s).")

    def compute(ops: Ops, x: Array, noise: Any) -> Given:
        return {name: 0.299 * x[..., 0:1] + 0.587 * x[..., 1:2] + 0.114 * x[..., 2:3]}

    return Made({name: Port("image", (height, width, 1))}, compute)


def edges(spec: GameSpec, *, strength: float = 1.0, name: str = "image") -> Made:
    """Where the example changes from dark to light: the size of its gradient by Sobel's kernels, one channel. 1 is
    bright.

    strength: multiplies the gradient before it is clipped at 1.
    """
    height, width, _ = _image(spec, "edges")
    if not strength > 0:
        raise ConfigError(f"edges: strength={strength!r}; it must be above 0.")

    def compute(ops: Ops, x: Array, noise: Any) -> Given:
        xp = ops.xp
        rim = ops.to_float(xp.mean(x, axis=3, keepdims=True))
        rim = xp.concat([rim[:, :1, ...], rim, rim[:, -1:, ...]], axis=1)
        rim = xp.concat([rim[:, :, :1, :], rim, rim[:, :, -1:, :]], axis=2)
        along_rows = rim[:, :-2, ...] + 2.0 * rim[:, 1:-1, ...] + rim[:, 2:, ...]
        along_columns = rim[:, :, :-2, :] + 2.0 * rim[:, :, 1:-1, :] + rim[:, :, 2:, :]
        dx = (along_rows[:, :, 2:, :] - along_rows[:, :, :-2, :]) / 4.0
        dy = (along_columns[:, 2:, ...] - along_columns[:, :-2, ...]) / 4.0
        slope = strength * xp.sqrt(dx * dx + dy * dy)
        return {name: xp.minimum(slope, xp.ones_like(slope))}

    return Made({name: Port("image", (height, width, 1))}, compute)


def mask(spec: GameSpec, *, kind: str = "mixed", share: float = 0.5, name: str = "") -> Made:
    """The known part of the example, 0 elsewhere, and `mask`, 1 where the example is known. For completing.

    kind: which part of an image is hidden: a "half", left, right, top or bottom; a "box" of `share` of each side,
        anywhere; single "pixels", each with probability `share`; or a random one of these, "mixed". For a row of
        numbers: "columns", each with probability `share`, or "mixed", with a probability drawn for each example.
    name: the name of the known part; by default "image" for an image and "known" for a row.
    """
    rows = len(spec.shape) == 1
    possible = MASKS_OF_ROWS if rows else MASKS
    if not rows:
        _image(spec, "mask")
    if kind not in possible:
        hint = did_you_mean(kind, possible)
        raise ConfigError(f"mask: kind={kind!r} is not possible here.{hint} Choose {one_of(possible)}.")
    if not 0.0 < share < 1.0:
        raise ConfigError(f"mask: share={share!r}; it must be between 0 and 1.")
    if rows:
        return _columns(spec.shape[0], share if kind == "columns" else None, name or "known")
    return _holes(spec, kind, share, name or "image")


def _columns(width: int, share: float | None, name: str) -> Made:
    """A row of which some columns are known."""

    def compute(ops: Ops, x: Array, noise: Any) -> Given:
        hidden = noise[:, 1:] < (noise[:, :1] if share is None else share)
        known = ops.to_float(~hidden)
        return {name: x * known, "mask": known}

    return Made({name: Port("part", (width,)), "mask": Port("mask", (width,))}, compute, noise=1 + width)


def _holes(spec: GameSpec, kind: str, share: float, name: str) -> Made:
    """A picture with a hole."""
    height, width, _ = spec.shape
    own = {"half": (0,), "box": (1,), "pixels": (2,), "mixed": (0, 1, 2)}[kind]

    def hidden(ops: Ops, u: Array) -> Array:
        xp, n = ops.xp, u.shape[0]
        rows, columns = (ops.asarray((np.arange(side) + 0.5) / side) for side in (height, width))
        rows, columns = xp.reshape(rows, (1, height, 1)), xp.reshape(columns, (1, 1, width))
        pick, side, top, left = (xp.reshape(u[:, i], (n, 1, 1)) for i in range(4))
        quarter = xp.floor(4.0 * side)
        lower, right = rows >= 0.5, columns >= 0.5
        half = (
            ((quarter == 0) & lower) | ((quarter == 1) & ~lower) | ((quarter == 2) & right) | ((quarter == 3) & ~right)
        )
        first, second = top * (1.0 - share), left * (1.0 - share)
        box = (rows >= first) & (rows < first + share) & (columns >= second) & (columns < second + share)
        pixels = xp.reshape(u[:, 4:], (n, height, width)) < share
        chosen = xp.floor(len(own) * pick)
        each = (half, box, pixels)
        out = pixels & False
        for i, which in enumerate(own):
            out = out | ((chosen == i) & each[which])
        return out

    def compute(ops: Ops, x: Array, noise: Any) -> Given:
        known = ops.to_float(~hidden(ops, noise))[..., None]
        return {name: x * known, "mask": known}

    ports = {name: Port("image", spec.shape), "mask": Port("mask", (height, width, 1))}
    return Made(ports, compute, noise=4 + height * width)


def spectrum(spec: GameSpec, *, bins: int = 8, name: str = "spectrum") -> Made:
    """The amplitudes of the `bins` lowest frequencies of a series (t,) or (t, 1), without the constant: a vector."""
    length = int(np.prod(spec.shape))
    if len(spec.shape) > 2 or spec.shape[1:] not in ((), (1,)):
        raise ConfigError(f"spectrum takes series of shape (t,) or (t, 1); the examples have shape {spec.shape}.")
    if not _is_count(bins, 1) or 2 * bins > length:
        raise ConfigError(f"spectrum: bins={bins!r}; possible are 1 to {length // 2}, half the length of the series.")
    phase = 2.0 * np.pi * np.outer(np.arange(length), np.arange(1, bins + 1)) / length

    def compute(ops: Ops, x: Array, noise: Any) -> Given:
        flat = ops.xp.reshape(x, (x.shape[0], length))
        a, b = (ops.xp.matmul(flat, ops.asarray(2.0 / length * wave)) for wave in (np.cos(phase), np.sin(phase)))
        return {name: ops.xp.sqrt(a * a + b * b)}

    return Made({name: Port("vector", (bins,))}, compute)


@dataclass(frozen=True)
class Previous:
    """The frames before the last. Examples are short films (height, width, frames), and become their last frame."""

    ports: Mapping[str, Port]
    name: str
    frames: int
    noise: int = field(default=0, init=False)

    def split(self, dataset: Dataset) -> Dataset:
        """The last frames as examples, those before as conditions; without a copy."""
        if dataset.given:
            raise DataError(f"{dataset.name} has conditions of its own; `previous` would hide them.")
        x = dataset.x
        before = x[..., -1 - self.frames : -1]
        return replace(dataset, x=x[..., -1:], given={self.name: before})

    def __call__(self, ops: Ops, x: Array, noise: Array | None) -> Given:
        raise NotImplementedError  # what has `split` is never called


def previous(spec: GameSpec, *, frames: int = 2, name: str = "image") -> Previous:
    """The `frames` before the last one. The channels of an example are grey frames of a film."""
    height, width, channels = _image(spec, "previous")
    if not _is_count(frames, 1) or frames >= channels:
        raise ConfigError(
            f"previous: frames={frames!r}; the examples are films of {channels} frame(s), the last of which is to be "
            f"made, so possible are 1 to {channels - 1}."
        )
    return Previous({name: Port("image", (height, width, frames))}, name, frames)


@dataclass(frozen=True)
class Unpaired:
    """G gets examples of another source, whose own G gets examples of this one. There are no pairs."""

    ports: Mapping[str, Port]
    source: str
    noise: int = field(default=0, init=False)

    def __call__(self, ops: Ops, x: Array, noise: Array | None) -> Given:
        raise NotImplementedError  # the draw has the other source's examples already


# Told before one is made: it cuts the examples of the data in two, and what is left has another shape.
previous.splits = True  # type: ignore[attr-defined]


def unpaired(spec: GameSpec, *, source: str = "b", name: str = "image") -> Unpaired:
    """The examples of another source, in their own order (Zhu et al. 2017)."""
    if source not in spec.sources:
        there = one_of(spec.sources) if spec.sources else "none"
        raise ConfigError(
            f"unpaired: there is no source {source!r}; the game's further sources: {there}. Pass it: "
            f"sources={{{source!r}: ...}}, or --source {source}=DATA."
        )
    return Unpaired({name: replace(spec.sources[source], num_classes=None)}, source)


def _image(spec: GameSpec, maker: str) -> tuple[int, int, int]:
    height, width, channels = spec.image_shape(maker)
    spec.require(spec.bounded, maker, "images whose range is known, such as uint8")
    return height, width, channels


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
