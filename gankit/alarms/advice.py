"""What an alarm says: what was seen, the likely cause, and what to type. Only settings and parts that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gankit.alarms.objective import Objective
from gankit.alarms.watch import COLLAPSE, NOT_FINITE, RUNAWAY, WINS, Look
from gankit.config import Config

NAMES_SHOWN = 4
HIGHEST = 0.01
"""The highest learning rate that is advised: a tenth of one that is out of all measure is no better."""


@dataclass(frozen=True)
class Findings:
    """What is looked up once an alarm is raised, because it costs more than a look.

    last_finite: the last step whose terms were all finite; None where none was seen.
    parameters: those of each player that are not finite, and how many it has.
    data: whether real examples are not finite.
    ema_spread: the spread of samples from the moving average of G.
    wins: whether D has won as well.
    """

    last_finite: int | None = None
    parameters: Mapping[str, tuple[Sequence[str], int]] | None = None
    data: bool = False
    ema_spread: float | None = None
    wins: bool = False


def explain(name: str, look: Look, config: Config, game: Objective | None, found: Findings) -> tuple[str, list[str]]:
    """(what was seen and why it may be, what to try, the best first)."""
    what, tries = {
        NOT_FINITE: (_not_finite, _for_not_finite),
        RUNAWAY: (_runaway, _for_runaway),
        COLLAPSE: (_collapse, _for_collapse),
        WINS: (_wins, _for_wins),
    }[name]
    return what(look, config, game, found), list(tries(look, config, game, found))


# ---- what was seen


def _not_finite(look: Look, config: Config, game: Objective | None, found: Findings) -> str:
    since = "since the first check" if found.last_finite is None else f"all was finite at step {found.last_finite:,}"
    broken = [_parameters(role, *entry) for role, entry in (found.parameters or {}).items() if entry[0]]
    where = f" Broken: {'; '.join(broken)}." if broken else " All parameters are still finite."
    cause = " The data itself is not finite." if found.data else ""
    return f"{_listed(look.broken)} NaN or infinite ({since}).{where}{cause}"


def _runaway(look: Look, config: Config, game: Objective | None, found: Findings) -> str:
    text = f"{look.term} diverges: its size is {look.size:.3g}."
    if game is not None and game.won is None:
        return f"{text} {config_loss(config)} has no minimum. It stays in bounds only if a penalty keeps D smooth."
    return f"{text} Usually the learning rates are too high."


def _collapse(look: Look, config: Config, game: Objective | None, found: Findings) -> str:
    seen = [
        f"their spread is {look.spread:.1%} of that of the data" if look.spread is not None else "",
        f"their nearest neighbours are {look.nearest:.1%} as far away as real ones" if look.nearest is not None else "",
    ]
    text = f"the samples collapse (the Helvetica scenario): {' and '.join(filter(None, seen))}."
    if found.ema_spread is not None:
        still = "still varies" if found.ema_spread > 0.5 else "collapses too"
        text += f" The moving average of G, which samples are drawn from, {still} ({found.ema_spread:.0%})."
    return text + (" D has also won, so it hardly guides G back." if found.wins else "")


def _wins(look: Look, config: Config, game: Objective | None, found: Findings) -> str:
    assert game is not None and look.advantage is not None
    text = f"D wins: it tells real from fake almost without error ({look.advantage:.1%} of the way to its best loss)."
    if look.left is not None and look.left < 0.1:
        return f"{text} G's objective saturates: its slope is {look.left:.2%} of that when D cannot tell."
    return f"{text} Its gradient may no longer help G: if real and fake are far apart, D is flat between them."


def _parameters(role: str, names: Sequence[str], total: int) -> str:
    if len(names) == total:
        return f"all {total} parameters of the {role}"
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more} of the {role}'s {total}"


def _listed(names: Sequence[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"


# ---- what to try


def _for_not_finite(look: Look, config: Config, game: Objective | None, found: Findings) -> Iterator[str]:
    if found.data:
        yield "clean the data: look for NaN where it is read and scaled"
        return
    yield from _slower(config, "generator", "discriminator")
    if not config.gradient_clip:
        yield "--set gradient_clip=1.0"
    if config.precision != "full":
        yield "--set precision=full"


def _for_runaway(look: Look, config: Config, game: Objective | None, found: Findings) -> Iterator[str]:
    if game is not None and game.won is None and not config.penalties and not config.constraints:
        yield "--penalty gradient-penalty (pip install 'gankit[wasserstein]')"
    yield from _slower(config, "generator", "discriminator")
    if not config.gradient_clip:
        yield "--set gradient_clip=1.0"


def _for_collapse(look: Look, config: Config, game: Objective | None, found: Findings) -> Iterator[str]:
    yield from _penalised(config)
    yield from _slower(config, "generator")
    yield f"--set batch_size={2 * config.batch_size}"
    if "relativistic" not in config_loss(config):
        yield "--loss relativistic (pip install 'gankit[relativistic]')"


def _for_wins(look: Look, config: Config, game: Objective | None, found: Findings) -> Iterator[str]:
    if look.left is not None and look.left < 0.1:
        yield "--loss non-saturating"
    yield from _penalised(config)
    if config.k > 1:
        yield "--set k=1"
    yield from _slower(config, "discriminator")
    yield "more data, or augmentations, if you have only a few thousand examples"


def _penalised(config: Config) -> Iterator[str]:
    """A gradient penalty does more than anything else here; where there is one, a heavier one."""
    weights = {part.name: part.settings.get("weight") for part in config.penalties}
    ours = [name for name in ("r1", "r2") if name in weights]
    if not weights:
        yield "--penalty r1 --penalty r2"
    elif ours:
        yield f"a heavier {' and '.join(ours)}, such as ten times the weight"


def _slower(config: Config, *roles: str) -> Iterator[str]:
    """A tenth of the learning rate of each player."""
    for role in roles:
        lr = getattr(config, f"{role}_optimizer").settings.get("lr")
        if not isinstance(lr, int | float):  # a schedule, or the optimizer's own default
            yield f"a lower {role}_optimizer.lr"
        elif lr > 0:
            yield f"--set {role}_optimizer.lr={min(lr / 10, HIGHEST):.6g}"


def config_loss(config: Config) -> str:
    """The name of the loss that is played, inside of a conditional one."""
    base: Any = config.loss.settings.get("base") if config.conditional else None
    return str(base["name"] if isinstance(base, Mapping) else base) if base else config.loss.name
