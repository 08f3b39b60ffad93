"""From looks at a run to alarms: a fold without a clock, which a resumed run repeats from its own log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gankit.runs.lines import number

COLLAPSE, WINS, RUNAWAY, NOT_FINITE = "collapse", "discriminator-wins", "runaway", "not-finite"


@dataclass(frozen=True)
class Look:
    """What was seen of a run after one step; None is what was not looked at, or does not apply.

    broken: the terms that are NaN or infinite, and "samples" where these are.
    term, size: the term of the greatest absolute value, and that value.
    advantage, left: of D, and to G; see `gankit.alarms.objective.Objective`.
    spread, nearest: of samples beside the data's; see `gankit.alarms.variety.Variety`.
    """

    step: int
    broken: tuple[str, ...] = ()
    term: str | None = None
    size: float | None = None
    advantage: float | None = None
    left: float | None = None
    spread: float | None = None
    nearest: float | None = None

    @property
    def variety(self) -> float | None:
        """The lesser of spread and nearest."""
        return min((value for value in (self.spread, self.nearest) if value is not None), default=None)

    def to_plain(self) -> dict[str, Any]:
        """Ready for JSON, without what was not seen."""
        plain = {**asdict(self), "broken": list(self.broken)}
        return {name: value for name, value in plain.items() if value not in (None, [])}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Look:
        """The inverse of `to_plain`. What is no number, or of a later version, is what was not looked at."""
        broken, term = plain.get("broken"), plain.get("term")
        seen = {name: number(plain.get(name)) for name in ("size", "advantage", "left", "spread", "nearest")}
        return cls(
            plain["step"],
            tuple(name for name in broken if isinstance(name, str)) if isinstance(broken, list) else (),
            term if isinstance(term, str) else None,
            **seen,
        )


@dataclass(frozen=True)
class Rule:
    """When one alarm is raised, and when its episode is over. Each test answers None where a look says nothing of it.

    bad, dire: raise it when one holds at `patience` looks in a row; or the other at a single one.
    near: worth looking again soon, for it may turn bad.
    well: the episode is over when this holds at `RECOVERY` looks in a row; stricter than "not bad", or a run at the
        threshold would raise it again and again.
    """

    name: str
    bad: Callable[[Look], bool | None]
    dire: Callable[[Look], bool | None]
    well: Callable[[Look], bool | None]
    patience: int
    near: Callable[[Look], bool | None] = lambda look: False


RECOVERY = 3
LOW, HIGH = 0.1, 0.2
"""Of the lesser of spread and nearest. Below LOW is a collapse only once it was above HIGH: a G that has not left its
first weights yet can be as narrow (0.05 in `gan-2014`), and what never stood does not collapse."""


GAIN_STEPS, GAIN, NEARLY_ALL = 100, 1.05, 0.8
"""What a G gains, at the least, in so many steps, while its variety is below the last."""
HISTORY = 8
"""Looks at samples that are kept to tell a gain."""


def _variety(below: float) -> Callable[[Look], bool | None]:
    return lambda look: None if look.variety is None else look.variety < below


def _all_one(look: Look) -> bool | None:
    """Whether samples are all alike though the game has begun. While D still gives real and fake one score, it has not:
    the published G of `gan-2014-cifar-conv` starts within 0.01 of one image, and leaves it only slowly."""
    if look.advantage is not None and abs(look.advantage) < 0.02:
        return False
    return _variety(0.02)(look)


def _ahead(advantage: float, left: float) -> Callable[[Look], bool | None]:
    """Whether D's advantage exceeds the one, or what is left to G falls below the other."""

    def test(look: Look) -> bool | None:
        if look.advantage is None:
            return None
        return look.advantage > advantage or (look.left is not None and look.left < left)

    return test


def _size(above: float) -> Callable[[Look], bool | None]:
    return lambda look: None if look.size is None else look.size > above


def _not(test: Callable[[Look], bool | None]) -> Callable[[Look], bool | None]:
    def inverse(look: Look) -> bool | None:
        answer = test(look)
        return None if answer is None else not answer

    return inverse


# The thresholds stand between the healthy runs and the planted faults of docs/reading-a-run.md.
RULES: tuple[Rule, ...] = (
    Rule(NOT_FINITE, lambda look: bool(look.broken), lambda look: False, lambda look: not look.broken, patience=1),
    Rule(RUNAWAY, _size(1e4), _size(1e6), _not(_size(1e3)), patience=2, near=_size(1e4)),
    Rule(COLLAPSE, _variety(LOW), _all_one, _not(_variety(HIGH)), patience=1),
    Rule(WINS, _ahead(0.98, 0.02), lambda look: False, _not(_ahead(0.9, 0.1)), patience=4, near=_ahead(0.95, 0.05)),
)


@dataclass
class _Episode:
    """How one rule stands: looks in a row that were bad, or well while it is raised."""

    raised: bool = False
    bad: int = 0
    well: int = 0


@dataclass
class Watch:
    """What a run's looks have said so far.

    uneasy: whether the last look came near an alarm that is not raised, so that the next should come soon.
    """

    last_finite: int | None = None
    varied: bool = False
    uneasy: bool = False
    _varieties: list[tuple[int, float]] = field(default_factory=list)
    _episodes: dict[str, _Episode] = field(default_factory=lambda: {rule.name: _Episode() for rule in RULES})

    def see(self, look: Look) -> tuple[list[str], list[str]]:
        """(alarms that this look raises, alarms that are over with it), by name."""
        raised, over = list[str](), list[str]()
        self.uneasy = False
        if look.variety is not None:
            self._varieties = [*self._varieties[-HISTORY:], (look.step, look.variety)]
        for rule in RULES:
            if look.broken and rule.name != NOT_FINITE:
                continue  # NaN compares as it likes
            if rule.name == COLLAPSE:
                self.varied |= _variety(HIGH)(look) is False
            episode = self._episodes[rule.name]
            if episode.raised:
                episode.well = _in_a_row(episode.well, rule.well(look))
                if episode.well >= RECOVERY:
                    self._episodes[rule.name] = _Episode()
                    over.append(rule.name)
            else:
                counts = self.varied or rule.name != COLLAPSE
                episode.bad = _in_a_row(episode.bad, rule.bad(look)) if counts else 0
                waits = rule.name == WINS and self._g_gains()
                if (episode.bad >= rule.patience and not waits) or rule.dire(look):
                    episode.raised, episode.well = True, 0
                    raised.append(rule.name)
                elif rule.near(look):
                    self.uneasy = True
        if not look.broken:
            self.last_finite = look.step
        return raised, over

    def _g_gains(self) -> bool:
        """Whether samples still become more varied though D is ahead, as in the first hundreds of steps of a DCGAN.

        There D's win is no end: in a `cdcgan` that was played, D's advantage was 0.99 from step 300 to 600, while the
        variety rose from 0.23 to 0.45, and 0.8 after that. Of a G that is as varied as the data nothing is expected.
        """
        if not self._varieties:
            return False
        step, now = self._varieties[-1]
        before = [variety for then, variety in self._varieties if step - then >= GAIN_STEPS]
        return bool(before) and now < NEARLY_ALL and now > GAIN * before[-1]

    def is_raised(self, name: str) -> bool:
        """Whether an episode of that alarm is under way."""
        return self._episodes[name].raised


def _in_a_row(count: int, answer: bool | None) -> int:
    """One more where the answer is yes, none where it is no, as many as before where there is none."""
    return count if answer is None else count + 1 if answer else 0
