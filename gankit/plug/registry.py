"""Resolve parts by kind and name. Plugins are found on the first question; a part is imported when it is loaded."""

from __future__ import annotations

import importlib
import warnings
from functools import cache, reduce

from gankit.errors import PluginError, UnknownNameError, did_you_mean, one_of
from gankit.plug.discovery import DISABLE, GankitPluginWarning, Listing, Problem, discover
from gankit.plug.harm import unharmed
from gankit.plug.hookspecs import KINDS
from gankit.plug.isolation import Registered, describe, pressed, same_random_numbers, show, stdout_to_stderr

__all__ = [
    "GankitPluginWarning",
    "Listing",
    "Problem",
    "Registered",
    "listing",
    "load",
    "names",
    "problems",
    "refresh",
]

_ELSEWHERE: dict[str, dict[str, str]] = {  # extra of gankit: kind to names
    "torch": {"backends": "torch"},
    "jax": {"backends": "jax"},
    "mlx": {"backends": "mlx"},
    "classic": {
        "losses": "f-gan feature-matching hinge least-squares one-sided-smoothing",
        "penalties": "dragan lecam",
        "generators": "sngan",
        "discriminators": "sngan",
        "recipes": "sngan",
    },
    "relativistic": {
        "losses": "relativistic relativistic-average",
        "generators": "modern modern-small",
        "discriminators": "modern modern-small",
        "recipes": "modern modern-small modern-vectors",
    },
    "wasserstein": {
        "losses": "wasserstein",
        "penalties": "gradient-penalty",
        "constraints": "weight-clipping",
    },
    "wandb": {"loggers": "wandb"},
    "trackio": {"loggers": "trackio"},
}
KNOWN: dict[tuple[str, str], str] = {
    (kind, name): f"gankit[{extra}]"
    for extra, parts in _ELSEWHERE.items()
    for kind, names_ in parts.items()
    for name in names_.split()
}
"""What to `pip install` for parts that live in other distributions. A plugin's author may ask to be listed."""

FRAMEWORKS: dict[str, str] = {"torch": "torch", "jax": "jax", "jaxlib": "jax", "flax": "flax", "mlx": "mlx"}
"""Modules whose absence means that a framework is not installed, and what to `pip install` for each."""


def load(kind: str, name: str) -> object:
    """Import the part of that name: `load("losses", "hinge")`.

    Raises UnknownNameError when nothing installed provides it, and PluginError when two distributions do or when its
    target cannot be imported.
    """
    return _import(_only(kind, name))


def names(kind: str) -> tuple[str, ...]:
    """The names that `load` knows for a kind, sorted. Raises UnknownNameError for an unknown kind."""
    return tuple(sorted({row.name for row in _rows(kind)}))


def listing() -> Listing:
    """Every part and every problem, found once per process; `dataclasses.asdict` makes it ready for JSON."""
    return _found()


def problems() -> tuple[Problem, ...]:
    """The plugins that could not be used, wholly or in part."""
    return listing().problems


def refresh() -> None:
    """Look again at the next question: for a notebook in which a plugin was installed after gankit was imported."""
    importlib.invalidate_caches()
    _found.cache_clear()


@cache
def _found() -> Listing:
    return discover()


def _rows(kind: str) -> list[Registered]:
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) if isinstance(kind, str) else ""
        raise UnknownNameError(f"There is no kind of part {show(kind)}.{hint} Kinds: {one_of(KINDS)}.")
    return [row for row in listing().rows if row.kind == kind]


def _only(kind: str, name: str) -> Registered:
    """The one row of that name. Two are an error here and not earlier: a clash costs only those who use the name."""
    found = [row for row in _rows(kind) if row.name == name]
    rows = list({(row.distribution, row.target): row for row in found}.values())  # one part behind two entry points
    if not rows:
        raise UnknownNameError(_unknown(kind, name))
    if len(rows) > 1:
        raise PluginError(_ambiguous(rows))
    return rows[0]


def _unknown(kind: str, name: object) -> str:
    """What was asked, the closest name, what is installed, what to install, and what may be missing as it broke."""
    typed = name.lower().replace("_", "-") if isinstance(name, str) else ""
    elsewhere = [row.kind for row in listing().rows if row.name == typed and row.kind != kind]
    parts = [
        f"No {show(name)} among the {kind}.{did_you_mean(typed, names(kind))}",
        f"There is one among the {elsewhere[0]}." if elsewhere else "",
        f"Installed: {one_of(names(kind))}.",
        f"To get it: pip install '{KNOWN[kind, typed]}'." if (kind, typed) in KNOWN else "",
        f"Switched off by {DISABLE}: {', '.join(listing().disabled)}." if listing().disabled else "",
        f"Plugins with problems: {_few(problems())}." if problems() else "",
    ]
    return " ".join(part for part in parts if part)


def _few(found: tuple[Problem, ...], most: int = 3) -> str:
    more = f"; and {len(found) - most:,} more, see `gankit plugins`" if len(found) > most else ""
    return "; ".join(map(str, found[:most])) + more


def _ambiguous(rows: list[Registered]) -> str:
    sources = [f"{row.distribution} {row.version} ({row.entry_point}: {row.target})" for row in rows]
    text = f"{rows[0].name!r} among the {rows[0].kind} is provided by {' and by '.join(sources)}."
    if len({row.distribution for row in rows}) == 1:
        return f"{text} Its author must rename one of them."
    return f"{text} Uninstall one, or switch it off: {DISABLE}={rows[-1].distribution}"


def _import(row: Registered) -> object:
    module, _, attribute = row.target.partition(":")
    harm: list[str] = []
    try:
        with stdout_to_stderr(), same_random_numbers(), unharmed(harm):
            part = reduce(getattr, attribute.split("."), importlib.import_module(module))
        for each in harm if row.distribution != "gankit" else ():
            said = f"importing {row.name!r} among the {row.kind} {each}, which was undone"
            problem = Problem(row.distribution, row.version, row.entry_point, said)
            warnings.warn_explicit(f"gankit plugin {problem}", GankitPluginWarning, "gankit", 0, module="gankit")
        return part
    except BaseException as error:  # SystemExit too: a plugin's failure is no reason for the user's program to end
        if pressed(error):
            raise
        source = f"{row.target!r} of {row.distribution} {row.version}"
        text = f"{row.name!r} among the {row.kind} is {source}, which cannot be imported: {describe(error)}."
        raise PluginError(text + _install_hint(error)) from error


def _install_hint(error: BaseException) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return f" To get it: pip install {FRAMEWORKS[missing]}" if missing in FRAMEWORKS else ""
