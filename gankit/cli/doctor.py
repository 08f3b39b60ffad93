"""`gankit doctor`: look at each piece the way a user would use it, and say what to type where one does not work."""

from __future__ import annotations

import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gankit import __version__
from gankit.errors import ConfigError, GankitError, PluginError
from gankit.play.workers import several
from gankit.plug import registry
from gankit.plug.discovery import LONG, Slow
from gankit.plug.isolation import describe
from gankit.plug.launched import launched
from gankit.plug.registry import Problem

Say = Callable[[str], None]

STEPS = 2


def examine(say: Say) -> bool:
    """Print one line for each thing looked at; False when something that is installed is broken.

    Started by torchrun it looks at the workers instead, and the first one prints.
    """
    if launched() > 1 and os.environ["RANK"] != "0":
        say = lambda text: None  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", registry.GankitPluginWarning)
        slow: list[Slow] = [*registry.listing().slow]
        problems = [*registry.problems(), *_unusable(slow)]
    say(f"python {platform.python_version()}   gankit {__version__}   numpy {np.__version__}   {platform.system()}")
    if launched() > 1:
        return _workers(say)
    healthy = _backends(say)
    _data(say)
    _pictures(say)
    for problem in problems:
        say(f"plugin    BROKEN  {problem}")
    for each in slow:
        say(f"plugin    slow    {each}")
    if broken := list(dict.fromkeys(problem.distribution for problem in problems)):
        say(f"          Reinstall: pip install -U {' '.join(broken)}")
        say(f"          Or switch off: GANKIT_DISABLE_PLUGINS={','.join(broken)}")
    say("Everything works." if healthy and not problems else "Something does not work; see above.")
    return healthy and not problems


def _unusable(slow: list[Slow]) -> Iterator[Problem]:
    """Parts of third parties that are listed and cannot be had: they fail when they are imported or made, break
    something else, or two have one name. Those that take long are added to `slow`.

    Backends are not among them; they are looked at more closely.
    """
    for row in dict.fromkeys(replace(row, summary="", target="") for row in registry.listing().rows):
        if row.distribution == "gankit" or row.kind == "backends":
            continue
        begun = time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", registry.GankitPluginWarning)
                registry.load(row.kind, row.name)
            if (took := time.perf_counter() - begun) > LONG:
                what = f"{row.name!r} among the {row.kind}"
                slow.append(Slow(row.distribution, row.version, row.entry_point, round(took, 1), what))
            for each in told:
                if each.category is registry.GankitPluginWarning:
                    yield Problem(row.distribution, row.version, row.entry_point, str(each.message).split("): ", 1)[-1])
        except PluginError as error:
            cause = error.__cause__
            what = f"{row.name!r} among the {row.kind} cannot be imported: "
            said = str(error) if cause is None else what + describe(cause)
            yield Problem(row.distribution, row.version, row.entry_point, said)
            continue
        try:
            if row.kind in ALONE:
                _make(row)
        except PluginError as error:
            yield Problem(row.distribution, row.version, row.entry_point, str(error))


ALONE = ("losses", "penalties", "constraints", "optimizers", "metrics", "extractors")
"""Kinds of which a part can be made without a game, and does nothing by being made."""


def _make(row: registry.Registered) -> None:
    """Make the part as a game would; raises PluginError where what is made is none."""
    from gankit.config import Part
    from gankit.plug.making import make

    try:
        make(row.kind, Part(row.name))
    except PluginError:
        raise
    except GankitError:
        return  # it wants settings


def _backends(say: Say) -> bool:
    installed = registry.names("backends")
    known = {name: extra for (kind, name), extra in registry.KNOWN.items() if kind == "backends"}
    for name in sorted(known.keys() - set(installed)):
        say(f"{name:<9} not installed; to get it: pip install '{known[name]}'")
    working = [_works(say, name) for name in installed]
    if not installed:
        say("          You need a backend to train.")
    return bool(installed) and all(working)


def _works(say: Say, name: str) -> bool:
    """Import a backend and train for a moment, as `gankit train` would."""
    from gankit.building import build

    started = time.perf_counter()
    try:
        trainer: Any = build(backend=name, data="digits")
        trainer.fit(steps=STEPS)
        finite = bool(np.isfinite(trainer.score(np.zeros((1, 8, 8, 1), np.uint8))).all())
        if not finite:
            raise GankitError("its numbers are not finite")
    except Exception as error:  # whatever a broken framework may raise is what we are here to tell
        reason = str(error).partition("\n")[0] or type(error).__name__
        extra = registry.KNOWN.get(("backends", name), f"gankit-{name}")
        say(f"{name:<9} BROKEN  {reason}\n          Reinstall it: pip install -U --force-reinstall '{extra}'")
        return False
    seconds = time.perf_counter() - started
    versions = ", ".join(f"{package} {version}" for package, version in trainer.backend.versions.items())
    took = f"{STEPS} steps on the digits in {seconds:.1f} s, including the start"
    say(f"{name:<9} works   {versions}; device {trainer.backend.device}; {took}")
    return True


SENT = 2**24
"""Numbers in the message by which workers are timed: 64 MB of float32."""


def _workers(say: Say) -> bool:
    """Who was started beside this process, each with its device, and how fast they average; the first one tells."""
    from gankit.plug.making import open_backend

    healthy = found = False
    for name in registry.names("backends"):
        try:
            backend = open_backend(name, "auto", "float32")
        except ConfigError:  # it plays as one process, and says so
            continue
        workers = several(backend.ops)
        if workers is None:
            continue
        devices = workers.everybody(backend.device)
        x = {"x": backend.ops.asarray(np.ones(SENT, np.float32))}
        workers.averaged(x)
        begun = time.perf_counter()
        averaged = backend.ops.to_numpy(workers.averaged(x)["x"][:1])
        seconds = time.perf_counter() - begun
        if workers.rank == 0:
            each = ", ".join(f"{rank}: {device}" for rank, device in enumerate(devices))
            say(f"{name:<9} {workers.count} workers   {each}")
            say(f"          {SENT * 4 / 2**20:.0f} MB averaged in {seconds:.3f} s, {SENT * 4 / seconds / 1e9:.2f} GB/s")
        healthy, found = bool(averaged[0] == 1.0), True
    if not found:
        say(f"{launched()} processes were started together, but no installed backend can use several.")
    return healthy


def _pictures(say: Say) -> None:
    """Where decoded pictures are kept, and how many bytes of them."""
    from gankit.data import cache

    root = cache.place()
    if root is None:
        say(f"cache     off ({cache.PLACE}); decoded images are not kept")
        return
    held = cache.taken(root) if root.is_dir() else 0
    say(f"cache     {root}: {held / 1e9:.1f} of {cache.limit() / 1e9:,.0f} GB of decoded images")


def _data(say: Say) -> None:
    """Where MNIST would come from; nothing is downloaded to find out."""
    from gankit.data import mnist

    root = os.environ.get(mnist.FOLDER_VARIABLE)
    if not root:
        say(f"data      {mnist.FOLDER_VARIABLE} is not set: MNIST is downloaded when you first use it (gankit[fetch])")
        return
    names = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    for folder in (Path(root).expanduser() / "mnist", Path(root).expanduser()):
        if all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in names):
            say(f"data      {mnist.FOLDER_VARIABLE}={root}: MNIST is there")
            return
    say(f"data      {mnist.FOLDER_VARIABLE}={root}: no MNIST; put its four idx files in {Path(root) / 'mnist'}")
