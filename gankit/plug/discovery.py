"""Find every plugin and read what it provides, so that a broken one is a line of text and nobody's crash.

pluggy's own loader is not used: it stops at the first plugin that fails, drops the second of two distributions whose
entry points share a name, and lets one raising hook end the call of all the others.
"""

from __future__ import annotations

import importlib
import os
import re
import time
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions, version

from gankit.errors import PluginError
from gankit.plug.hookspecs import GROUP, KINDS
from gankit.plug.isolation import Registered, Source, at_arms_length, describe, one_line, read, safely

DISABLE = "GANKIT_DISABLE_PLUGINS"
"""`1` or `all`: no third party at all. Otherwise names of distributions, separated by commas."""

STRICT = "GANKIT_STRICT_PLUGINS"
"""`1`: the first problem raises, with the plugin's own traceback. For plugin authors and CI."""

LONG = 1.0
"""Seconds that a plugin may take to be imported before it is named."""

_GROUP_HEADER = re.compile(rf"^\s*\[\s*{GROUP}\s*\]", re.MULTILINE)
_searching: ContextVar[bool] = ContextVar("gankit_searching", default=False)


class GankitPluginWarning(UserWarning):
    """A plugin is installed and cannot be used, wholly or in part."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one plugin, in one line."""

    distribution: str
    version: str
    entry_point: str
    error: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} (entry point {self.entry_point!r}): {self.error}"


@dataclass(frozen=True)
class Slow:
    """A plugin that everybody waits for, whatever part they want; or one of its parts, `what`, for whoever uses it."""

    distribution: str
    version: str
    entry_point: str
    seconds: float
    what: str = "it"

    def __str__(self) -> str:
        return (
            f"{self.distribution} {self.version} (entry point {self.entry_point!r}): importing {self.what} took "
            f"{self.seconds:.1f} s. Its author should import what is heavy where it is used."
        )


@dataclass(frozen=True)
class Listing:
    """Everything that discovery found: what works, what does not, what the user switched off, what is slow."""

    rows: tuple[Registered, ...]
    problems: tuple[Problem, ...]
    disabled: tuple[str, ...] = ()
    slow: tuple[Slow, ...] = ()


def discover() -> Listing:
    """Import every plugin that is not switched off and ask each for its records; no target is imported.

    Raises PluginError when `GANKIT_STRICT_PLUGINS` is set and something is wrong, or when a plugin calls this.
    """
    if _searching.get():  # otherwise a hook that lists parts would call itself without end
        raise PluginError("it asks for gankit's parts while gankit looks for plugins; ask when a part is used")
    token = _searching.set(True)
    try:
        with at_arms_length():
            found = _discover()
    finally:
        _searching.reset(token)
    for problem in found.problems:  # no line of the user's is at fault, so none is shown: a problem is one line
        warnings.warn_explicit(f"gankit plugin {problem}", GankitPluginWarning, "gankit", 0, module="gankit")
    return found


def _discover() -> Listing:
    sources, disabled = _enabled(third_parties())
    rows: list[Registered] = []
    problems: list[Problem] = []
    slow: list[Slow] = []
    taken: frozenset[tuple[str, str]] = frozenset()
    for source in (_builtin(), *sources):
        begun = time.perf_counter()
        found, errors = read(source, taken)
        if (took := time.perf_counter() - begun) > LONG and not source.builtin:
            slow.append(Slow(source.distribution, source.version, source.entry_point, round(took, 1)))
        rows += found
        if source.builtin:
            taken = frozenset((row.kind, row.name) for row in found)
        if errors:
            problem = Problem(source.distribution, source.version, source.entry_point, _join(errors))
            if _switched_on(STRICT):
                raise PluginError(f"gankit plugin {problem}") from (errors[0].__cause__ or errors[0])
            problems.append(problem)
    rows.sort(key=lambda row: (KINDS.index(row.kind), row.name, row.distribution, row.entry_point))
    return Listing(tuple(rows), tuple(problems), disabled, tuple(slow))


def _builtin() -> Source:
    """Core's own parts: the same road as a stranger's, so that the road is known to work."""
    own_version = safely(lambda: version("gankit"), "unknown")
    return Source(
        "gankit", own_version, "builtin", lambda: importlib.import_module("gankit.plug.builtin"), builtin=True
    )


def third_parties() -> list[Source]:
    """Plugins in the entry-point group `gankit`, by distribution and entry point.

    Distributions are read one by one because `importlib.metadata.entry_points` fails as a whole when any one of them
    has a malformed file. A distribution listed twice (an editable install and its stale egg-info) counts once: the
    first on `sys.path`, whose code Python imports.
    """
    first: dict[str, Distribution] = {}
    for dist in distributions():
        if _names_us(dist):
            first.setdefault(normalise(_name_of(dist)), dist)
    return [source for key in sorted(first) for source in _sources(first[key])]


def _names_us(dist: Distribution) -> bool:
    text = safely(lambda: _entry_points_text(dist), None)
    return bool(text and _GROUP_HEADER.search(text))


def _entry_points_text(dist: Distribution) -> str | None:
    try:
        return dist.read_text("entry_points.txt")
    except UnicodeDecodeError as error:  # its author will want to know
        return error.object.decode("latin-1")


def _sources(dist: Distribution) -> list[Source]:
    name, number = _name_of(dist), one_line(safely(lambda: dist.version, None) or _folder(dist)[1])
    try:
        points = sorted(dist.entry_points.select(group=GROUP), key=lambda point: point.name)
    except Exception as error:
        return [Source(name, number, "entry_points.txt", _raiser(error))]
    return [Source(name, number, one_line(point.name), point.load) for point in points]


def _enabled(sources: list[Source]) -> tuple[list[Source], tuple[str, ...]]:
    """Split off the distributions that the user switched off; they are not imported."""
    asked = os.environ.get(DISABLE, "").strip()
    every = asked.lower() in {"1", "all", "true", "yes"}
    named = {normalise(name.strip()) for name in asked.split(",")}
    off = {source.distribution for source in sources if every or normalise(source.distribution) in named}
    return [source for source in sources if source.distribution not in off], tuple(sorted(off))


def normalise(name: str) -> str:
    """A distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _name_of(dist: Distribution) -> str:
    return one_line(safely(lambda: dist.metadata["Name"], None) or _folder(dist)[0])


def _folder(dist: Distribution) -> tuple[str, str]:
    """(name, version) by the name of its folder, `name-version.dist-info`, where METADATA does not tell."""
    name, _, rest = getattr(getattr(dist, "_path", None), "name", "").partition("-")
    return name.replace("_", "-") or "unknown", rest.rpartition(".")[0] or "unknown"


def _join(errors: list[PluginError], most: int = 3) -> str:
    more = f"; and {len(errors) - most:,} more" if len(errors) > most else ""
    return "; ".join(describe(error) for error in errors[:most]) + more


def _switched_on(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in {"", "0", "false", "no"}


def _raiser(error: Exception) -> Callable[[], object]:
    def load() -> object:
        raise error

    return load
