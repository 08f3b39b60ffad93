"""Pictures of which a part is known, as conditions of a game with masks."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.errors import ConfigError

Array = np.ndarray[Any, Any]


def ports_of(trainer: Any) -> tuple[str, str] | None:
    """The names of the picture and of the mask among a game's conditions; None where there are not both."""
    given = trainer.spec.given
    pictures = [name for name, port in given.items() if port.kind == "image" and port.shape == trainer.spec.shape]
    masks = [name for name, port in given.items() if port.kind == "mask"]
    return (pictures[0], masks[0]) if len(pictures) == 1 and len(masks) == 1 else None


def conditions_for(trainer: Any, x: Array, known: Array) -> dict[str, Array]:
    """What to ask for, so that these pictures are completed: `trainer.sample(n, given=conditions_for(...))`.

    x: (*shape) or (n, *shape) in the units of the data. known: (h, w, 1) or (n, h, w, 1), 1 where x is known, 0 where
    it is hidden; what lies there is not looked at.
    Raises ConfigError in a game without masks.
    """
    names = ports_of(trainer)
    if names is None:
        raise ConfigError(
            "This game completes nothing: its conditions are no picture with a mask. Train one that does: gankit train "
            "--recipe masked --data mnist."
        )
    low = trainer.spec.value_range[0] if trainer.spec.value_range else 0.0
    shown = np.where(known > 0, x, np.asarray(low, x.dtype))
    return {names[0]: shown, names[1]: np.broadcast_to(known, (*x.shape[:-1], 1)).astype(np.float32)}
