"""One flat frozen dataclass: the schema of a game, its documentation, and the header of its checkpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gankit.errors import ConfigError, GankitError, did_you_mean, one_of
from gankit.interfaces.values import LABEL

Setting = Any
"""What TOML can say: a string, number, boolean, list or table."""


@dataclass(frozen=True)
class Part:
    """A named piece from the registry with its settings: `Part("adam", {"lr": 2e-4})`."""

    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Setting]:
        """`{"name": "adam", "lr": 2e-4}`, the form that a user writes."""
        return {"name": self.name, **self.settings}


@dataclass(frozen=True, kw_only=True)
class Config:
    """What defines a game and all its randomness. The backend and the device are not part of it.

    Part-valued fields take a name ("adam") or a table ({"name": "adam", "lr": 1e-3}); a table without a name changes
    the recipe's own part.
    """

    recipe: str = "mlp"
    data: str = "digits"  # a registered name, or what the examples came from
    seed: int = 0
    dtype: str = "float32"  # "float32" or "float64", of parameters and arithmetic alike
    precision: str = "full"  # "bfloat16": networks compute in it, all else in float32; "tf32": products on NVIDIA's do
    trainer: str = "adversarial"
    generator: Part = Part("mlp")
    discriminator: Part = Part("mlp")
    loss: Part = Part("non-saturating")
    penalties: tuple[Part, ...] = ()
    constraints: tuple[Part, ...] = ()  # what parameters are brought back to after each update
    augmentations: tuple[Part, ...] = ()  # of real and fake alike, before D sees them
    generator_optimizer: Part = Part("adam")
    discriminator_optimizer: Part = Part("adam")
    latent_dim: int = 64
    prior: Part = Part("normal")  # what z is drawn from
    batch_size: int = 64
    k: int = 1  # discriminator steps per generator step; the paper used 1
    schedule: str = "alternating"  # or "simultaneous", as the paper's authors ran it, or "extra-gradient"
    consensus: float = 0.0  # weight of consensus optimisation, where both players move at once; 0 is off
    balance: Mapping[str, Any] = field(default_factory=dict)  # {"low": 0.2, "high": 0.6}: D moves up to k times an
    # iteration, as often as keeps D(x) - D(G(z)) between the two
    gradient_clip: float = 0.0  # the largest norm of a player's whole gradient; 0 is off
    accumulate: int = 1  # parts that a minibatch goes through in turn; batch norm normalises each by itself
    fake_labels: str = "data"  # those of the real examples in the same places; or "uniform", drawn anew
    ema: Any = 0.0  # decay of the moving average of G that samples are drawn from; or {"half_life": images}; 0 is off
    averages: str = "generator"  # who has such an average: "generator", or "both", D with it
    num_classes: int | None = None  # of the labels in a conditional game; named data sets know their own
    given: tuple[Part, ...] = ()  # makers of conditions, of the examples themselves
    conditions: tuple[str, ...] = ()  # the names of all that the game is given, settled when it is built
    sources: Mapping[str, str] = field(default_factory=dict)  # further data, by name: {"b": "mnist"}
    labelled: int = 0  # examples that keep their labels, drawn by the seed: the further source "labelled"; 0: no such
    frozen: tuple[str, ...] = ()  # players that stay as they are, by role; each is played as in evaluation
    players: Mapping[str, Any] = field(default_factory=dict)  # players beside G and D, by role; see docs/players.md

    def __post_init__(self) -> None:
        _check(self)

    @property
    def conditional(self) -> bool:
        """Whether the game has labels."""
        return LABEL in self.conditions or self.loss.name == "conditional"

    @property
    def draws_labelled(self) -> bool:
        """Whether the source "labelled" is drawn from the game's own data; one that is brought takes its place."""
        return self.labelled > 0 and LABELLED not in self.sources

    @property
    def source_names(self) -> tuple[str, ...]:
        """The game's further sources: those that are brought, and what is drawn from its own data."""
        return (*self.sources, *([LABELLED] if self.draws_labelled else []))

    @property
    def ema_decay(self) -> float:
        """The decay of G's moving average at each step; 0 when it is off."""
        if isinstance(self.ema, Mapping):
            return float(0.5 ** (self.batch_size / self.ema["half_life"]))
        return float(self.ema)

    def with_settings(self, settings: Mapping[str, Setting]) -> Config:
        """This config with some settings changed; raises ConfigError for a setting that does not exist."""
        changes: dict[str, Any] = {}
        for name, value in settings.items():
            if name not in NAMES:
                raise ConfigError(
                    f"There is no setting {name!r}.{did_you_mean(name, NAMES)} Possible: {one_of(NAMES)}."
                )
            old = getattr(self, name)
            if name == "loss":
                value = _loss(old, value)
            elif isinstance(old, Part):
                value = _part(name, old, value)
            elif name in LISTS:
                value = tuple(_part(name, None, part) for part in _listed(name, value))
            elif name in TABLES:
                value = _merged(name, old, value)
            elif name in ("conditions", "frozen"):
                value = tuple(_listed(name, value))
            elif isinstance(value, Mapping):
                value = _plain(value)
            changes[name] = value
        return replace(self, **changes)

    def to_plain(self) -> dict[str, Setting]:
        """Only tables, lists, strings and numbers, ready for TOML and JSON; `num_classes` is left out when unknown."""
        plain = {name: _plain(getattr(self, name)) for name in NAMES}
        return {name: value for name, value in plain.items() if value is not None}

    def to_toml(self) -> str:
        """One setting a line."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self.to_plain().items())


NAMES: tuple[str, ...] = tuple(f.name for f in fields(Config))
LABELLED = "labelled"
"""The name of the source that holds the examples with labels."""
LISTS = ("penalties", "constraints", "augmentations", "given")
TABLES = ("sources", "players", "balance")


def _part(field_name: str, old: Part | None, value: Any) -> Part:
    """A Part from what a user may write, on top of the one that a recipe has."""
    if isinstance(value, Part):
        value = value.to_plain()
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{field_name}={value!r}: expected a name such as 'adam', or a table with its settings.")
    settings = {key: _plain(setting) for key, setting in value.items()}
    name = settings.pop("name", old.name if old else None)
    if not isinstance(name, str):
        raise ConfigError(f"{field_name}={dict(value)!r}: the table needs a 'name'.")
    kept = old.settings if old is not None and old.name == name else {}
    return Part(name, {**kept, **settings})


def _merged(name: str, old: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """A table with changes, role by role, or source by source."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}={value!r}: expected a table, such as {{'b': ...}}.")
    plain: dict[str, Any] = {key: _plain(setting) for key, setting in value.items()}
    both = {key: {**old[key], **plain[key]} for key in old.keys() & plain if isinstance(plain[key], Mapping)}
    return {**old, **plain, **both}


def _is_conditional(loss: str) -> bool:
    """Whether the loss of that name brings labels into its game, and so needs no other around it. One that is not
    installed is believed not to; the game that asks for it does not come to be."""
    if loss == "conditional":
        return True
    from gankit.plug import registry

    try:
        return getattr(registry.load("losses", loss), "conditional", False) is True
    except GankitError:
        return False


def _loss(old: Part, value: Any) -> Part:
    """A loss named for a conditional recipe is what it plays; "conditional" alone wraps the recipe's own loss."""
    new = _part("loss", old, value)
    if new.name == "conditional":
        base = new.settings.get("base", old.to_plain())
        return Part("conditional", {**new.settings, "base": _part("loss.base", None, base).to_plain()})
    if old.name == "conditional" and not _is_conditional(new.name):
        base = _part("loss", _part("loss.base", None, old.settings["base"]), value)
        return Part("conditional", {**old.settings, "base": base.to_plain()})
    return new


def _listed(name: str, value: Any) -> list[Any]:
    if isinstance(value, str | Mapping | Part):
        return [value]
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{name}={value!r}: expected a list of names, such as ['r1'], or one name.")
    return list(value)


def _plain(value: Any) -> Setting:
    if isinstance(value, Part):
        return {key: _plain(setting) for key, setting in value.to_plain().items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(setting) for key, setting in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _toml(value: Setting) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inside} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, bool | str | int):
        return json.dumps(value, ensure_ascii=False)  # a JSON string, boolean or integer is a TOML one
    if isinstance(value, float):
        return repr(value)
    raise ConfigError(
        f"A setting can be a string, number, boolean, list or table, not {type(value).__name__}: {value!r}."
    )


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


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


def check_choice(name: str, value: Any) -> None:
    """Raises ConfigError unless the setting of that name can have the value."""
    if value not in (choices := CHOICES[name]):
        raise ConfigError(
            f"{name}={value!r} is not possible.{did_you_mean(str(value), choices)} Choose {one_of(choices)}."
        )


def _check(config: Config) -> None:
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
            f"gradient_clip={_short(config.gradient_clip)}: expected a norm above 0, 1e18 at most; 0 switches it off."
        )
    if config.batch_size % config.accumulate:
        raise ConfigError(
            f"accumulate={config.accumulate} does not divide batch_size={config.batch_size} into equal parts."
        )
    if config.precision != "full" and config.dtype != "float32":
        raise ConfigError(f"precision={config.precision!r} goes with dtype='float32', not {config.dtype!r}.")
    if config.schedule != "alternating" and config.k != 1:
        raise ConfigError(
            f"schedule={config.schedule!r} moves both players together, so k={config.k} cannot hold; use k=1, or "
            "schedule='alternating'."
        )
    if not (_is_number(config.consensus) and 0 <= config.consensus < 1e18):
        raise ConfigError(f"consensus={_short(config.consensus)}: expected a weight above 0; 0 switches it off.")
    if config.consensus and (config.schedule == "alternating" or config.accumulate > 1):
        raise ConfigError(
            "consensus needs both players' gradients at one point: schedule='simultaneous' (or 'extra-gradient'), and "
            "accumulate=1."
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
        raise ConfigError("frozen players go with schedule='alternating', and without balance.")
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
            f"balance chooses how often D moves, and schedule={config.schedule!r} moves all players together; use "
            "schedule='alternating'."
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
