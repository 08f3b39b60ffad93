"""One flat frozen dataclass: the schema of a game, its documentation, and the header of its checkpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gankit import limits
from gankit.errors import ConfigError, GankitError, did_you_mean, one_of
from gankit.interfaces.values import LABEL

Setting = Any
"""What TOML can say: a string, number, boolean, list or table."""


OWN = "own"
"""The name of a part that the user passes as an object. No checkpoint contains it."""
SPELT = {"beta1": "b1", "beta2": "b2"}
"""Settings of optimizers as other libraries call them."""


@dataclass(frozen=True)
class Part:
    """A named piece from the registry with its settings: `Part("adam", {"lr": 2e-4})`.

    own: an object of the user's own, which goes by the name "own" and its class.
    """

    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    own: Any = field(default=None, compare=False, repr=False)

    def to_plain(self) -> dict[str, Setting]:
        """`{"name": "adam", "lr": 2e-4}`, the form that a user writes."""
        return {"name": self.name, **self.settings}


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings that define a game and all its randomness. The backend and the device are not part of it.

    Fields for parts take a name ("adam") or a table ({"name": "adam", "lr": 1e-3}). A table without a name changes the
    settings of the recipe's own part.
    """

    recipe: str = "mlp"
    data: str = "digits"  # the name of a data set, or a path
    seed: int = 0
    dtype: str = "float32"  # "float32" or "float64", for parameters and arithmetic
    precision: str = "full"  # "bfloat16": networks compute in it, all else in float32; "tf32": products on NVIDIA
    trainer: str = "adversarial"
    generator: Part = Part("mlp")
    discriminator: Part = Part("mlp")
    loss: Part = Part("non-saturating")
    penalties: tuple[Part, ...] = ()
    constraints: tuple[Part, ...] = ()  # change parameters after each update, such as clipping weights
    augmentations: tuple[Part, ...] = ()  # change real and fake examples before D sees them
    generator_optimizer: Part = Part("adam")
    discriminator_optimizer: Part = Part("adam")
    latent_dim: int = 64
    prior: Part = Part("normal")  # the distribution of z
    batch_size: int = 64
    k: int = 1  # discriminator steps per generator step; the paper used 1
    schedule: str = "alternating"  # or "simultaneous", as the paper's authors ran it, or "extra-gradient"
    consensus: float = 0.0  # weight of consensus optimisation, with a simultaneous schedule; 0: off
    balance: Mapping[str, Any] = field(default_factory=dict)  # {"low": 0.2, "high": 0.6}: D is updated up to k times an
    # iteration, as often as keeps D(x) - D(G(z)) between the two limits
    gradient_clip: float = 0.0  # the largest norm of a player's whole gradient; 0: off
    accumulate: int = 1  # split a minibatch into so many parts; batch norm normalises each part by itself
    fake_labels: str = "data"  # the labels of the real examples in the same rows; or "uniform", drawn at random
    ema: Any = 0.0  # decay of the moving average of G, which samples come from; or {"half_life": images}; 0: off
    averages: str = "generator"  # which players have a moving average: "generator", or "both"
    num_classes: int | None = None  # of the labels in a conditional game; built-in data sets know their own
    given: tuple[Part, ...] = ()  # conditions that are computed from the examples
    conditions: tuple[str, ...] = ()  # the names of all conditions, set when the game is built
    sources: Mapping[str, str] = field(default_factory=dict)  # more data, by name: {"b": "mnist"}
    labelled: int = 0  # how many examples keep their labels, drawn by the seed: the source "labelled"; 0: not used
    frozen: tuple[str, ...] = ()  # players that are not trained, by role; they run as in evaluation
    players: Mapping[str, Any] = field(default_factory=dict)  # players beside G and D, by role; see docs/conditions.md

    def __post_init__(self) -> None:
        limits.check(self)

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
        """This config with some settings changed. Raises ConfigError for a setting that does not exist."""
        changes: dict[str, Any] = {}
        for name, value in settings.items():
            if name not in NAMES:
                hint = f" {ELSEWHERE[name]}" if name in ELSEWHERE else did_you_mean(name, NAMES)
                raise ConfigError(f"There is no setting {name!r}.{hint} Possible: {one_of(NAMES)}.")
            old = getattr(self, name)
            if name == "loss":
                value = _loss(old, value)
            elif isinstance(old, Part):
                value = _part(name, old, value)
            elif name in LISTS:
                only = _only(name, old, value)
                value = tuple(_part(name, only, part) for part in _listed(name, value))
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
        return "".join(f"{name} = {as_toml(value)}\n" for name, value in self.to_plain().items())


NAMES: tuple[str, ...] = tuple(f.name for f in fields(Config))
ELSEWHERE = {
    **dict.fromkeys(
        ("steps", "epochs", "n_steps", "iterations"), "How long to train is said by --steps N, or gan.fit(steps=N)."
    ),
    **dict.fromkeys(("backend", "device", "devices", "out"), "Where to train is an option of its own: see --help."),
}
"""What is no setting of the game, and where it is said."""
LABELLED = "labelled"
"""The name of the source that holds the examples with labels."""
OBJECTS = {
    **dict.fromkeys(("loss", "loss.base"), "discriminator"),
    **dict.fromkeys(("generator_optimizer", "discriminator_optimizer"), "numbers"),
    **dict.fromkeys(("penalties", "constraints"), "__call__"),
}
"""The settings that may be objects of the user's own, and what tells such an object."""
SUCH = {
    **dict.fromkeys(("loss", "loss.base"), "a name such as 'hinge'"),
    **dict.fromkeys(("generator_optimizer", "discriminator_optimizer"), "a name such as 'adam'"),
    **dict.fromkeys(("generator", "discriminator"), "a name such as 'mlp'"),
    "penalties": "names such as 'r1'",
    "prior": "a name such as 'normal'",
}
LISTS = ("penalties", "constraints", "augmentations", "given")
TABLES = ("sources", "players", "balance")


def spelt(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """An optimizer's settings under the names that gankit has for them."""
    return {SPELT.get(name, name): value for name, value in settings.items()}


def _part(field_name: str, old: Part | None, value: Any) -> Part:
    """A Part from what a user may write, on top of the one that a recipe has."""
    if isinstance(value, Part):
        if value.own is not None:
            return value
        value = value.to_plain()
    if field_name in OBJECTS and not isinstance(value, str | Mapping | type) and hasattr(value, OBJECTS[field_name]):
        from gankit.plug.making import by_name

        return by_name(value) or Part(OWN, {"class": type(value).__name__}, value)
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        such = SUCH.get(field_name, "a name")
        an_object = ", or an object that has its methods" if field_name in OBJECTS else ""
        hint = f" Pass an instance: {value.__name__}()." if isinstance(value, type) else ""
        raise ConfigError(f"{field_name}={value!r}: expected {such}, or a table with its settings{an_object}.{hint}")
    settings = {key: setting if isinstance(setting, Part) else _plain(setting) for key, setting in value.items()}
    if field_name.endswith("optimizer"):
        settings = spelt(settings)
    name = settings.pop("name", old.name if old else None)
    if not isinstance(name, str):
        raise ConfigError(f"{field_name}={dict(value)!r}: the table needs a 'name'.")
    kept = old.settings if old is not None and old.name == name else {}
    return Part(name, {**kept, **settings})


def _only(name: str, old: tuple[Part, ...], value: Any) -> Part | None:
    """The part that a table without a name is for, as in `given.factor=3`: the only one of the list."""
    if not isinstance(value, Mapping) or "name" in value:
        return None
    if len(old) != 1:
        there = ", ".join(repr(part.name) for part in old) or "none"
        raise ConfigError(f"{name}={dict(value)!r}: the table needs a 'name'. This game has {there}.")
    return old[0]


def _merged(name: str, old: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """A table with changes, role by role, or source by source."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}={value!r}: expected a table, such as {{'b': ...}}.")
    plain: dict[str, Any] = {key: _plain(setting) for key, setting in value.items()}
    both = {key: {**old[key], **plain[key]} for key in old.keys() & plain if isinstance(plain[key], Mapping)}
    return {**old, **plain, **both}


def _nested(part: Part) -> Any:
    return part.to_plain() if part.own is None else part


def _is_conditional(loss: Part) -> bool:
    """Whether the loss of that name brings labels into its game, and so needs no other around it. One that is not
    installed is believed not to; the game that asks for it does not come to be."""
    if loss.name == "conditional":
        return True
    from gankit.plug import registry

    try:
        found = registry.load("losses", loss.name) if loss.own is None else loss.own
        return getattr(found, "conditional", False) is True
    except GankitError:
        return False


def _loss(old: Part, value: Any) -> Part:
    """A loss named for a conditional recipe is what it plays; "conditional" alone wraps the recipe's own loss."""
    new = _part("loss", old, value)
    if new.name == "conditional":
        base = new.settings.get("base", old.to_plain())
        return Part("conditional", {**new.settings, "base": _nested(_part("loss.base", None, base))})
    if old.name == "conditional" and not _is_conditional(new):
        base = _part("loss", _part("loss.base", None, old.settings["base"]), value)
        return Part("conditional", {**old.settings, "base": _nested(base)})
    return new


def _listed(name: str, value: Any) -> list[Any]:
    if isinstance(value, str | Mapping | Part) or (name in OBJECTS and hasattr(value, OBJECTS[name])):
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


def as_toml(value: Setting) -> str:
    """A value as TOML writes it; raises ConfigError for what it has no way to write."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_toml_key(key)} = {as_toml(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inside} }}"
    if isinstance(value, list):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    if isinstance(value, bool | str | int):
        return json.dumps(value, ensure_ascii=False)  # a JSON string, boolean or integer is a TOML one
    if isinstance(value, float):
        return repr(value)
    raise ConfigError(
        f"A setting can be a string, number, boolean, list or table, not {type(value).__name__}: {value!r}."
    )


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
