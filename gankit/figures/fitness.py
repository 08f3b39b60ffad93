"""Of which games each figure can be drawn: known beside the drawings, so that one that does not fit can name those
that do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gankit.building import NATIVE
from gankit.errors import ConfigError, one_of
from gankit.play.asking import further
from gankit.play.completing import ports_of
from gankit.play.game import ENCODER
from gankit.play.plans import plans

Unfit = Callable[[Any], str | None]
"""Why a figure does not apply to a trainer's game, as a sentence; None where it does."""


def require(name: str, trainer: Any) -> None:
    """Raise ConfigError, saying why and what else can be drawn, when that figure does not apply to this game."""
    from gankit.figures.kinds import applicable, find  # which import all figures, and these this module

    reason = find(name).unfit(trainer)
    if reason is not None:
        others = one_of(applicable(trainer))
        raise ConfigError(f"The figure {name!r} does not apply here: {reason} Those that do: {others}.")


def _no_image(trainer: Any) -> str | None:
    shape = trainer.spec.shape
    if len(shape) == 3 and shape[-1] in (1, 3):
        return None
    return f"it shows images (H, W, 1 or 3), and the examples have shape {shape}."


def _no_classes(trainer: Any) -> str | None:
    if not trainer.config.conditional:
        return f"it shows one class a column, and this game is unconditional ({trainer.config.loss.name})."
    return _beside_others(trainer) or _no_image(trainer)


def _beside_others(trainer: Any) -> str | None:
    others = further(trainer)
    return f"it asks for classes alone, and this game is given {', '.join(others)} too." if others else None


def _no_conditions(trainer: Any) -> str | None:
    if not further(trainer):
        return "it shows answers to conditions, and this game has none but labels, if any."
    shape = trainer.spec.shape
    if len(shape) in (1, 2):
        return None
    return _no_image(trainer)


def _no_encoder(trainer: Any) -> str | None:
    own = any(plan.kind == ENCODER for plan in plans(trainer.config))
    if not own and getattr(trainer, "inferring", None) is None:
        return "it shows what an encoder and G make of images, and this game has none: gankit infer RUN trains one."
    return _no_image(trainer)


def _no_masks(trainer: Any) -> str | None:
    if ports_of(trainer) is None:
        return "it shows pictures with a part hidden, and this game is given no picture with a mask."
    return _no_image(trainer)


def _no_line(trainer: Any) -> str | None:
    shape = trainer.spec.shape
    if further(trainer):
        return f"it shows G and D of z and x alone, and this game is given {', '.join(trainer.spec.given)}."
    if getattr(trainer.spec, "codec", None) is not None:
        return "it shows examples that are one number, and these are rows of a table."
    if shape != (1,):
        return f"it shows examples that are one number, (1,), and these have shape {shape}."
    if NATIVE in (trainer.config.generator.name, trainer.config.discriminator.name):
        return "it plays the run again from its first step, and modules of your own do not say where they began."
    return None


def _no_plane(trainer: Any) -> str | None:
    shape = trainer.spec.shape
    if further(trainer):
        return f"it shows D of points alone, and this game is given {', '.join(trainer.spec.given)}."
    if getattr(trainer.spec, "codec", None) is not None:
        return "it shows points of a plane, and these examples are rows of a table."
    return None if shape == (2,) else f"it shows points of a plane, (2,), and the examples have shape {shape}."


def _no_series(trainer: Any) -> str | None:
    shape = trainer.spec.shape
    return None if len(shape) == 2 else f"it shows series (steps, channels), and the examples have shape {shape}."


UNFIT: Mapping[str, Unfit] = {
    "series": _no_series,
    "samples": _no_image,
    "interpolation": _no_image,
    "classes": _no_classes,
    "conditions": _no_conditions,
    "completions": _no_masks,
    "reconstructions": _no_encoder,
    "game-1d": _no_line,
    "scatter": _no_plane,
}
"""By the name of a figure; `curves` is not among them, for every run has them."""
