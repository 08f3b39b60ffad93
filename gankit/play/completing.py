"""Pictures of which a part is known, as conditions of a game with masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.errors import ConfigError, DataError

Array = np.ndarray[Any, Any]


def ports_of(trainer: Any) -> tuple[str, str] | None:
    """The names of the picture and of the mask among a game's conditions; None where there are not both."""
    given = trainer.spec.given
    pictures = [name for name, port in given.items() if port.kind == "image" and port.shape == trainer.spec.shape]
    masks = [name for name, port in given.items() if port.kind == "mask"]
    return (pictures[0], masks[0]) if len(pictures) == 1 and len(masks) == 1 else None


def complete(gan: Any, image: Array, mask: Array, *, n: int = 8, seed: int = 0, ema: bool | None = None) -> Array:
    """n completions of a picture of which a part is known, (n, *shape) in the units of the data.

    image: (*shape) in the units of the data. mask: (h, w, 1) or (h, w), 1 where the image is known, 0 where it is
    hidden; what lies there is not looked at. Known pixels come back to the last bit.
    seed: of the latents. ema: as in `Trainer.sample`.
    Raises ConfigError in a game without masks, DataError for a picture or mask of another shape.
    """
    image, known = np.asarray(image), np.asarray(mask)
    known = known[..., None] if known.ndim == 2 else known
    shape = tuple(gan.spec.shape)
    if ports_of(gan) is None:
        raise ConfigError(
            "This game completes nothing: it is given no picture with a mask. Train one that is: gankit train --recipe "
            "masked --data mnist."
        )
    if image.shape != shape or known.shape != (*shape[:2], 1):
        raise DataError(
            f"Expected a picture of shape {shape} and a mask of shape {(*shape[:2], 1)}; got {image.shape} and "
            f"{np.shape(mask)}."
        )
    if not np.isin(known, (0, 1)).all():
        raise DataError("A mask is 1 where the picture is known, and 0 where it is hidden; this one has other numbers.")
    visible = np.broadcast_to(known > 0, shape)
    picture, its_mask = ports_of(gan) or ("", "")
    low = gan.spec.value_range[0] if gan.spec.value_range else 0
    shown = np.where(visible, image, np.asarray(low, image.dtype))
    answers = gan.sample(n, given={picture: shown, its_mask: known.astype(np.float32)}, seed=seed, ema=ema)
    # Floats come back through the model's units, which rounds them.
    return np.where(visible, image, answers).astype(answers.dtype)
