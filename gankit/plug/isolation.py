"""Read one plugin at arm's length: whatever it raises, prints or answers becomes one harmless line of text."""

from __future__ import annotations

import inspect
import itertools
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, TextIO, TypeVar, cast

import pluggy

from gankit.errors import PluginError, did_you_mean
from gankit.plug.harm import unharmed
from gankit.plug.hookspecs import GROUP, KINDS, OLDEST_API, PLUGIN_API, Entry, Specs

T = TypeVar("T")

MAX_RECORDS = 10_000
"""No plugin has so many parts: a hook that yields more never ends."""

_HOOKS = tuple(f"gankit_{kind}" for kind in KINDS)
_NAME = re.compile(r"[a-z0-9-]+")
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Registered:
    """One part that can be loaded, and where it comes from."""

    kind: str
    name: str
    summary: str
    distribution: str
    version: str
    entry_point: str
    target: str


@dataclass(frozen=True)
class Source:
    """A plugin before it is imported."""

    distribution: str
    version: str
    entry_point: str
    load: Callable[[], object]
    builtin: bool = False


def read(source: Source, taken: frozenset[tuple[str, str]]) -> tuple[list[Registered], list[PluginError]]:
    """The rows of one plugin and everything that is wrong with it; raises nothing but KeyboardInterrupt."""
    rows: dict[tuple[str, str, str], Registered] = {}  # the same record twice in one plugin is one part
    errors: list[PluginError] = []
    harm: list[str] = []
    with unharmed(harm), collecting(errors):
        for hook, impl in _implementations(source, errors):
            kind = hook.removeprefix("gankit_")
            with collecting(errors, f"{hook} is dropped: "):
                for record in _records(impl):
                    with collecting(errors, f"{hook}: "):
                        row = _row(source, kind, record, taken)
                        rows[kind, row.name, row.target] = row
    errors += [PluginError(f"being imported it {each}, which was undone") for each in harm]
    return list(rows.values()), errors


def _implementations(source: Source, errors: list[PluginError]) -> list[tuple[str, pluggy.HookImpl]]:
    """Import and register one plugin; each has its own manager, so none can spoil another's registration."""
    plugin = source.load()
    if isinstance(plugin, type):
        plugin = plugin()
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Specs)
    manager.register(plugin, name=f"{source.distribution}:{source.entry_point}")
    found = [(hook, impl) for hook, caller in vars(manager.hook).items() for impl in caller.get_hookimpls()]
    errors += _misnamed([hook for hook, impl in found if not impl.optionalhook])
    errors += _unmarked(plugin, {hook for hook, _ in found})
    if not found and not errors:
        raise PluginError("no function in it is marked with @gankit.hookimpl")
    return [(hook, impl) for hook, impl in found if hook in _HOOKS]


def _misnamed(hooks: Iterable[str]) -> list[PluginError]:
    unknown = [hook for hook in hooks if hook not in _HOOKS]
    return [PluginError(f"there is no hook {hook!r}.{did_you_mean(hook, _HOOKS)}") for hook in unknown]


def _unmarked(plugin: object, marked: set[str]) -> list[PluginError]:
    """pluggy passes over a function without its marker in silence, and the author wonders where the part is."""
    rest = {hook: getattr(plugin, hook, None) for hook in _HOOKS if hook not in marked}
    forgotten = [hook for hook, found in rest.items() if callable(found) and not hasattr(found, f"{GROUP}_spec")]
    return [PluginError(f"{hook} lacks the marker @gankit.hookimpl") for hook in forgotten]


def _records(impl: pluggy.HookImpl) -> list[object]:
    """All records of one hook or, when it fails on the way, none: half a plugin is harder to understand than none."""
    if impl.wrapper or impl.hookwrapper:
        raise PluginError("a hook wrapper cannot provide parts")
    result: Any = impl.function()
    if inspect.iscoroutine(result):
        result.close()  # else Python warns, at some later time, that nobody awaited it
    if isinstance(result, Entry):
        raise PluginError("it returns a single Entry; yield it, or return it in a list")
    if isinstance(result, str | bytes | dict) or not hasattr(type(result), "__iter__"):
        raise PluginError(f"it returns {type(result).__name__}, not an iterable of Entry")
    records = list(itertools.islice(result, MAX_RECORDS + 1))
    if len(records) > MAX_RECORDS:
        raise PluginError(f"it yields more than {MAX_RECORDS:,} records")
    return records


def _row(source: Source, kind: str, record: object, taken: frozenset[tuple[str, str]]) -> Registered:
    """Check one record; it is dropped alone, so that one slip does not cost a user the rest of the plugin."""
    if not isinstance(record, Entry):
        raise PluginError(f"a record is {type(record).__name__}, not gankit.Entry")
    name, target, summary = record.name, record.target, record.summary
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"the name {show(name)} must be a string of a-z, 0-9 and '-'")
    _check_api(source, kind, name, record.api)
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise PluginError(f"the target {show(target)} of {name!r} must read 'package.module:attribute'")
    if not isinstance(summary, str):
        raise PluginError(f"the summary {show(summary)} of {name!r} must be a string")
    if (kind, name) in taken:
        raise PluginError(f"{name!r} is the name of a built-in part; the plugin must use another name")
    return Registered(kind, name, one_line(summary), source.distribution, source.version, source.entry_point, target)


def _check_api(source: Source, kind: str, name: str, api: object) -> None:
    if not isinstance(api, int) or isinstance(api, bool):
        raise PluginError(f"the api {show(api)} of {name!r} must be an integer such as {PLUGIN_API}")
    if not OLDEST_API.get(kind, 1) <= api <= PLUGIN_API:
        older = "gankit" if api > PLUGIN_API else source.distribution
        raise PluginError(f"{name!r} is for plugin API {api}, but this gankit has {PLUGIN_API}: upgrade {older}")


# --- words that are safe to print, whatever a plugin's objects do


@contextmanager
def collecting(errors: list[PluginError], prefix: str = "") -> Iterator[None]:
    """Turn whatever the block raises into an entry of `errors`: a plugin's SystemExit must not end the user's run."""
    try:
        yield
    except BaseException as error:
        if pressed(error):
            raise
        collected = PluginError(prefix + describe(error))
        collected.__cause__ = error
        errors.append(collected)


def pressed(error: BaseException) -> bool:
    """Whether an error is somebody's Ctrl-C. On the command line, which hears signals, another is the plugin's own."""
    from gankit.play.interrupt import current

    return isinstance(error, KeyboardInterrupt) and ((asked := current()) is None or asked.number is not None)


def describe(error: BaseException) -> str:
    """`ImportError: what it said` on one line; our own errors speak for themselves, without their type."""
    kind = one_line(type(error).__name__)
    text = safely(lambda: one_line(str(error)), "(its message cannot be read)")
    return text if type(error) is PluginError else f"{kind}: {text}" if text else kind


def show(value: object) -> str:
    """`repr`, short, on one line, and harmless when the object's own raises."""
    return one_line(safely(lambda: repr(value), f"<{type(value).__name__}, whose repr fails>"), limit=80)


def one_line(text: str, limit: int = 500) -> str:
    """Collapse blanks and drop control characters, which could redraw the terminal of whoever lists plugins."""
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Lent:
    """A stream that whoever it is lent to cannot close."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def close(self) -> None:
        """It is somebody else's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def stdout_to_stderr() -> AbstractContextManager[object]:
    """Keep a plugin's prints out of what the user pipes; nested uses must not restore stderr *as* stdout."""
    nested = sys.stdout is sys.stderr or isinstance(sys.stdout, Lent)
    return nullcontext() if nested else redirect_stdout(cast(TextIO, Lent(sys.stderr)))


@contextmanager
def at_arms_length() -> Iterator[None]:
    """While strangers are asked what they bring: what they do to streams, warnings and random numbers is undone."""
    lent = cast(TextIO, Lent(sys.stderr))
    with stdout_to_stderr(), redirect_stderr(lent), same_random_numbers(), warnings.catch_warnings():
        yield


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Leave Python's and NumPy's global generators as they were: a user's seeded script must not depend on imports.

    Importing jax draws from NumPy's, flax from Python's.
    """
    pythons, numpy = random.getstate(), sys.modules.get("numpy")
    numpys = None if numpy is None else numpy.random.get_state()
    try:
        yield
    finally:
        random.setstate(pythons)
        if numpy is not None:
            numpy.random.set_state(numpys)


def safely(read: Callable[[], T], otherwise: T) -> T:
    """Ask a stranger's object for something it may not be able to give."""
    try:
        return read()
    except KeyboardInterrupt:
        raise
    except BaseException:
        return otherwise
