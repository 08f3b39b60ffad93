"""Examples of which a part is known, as conditions of a game with masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError, DataError


def ports_of(trainer: Any) -> tuple[str, str] | None:
    """The names of what is known of an example and of its mask among a game's conditions; None where there are not
    both."""
    given = trainer.spec.given
    parts = [name for name, port in given.items() if port.scaled and port.shape == trainer.spec.shape]
    masks = [name for name, port in given.items() if port.kind == "mask"]
    return (parts[0], masks[0]) if len(parts) == 1 and len(masks) == 1 else None


def complete(
    gan: Any, x: Array, mask: Array | None = None, *, n: int = 8, seed: int = 0, ema: bool | None = None
) -> Array:
    """n completions of a partly known example, (n, *shape) in the units of the data.

    x: an image or a row (*shape) in the units of the data.
    mask: (h, w, 1) or (h, w) for an image, (columns,) for a row; 1 where x is known, 0 where it is hidden. Hidden
        values of x are ignored. Without a mask, NaN is hidden. Known values come back unchanged, bit for bit.
    seed: the seed of the latents. ema: as in `Trainer.sample`.
    Raises ConfigError in a game without masks, DataError for an example or mask of another shape.
    """
    x, shape = np.asarray(x), tuple(gan.spec.shape)
    names = ports_of(gan)
    if getattr(gan.spec, "codec", None) is not None:
        raise ConfigError(
            "gankit does not complete rows of a table. You can give one column: gan.sample(8, given={column: value})."
        )
    if names is None:
        raise ConfigError(
            "This game cannot complete examples, because it has no mask. Train one that can: gankit train --recipe "
            "masked --data mnist."
        )
    part, its_mask = names
    want = gan.spec.given[its_mask].shape
    if mask is None:
        hidden = np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
        if not hidden.any():
            raise DataError("What is hidden? Pass a mask, 0 where the example is hidden and 1 elsewhere, or NaN there.")
        known = np.asarray(~(hidden.any(axis=-1, keepdims=True) if len(shape) == 3 else hidden))
    else:
        known = np.asarray(mask)
    own = known[..., None] if known.ndim == 2 and len(shape) == 3 else known
    if x.shape != shape or own.shape != want:
        what = "picture" if len(shape) == 3 else "row"
        raise DataError(
            f"Expected a {what} of shape {shape} and a mask of shape {want}; got {x.shape} and {known.shape}."
        )
    if not np.isin(own, (0, 1)).all():
        raise DataError("A mask is 1 where an example is known, and 0 where it is hidden; this one has other values.")
    visible = np.broadcast_to(own > 0, shape)
    low = gan.spec.value_range[0] if gan.spec.value_range and len(shape) == 3 else 0
    shown = np.where(visible, x, np.asarray(low, x.dtype))
    answers = gan.sample(n, given={part: shown, its_mask: own.astype(np.float32)}, seed=seed, ema=ema)
    # Floats come back through the model's units, which rounds them.
    return np.where(visible, x, answers).astype(answers.dtype)
