"""What a part may say of itself beside its methods. Misspelt, it would be passed over, and the game another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from gankit.errors import ConfigError, did_you_mean, one_of

SAYS: Mapping[str, tuple[str, ...]] = {
    "losses": ("generator_needs_real", "conditional", "needs_mismatched", "pairs_examples"),
    "penalties": ("name", "player", "every", "weight", "memory", "slopes_at", "needs"),
    "constraints": ("name", "player"),
}
"""The attributes that the game reads of each kind of part (`gankit.interfaces`)."""
LIKE = 0.85
"""How like one of these a name must be to be taken for it: `needs_mismatch` is, at 0.93, and `height` is not."""


def check_spelling(kind: str, part: Any) -> None:
    """Raises ConfigError where a part has an attribute that is one of those but for a letter or two."""
    known = SAYS[kind]
    own = {name for name in (*dir(type(part)), *getattr(part, "__dict__", ())) if not name.startswith("_")}
    for name in sorted(own - set(known)):
        meant = get_close_matches(name, [one for one in known if one not in own], n=1, cutoff=LIKE)
        if meant:
            raise ConfigError(
                f"{type(part).__name__} ({kind}) has an attribute {name!r}, which gankit does not read. Did you "
                f"mean {meant[0]!r}? A part may have: {', '.join(known)}. If {name!r} is something else, give it "
                "a name that is less similar."
            )
    base = getattr(part, "base", None)
    if kind == "losses" and base is not None:
        check_spelling(kind, base)


CLASSES = "classes"
"""What a term needs that looks at the classes that D tells."""
TELLS_NONE = (
    "this discriminator predicts no classes. Choose one that does, such as discriminator='k-class', or end your own "
    "network in gankit.layers.ClassesHead."
)


def check_needs(
    terms: Iterable[Any],
    names: Iterable[str],
    conditions: Iterable[str] = (),
    tells_classes: Callable[[], bool] = lambda: False,
) -> None:
    """Raises ConfigError where a term needs what no game has, or what this one has not: names are those of its further
    sources and of its players; tells_classes: whether its D does."""
    conditions = tuple(conditions)
    possible = ("real", *(["given"] if conditions else []), *names)
    for term in terms:
        for need in getattr(term, "needs", ()):
            if need == CLASSES:
                if not tells_classes():
                    raise ConfigError(f"{term.name!r} looks at classes, and {TELLS_NONE}")
                continue
            if need == "given" and not conditions:
                raise ConfigError(
                    f"{term.name!r} needs conditions, and this game has none. Pass them with the data, "
                    "data=(x, {name: condition}), or compute them from the examples: given=['downsample']."
                )
            if need not in possible:
                raise ConfigError(
                    f"{term.name!r} needs {need!r}, which this game lacks.{did_you_mean(need, possible)} It has "
                    f"{one_of(possible)}. Add data with sources={{{need!r}: ...}}, or a player with players."
                )
