"""Random, differentiable changes of real and fake images before D sees them. DiffAugment, Zhao et al. 2020.

Each is created for one game: `colour(spec, span)`, where span is the distance from black to white in model units. Each
example of a batch is changed independently. Images are (N, height, width, channels). Changes that move or hide pixels
also apply to image and mask conditions, which must have the size of the examples. Changes of colour do not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gankit.errors import ConfigError
from gankit.interfaces import Array, Given, Key, Ops
from gankit.networks.spec import GameSpec

Change = Callable[[Ops, Array, Given, Key], tuple[Array, Given]]


def colour(spec: GameSpec, span: float, *, strength: float = 1.0) -> Change:
    """Brightness moved by up to a quarter of the span, saturation times U(0, 2), contrast times U(0.5, 1.5).

    strength: multiplies the size of each change; at most 1.
    """
    spec.image_shape("colour")
    _require_share("colour", "strength", strength)

    def change(ops: Ops, x: Array, given: Given, key: Key) -> tuple[Array, Given]:
        def drawn(i: int, low: float, high: float) -> Array:
            return low + (high - low) * ops.uniform(ops.fold_in(key, i), (x.shape[0], 1, 1, 1))

        x = x + strength * drawn(0, -0.25 * span, 0.25 * span)
        grey = ops.xp.mean(x, axis=3, keepdims=True)
        x = grey + (x - grey) * (1.0 + strength * drawn(1, -1.0, 1.0))
        mean = ops.xp.mean(x, axis=(1, 2, 3), keepdims=True)
        return mean + (x - mean) * (1.0 + strength * drawn(2, -0.5, 0.5)), given

    return change


def translation(spec: GameSpec, span: float, *, share: float = 0.125) -> Change:
    """Shifts by whole pixels, up to `share` of the side in both directions; new pixels are 0, as published."""
    height, width = _size_of_all(spec, "translation")
    _require_share("translation", "share", share)

    def change(ops: Ops, x: Array, given: Given, key: Key) -> tuple[Array, Given]:
        n = x.shape[0]
        rows, columns = (
            _shift(ops, ops.fold_in(key, i), n, side, int(side * share + 0.5)) for i, side in ((0, height), (1, width))
        )

        def moved(x: Array) -> Array:
            channels = x.shape[3]
            x = ops.xp.reshape(ops.xp.matmul(rows, ops.xp.reshape(x, (n, height, width * channels))), x.shape)
            turned = ops.xp.reshape(ops.xp.permute_dims(x, (0, 2, 1, 3)), (n, width, height * channels))
            turned = ops.xp.reshape(ops.xp.matmul(columns, turned), (n, width, height, channels))
            return ops.xp.permute_dims(turned, (0, 2, 1, 3))

        return moved(x), _with(moved, given)

    return change


def cutout(spec: GameSpec, span: float, *, share: float = 0.5) -> Change:
    """Sets a square of `share` of the side to 0. Its centre can be anywhere, so part of it may be outside."""
    height, width = _size_of_all(spec, "cutout")
    _require_share("cutout", "share", share)

    def change(ops: Ops, x: Array, given: Given, key: Key) -> tuple[Array, Given]:
        rows, columns = (
            _stretch(ops, ops.fold_in(key, i), x.shape[0], side, int(side * share + 0.5))
            for i, side in ((0, height), (1, width))
        )

        def cut(x: Array) -> Array:
            return x * (1.0 - rows[:, :, None, None] * columns[:, None, :, None])

        return cut(x), _with(cut, given)

    return change


def _with(change: Callable[[Array], Array], given: Given) -> Given:
    """The conditions, those that are pictures changed like the example."""
    return {name: change(c) if len(c.shape) == 4 else c for name, c in given.items()}


def _size_of_all(spec: GameSpec, name: str) -> tuple[int, int]:
    """(height, width) of the examples and of every picture among their conditions."""
    height, width, _ = spec.image_shape(name)
    for condition, port in spec.given.items():
        if len(port.shape) == 3 and port.shape[:2] != (height, width):
            raise ConfigError(
                f"{name!r} would move the examples, {height}x{width}, but not their condition {condition!r}, which is "
                f"{port.shape[0]}x{port.shape[1]}. It takes conditions of the examples' size; 'colour' takes any."
            )
    return height, width


def _shift(ops: Ops, key: Key, n: int, side: int, most: int) -> Array:
    """(n, side, side) matrices, each moving a line of pixels by its own whole number, up to `most` either way."""
    shift = ops.xp.floor(ops.uniform(key, (n, 1, 1)) * (2 * most + 1)) - most
    pixels = ops.asarray(np.arange(side, dtype=np.float64))
    return ops.to_float(ops.xp.abs(pixels[:, None] - pixels[None, :] - shift) < 0.5)


def _stretch(ops: Ops, key: Key, n: int, side: int, length: int) -> Array:
    """(n, side): 1 on so many pixels in a row, about a centre of their own, 0 elsewhere."""
    first = ops.xp.floor(ops.uniform(key, (n, 1)) * (side + 1 - length % 2)) - length // 2
    pixels = ops.asarray(np.arange(side, dtype=np.float64))
    return ops.to_float((pixels >= first) & (pixels < first + length))


def _require_share(name: str, setting: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name}: {setting}={value}; it must be in [0, 1].")
