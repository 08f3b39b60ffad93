"""What the settings of a game can be, and the errors for what they cannot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gankit.errors import ConfigError, did_you_mean, one_of

if TYPE_CHECKING:
    from gankit.config import Config

CHOICES: Mapping[str, tuple[str, ...]] = {
    "dtype": ("float32", "float64"),
    "precision": ("full", "tf32", "bfloat16"),
    "schedule": ("alternating", "simultaneous", "extra-gradient"),
    "fake_labels": ("data", "uniform"),
    "averages": ("generator", "both"),
}
MINIMUM: Mapping[str, int] = {
    "seed": 0,
    "latent_dim": 1,
    "batch_size": 1,
    "k": 1,
    "accumulate": 1,
    "num_classes": 1,
    "labelled": 0,
}
MOST: Mapping[str, int] = {"seed": 2**64 - 1}
"""Of whole numbers; of all others, what counts fit in on every device."""
MOST_ELSE = 2**31 - 1
CHANGEABLE = (
    "loss",
    "penalties",
    "constraints",
    "augmentations",
    "generator_optimizer",
    "discriminator_optimizer",
    "batch_size",
    "k",
    "schedule",
    "consensus",
    "balance",
    "gradient_clip",
    "accumulate",
    "fake_labels",
    "precision",
)
"""What you can change when you resume: how a game is trained, not its networks or its data."""


def check_changeable(names: Iterable[str]) -> None:
    """Raises ConfigError unless all of these settings may change from a checkpoint on."""
    for name in names:
        if name not in CHANGEABLE:
            raise ConfigError(
                f"{name} cannot change when you resume.{did_you_mean(name, CHANGEABLE)} You can change "
                f"{one_of(CHANGEABLE)}."
            )


def check_choice(name: str, value: Any) -> None:
    """Raises ConfigError unless the setting of that name can have the value."""
    if value not in (choices := CHOICES[name]):
        raise ConfigError(
            f"{name}={value!r} is not possible.{did_you_mean(str(value), choices)} Choose {one_of(choices)}."
        )


def check(config: Config) -> None:
    """Raises ConfigError for values that a game cannot have."""
    for name in CHOICES:
        check_choice(name, getattr(config, name))
    for name, least in MINIMUM.items():
        value = getattr(config, name)
        if value is None and name == "num_classes":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name}={value!r}: expected a whole number of at least {least}.")
        if value > (most := MOST.get(name, MOST_ELSE)):
            raise ConfigError(f"{name}={_short(value)}: expected a whole number of at most {most}.")
    _check_ema(config.ema)
    if not _is_number(config.gradient_clip) or not 0 <= config.gradient_clip <= 1e18:  # float32 holds its square
        raise ConfigError(
            f"gradient_clip={_short(config.gradient_clip)}: expected a norm above 0, at most 1e18; 0 switches it off."
        )
    if config.batch_size % config.accumulate:
        raise ConfigError(
            f"accumulate={config.accumulate} does not split batch_size={config.batch_size} into equal parts."
        )
    if config.precision != "full" and config.dtype != "float32":
        raise ConfigError(f"precision={config.precision!r} needs dtype='float32', not {config.dtype!r}.")
    if config.schedule != "alternating" and config.k != 1:
        raise ConfigError(
            f"schedule={config.schedule!r} updates both players together, so k={config.k} is not possible. Use k=1, or "
            "schedule='alternating'."
        )
    if not (_is_number(config.consensus) and 0 <= config.consensus < 1e18):
        raise ConfigError(f"consensus={_short(config.consensus)}: expected a weight above 0; 0 switches it off.")
    if config.consensus and (config.schedule == "alternating" or config.accumulate > 1):
        raise ConfigError(
            "consensus needs the gradients of both players at the same point. Use schedule='simultaneous' (or "
            "'extra-gradient'), and accumulate=1."
        )
    _check_balance(config)
    for name in ("recipe", "data", "trainer"):
        if not _is_text(getattr(config, name)):
            raise ConfigError(f"{name}={_short(getattr(config, name))}: expected a name.")
    for name in config.conditions:
        if not _is_text(name):
            raise ConfigError(f"conditions={_short(config.conditions)}: expected a list of names.")
    if not all(map(_is_text, config.frozen)):
        raise ConfigError(f"frozen={_short(config.frozen)}: expected a list of players, such as ['generator'].")
    if config.frozen and (config.schedule != "alternating" or config.balance):
        raise ConfigError("frozen players need schedule='alternating', and no balance.")
    for name, source in config.sources.items():
        if not (_is_text(name) and _is_text(source)):
            raise ConfigError(
                f"sources={_short(config.sources)}: expected names of data by name, such as {{'b': 'mnist'}}."
            )


def _check_balance(config: Config) -> None:
    band = config.balance
    if not band:
        return
    if (
        set(band) != {"low", "high"}
        or not all(map(_is_number, band.values()))
        or not -1 <= band["low"] < band["high"] <= 1
    ):
        raise ConfigError(
            f"balance={_short(dict(band))}: expected a band of D(x) - D(G(z)) inside [-1, 1], such as "
            '{"low": 0.2, "high": 0.6}.'
        )
    if config.schedule != "alternating":
        raise ConfigError(
            f"balance chooses how often D is updated, but schedule={config.schedule!r} updates all players together. "
            "Use schedule='alternating'."
        )


def _check_ema(ema: Any) -> None:
    if isinstance(ema, Mapping):
        if set(ema) != {"half_life"} or not _is_number(ema["half_life"]) or not 0 < ema["half_life"] <= 1e18:
            raise ConfigError(f'ema={ema!r}: expected {{"half_life": images}}, such as {{"half_life": 50_000}}.')
    elif not _is_number(ema) or not 0.0 <= ema < 1.0:
        raise ConfigError(
            f'ema={ema!r}: expected a decay in [0, 1), such as 0.999, or {{"half_life": images}}; 0 switches it off.'
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    """Whether this is text that a file and a path can hold."""
    return isinstance(value, str) and not any(char == "\0" or 0xD800 <= ord(char) < 0xE000 for char in value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
