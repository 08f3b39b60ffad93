"""Whether what a plugin's target makes is a part of its kind: said in one line that names both, at the first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gankit.errors import GankitError, PluginError
from gankit.plug import registry
from gankit.plug.isolation import describe, pressed, show
from gankit.plug.spelling import SAYS

CALLED = "__call__"
METHODS: Mapping[str, tuple[str, ...]] = {
    "losses": ("discriminator", "generator"),
    "penalties": (CALLED,),
    "constraints": (CALLED,),
    "augmentations": (CALLED,),
    "conditions": (CALLED,),
    "priors": ("draw", "confined"),
    "optimizers": ("numbers",),
    "loggers": ("start", "log", "finish"),
    "extractors": ("open",),
    "metrics": (CALLED,),
}
"""What the game calls of each kind of part (`gankit.interfaces`)."""
READ: Mapping[str, tuple[str, ...]] = {
    "conditions": ("ports", "noise"),
    "priors": ("width", "layers"),
    "extractors": ("name", "shape", "num_features", "num_classes"),
    "metrics": ("name",),
    "optimizers": ("slots",),
}
"""What it reads, beside what `spelling.SAYS` has."""


@contextmanager
def named(kind: str, name: str) -> Iterator[None]:
    """Turn what a stranger's part raises into one line that says whose it is; gankit's own errors stay, and so do
    those of its own parts, which are defects to be seen whole."""
    try:
        yield
    except GankitError:
        raise
    except BaseException as error:
        if pressed(error) or (whose := origin(kind, name)) is None:
            raise
        raise PluginError(f"{whose}, which cannot be used: {describe(error)}.") from error


def require_part(kind: str, name: str, made: Any) -> Any:
    """`made`; raises PluginError, naming the distribution, where it is no part of that kind."""
    whose = origin(kind, name)
    if whose is None or kind not in METHODS:
        return made
    for method in METHODS[kind]:
        if not callable(_read(whose, made, method)):
            what = "cannot be called" if method == CALLED else f"has no {method}()"
            article = "an" if type(made).__name__[0].lower() in "aeiou" else "a"
            said = f"{whose}, which makes {article} {type(made).__name__}, {show(made)}: it {what}, and is none of them"
            raise PluginError(f"{said}. See docs/write-a-part.md for what one has to have.")
    for attribute in (*SAYS.get(kind, ()), *READ.get(kind, ())):
        _read(whose, made, attribute)
    return made


def origin(kind: str, name: str) -> str | None:
    """`'mine' among the losses is 'my.module:Loss' of my-plugin 1.0`; None for what is gankit's own, or nobody's."""
    rows = [row for row in registry.listing().rows if (row.kind, row.name) == (kind, name)]
    if not rows or rows[0].distribution == "gankit":
        return None
    row = rows[0]
    return f"{name!r} among the {kind} is {row.target!r} of {row.distribution} {row.version}"


def _read(whose: str, made: Any, attribute: str) -> Any:
    """What it has under that name, None where nothing; a stranger's property may raise anything."""
    try:
        return getattr(made, attribute, None)
    except BaseException as error:
        if pressed(error):
            raise
        raise PluginError(f"{whose}, whose {attribute!r} raises {describe(error)}.") from error
