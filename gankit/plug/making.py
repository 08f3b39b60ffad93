"""From a part's name and settings to the object that it stands for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from numbers import Integral
from typing import Any, cast

from gankit.config import OWN, Part
from gankit.errors import ConfigError, GankitError, PluginError, did_you_mean, one_of
from gankit.interfaces import Backend, Prior
from gankit.limits import check_choice
from gankit.parts.first_api import as_today
from gankit.parts.schedules import as_table
from gankit.parts.together import workers_of
from gankit.plug import registry
from gankit.plug.capabilities import FLOAT64, PRECISIONS, demand
from gankit.plug.contracts import named, require_part
from gankit.plug.launched import launched
from gankit.plug.spelling import check_spelling


def make(kind: str, part: Part, *arguments: Any) -> Any:
    """The object a Part stands for; raises ConfigError when its settings don't fit."""
    if part.own is not None:
        return as_today(kind, part.own)
    if part.name == OWN:
        raise ConfigError(_not_brought(kind, part))
    with named(kind, part.name):
        return as_today(kind, require_part(kind, part.name, _made(kind, part, *arguments)))


def _made(kind: str, part: Part, *arguments: Any) -> Any:
    target = cast(Callable[..., Any], registry.load(kind, part.name))
    settings = dict(part.settings)
    if kind == "losses" and "base" in settings:  # a loss around another
        settings["base"] = make("losses", _as_part(settings["base"]))
    signature = inspect.signature(target)
    check_settings(kind, part.name, signature, settings, len(arguments))
    unfit = f"{part.name!r} ({kind}) does not take {dict(part.settings)}"
    try:
        signature.bind(*arguments, **settings)
    except TypeError as error:
        raise ConfigError(f"{unfit}: {error}.") from error
    try:
        return target(*arguments, **settings)
    except GankitError:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError, LookupError) as error:
        if not part.settings:  # nothing that a user said: the part itself is wrong
            raise
        raise ConfigError(f"{unfit}: {error}.") from error


def check_settings(
    kind: str, name: str, signature: inspect.Signature, settings: Mapping[str, Any], given: int = 0
) -> None:
    """Raise ConfigError for a setting that a part does not have, or a value of another kind than the part takes.

    given: how many of its first parameters the game fills in, and nobody sets.
    """
    parameters = signature.parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [word for word in list(parameters)[given:] if word != "self"]
    for word, value in settings.items():
        if word not in known and not open_ended:
            raise ConfigError(
                f"{name!r} ({kind}) has no setting {word!r}.{did_you_mean(word, known)} Possible: {one_of(known)}."
            )
        if word in parameters:
            _check_kind(f"{name!r} ({kind})", parameters[word], value)


def _check_kind(owner: str, parameter: inspect.Parameter, value: Any) -> None:
    """Raise ConfigError for a value that is not of the kind that its parameter is annotated with, or else of its
    default's: what a part makes of such a value is an error that names neither part nor setting."""
    default, annotation = parameter.default, parameter.annotation
    annotation = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    annotation = annotation.removesuffix(" | None")
    like = "" if default is None or default is parameter.empty else f", such as {default}"
    if annotation == "bool" or isinstance(default, bool):
        wrong, expected = not isinstance(value, bool) and value not in (0, 1), "true or false"
    elif annotation == "int":
        wrong, expected = isinstance(value, bool) or not isinstance(value, Integral), f"a whole number{like}"
    elif annotation == "float" or isinstance(default, int | float):
        wrong, expected = isinstance(value, str | list | tuple), f"a number{like}"
    elif annotation == "str":
        wrong, expected = not isinstance(value, str), f"a text{like}"
    elif isinstance(default, tuple | list) and default and all(type(each) is int for each in default):
        whole = isinstance(value, list | tuple) and all(type(each) is int and each > 0 for each in value)
        wrong, expected = not whole, f"a list of whole numbers above 0, such as {list(default)}"
    else:
        return
    if wrong and value is not None:
        shown = repr(value)
        raise ConfigError(f"{owner}: {parameter.name}={shown[:80]}; expected {expected}.")


def distinct(kind: str, parts: Iterable[Part]) -> tuple[Any, ...]:
    """The objects that some parts stand for; raises ConfigError where two have one name."""
    made = tuple(make(kind, part) for part in parts)
    for part in made:
        check_spelling(kind, part)
    names = [part.name for part in made]
    if len(set(names)) < len(names):
        raise ConfigError(f"{kind}={names}: you can give each name only once. Set its weight instead.")
    return made


def prior_of(prior: Part | str, latent_dim: int) -> Prior:
    """What z of a game is drawn from; raises ConfigError for settings that do not fit, UnknownNameError for a name."""
    return cast(Prior, make("priors", Part(prior) if isinstance(prior, str) else prior, latent_dim))


def open_backend(
    name: str | None, device: str, dtype: str, precision: str = "full", devices: int | str | None = None
) -> Backend:
    """The backend of that name on a device; by default the first that is installed, or of several processes that were
    started for one game, the first that shares it among them.

    devices: how many of that kind are to share each minibatch, or "all", where the backend has that in one process.
    """
    if name is None:
        installed = registry.names("backends")
        if not installed:
            raise ConfigError("No backend is installed. Type pip install 'gankit[torch]' or pip install 'gankit[jax]'.")
        name = installed[0] if launched() == 1 else next(_sharing(installed), installed[0])
    check_choice("dtype", dtype)
    kind = cast(Callable[..., Backend], registry.load("backends", name))
    settings = {} if precision == "full" else {"precision": precision}
    backend = kind(device=device, dtype=dtype, **settings, **_of_several(name, kind, devices))
    demand(backend, {dtype, precision} & {FLOAT64, *PRECISIONS}, f"dtype={dtype!r}, precision={precision!r}")
    if launched() > 1 and workers_of(backend.ops) is None:
        others = " or ".join(f"--backend {other}" for other in _sharing(registry.names("backends")))
        raise ConfigError(
            f"{launched()} workers were started (WORLD_SIZE), but on the {name} backend each of them would train the "
            f"whole game by itself. Start one process{f', or choose {others}' if others else ''}."
        )
    return backend


def _sharing(names: Iterable[str]) -> Iterator[str]:
    """Those of some backends that share a game among processes which were started together."""
    for name in names:
        with suppress(PluginError):  # one that cannot be loaded; `gankit doctor` says why
            if getattr(registry.load("backends", name), "started_together", False):
                yield name


def _of_several(name: str, kind: Callable[..., Backend], devices: int | str | None) -> dict[str, Any]:
    """The argument for several devices, as far as there is one; raises ConfigError where it cannot be."""
    if devices is None:
        return {}
    if isinstance(devices, str) and devices.isdecimal():
        devices = int(devices)
    if devices != "all" and (isinstance(devices, bool) or not isinstance(devices, int) or devices < 1):
        raise ConfigError(f"devices={devices!r}: expected a number of devices, or 'all'.")
    if "devices" not in inspect.signature(kind).parameters:
        raise ConfigError(
            f"devices={devices!r}: the {name} backend has one device in each process. On torch start one for each: "
            "torchrun --nproc-per-node 2 -m gankit train. On JAX: --backend jax --devices all."
        )
    return {"devices": devices}


def by_name(value: Any) -> Part | None:
    """The Part that says the same as an object of a class that is registered; None where no such Part can."""
    kind = type(value)
    target = f"{kind.__module__}:{kind.__qualname__}"
    name = next((row.name for row in registry.listing().rows if row.target == target), None)
    if name is None or not is_dataclass(kind):
        return None
    settings = {}
    for field in fields(kind):
        own = getattr(value, field.name)
        if field.init and own != field.default:
            settings[field.name] = plain = as_table(own)
            if not isinstance(plain, int | float | str | bool | Mapping):
                return None
    return Part(name, settings)


def _not_brought(kind: str, part: Part) -> str:
    field = {"losses": "loss", "optimizers": "generator_optimizer"}.get(kind, kind)
    made = f"{part.settings.get('class', 'Own')}(...)"
    return (
        f"This game was built with an object of somebody's own among its {kind}, which no checkpoint holds. Open it in "
        f"Python, with one like it: gankit.load(path, {field}={f'[{made}]' if field == kind else made})."
    )


def _as_part(value: Any) -> Part:
    if isinstance(value, Part):
        return value
    value = {"name": value} if isinstance(value, str) else value
    if not isinstance(value, Mapping) or "name" not in value:
        raise ConfigError(f"base={value!r}: expected a loss by its name, or a table with its name and settings.")
    return Part(value["name"], {name: setting for name, setting in value.items() if name != "name"})
