"""What a loss's own number says of the game: how far D is ahead, and how much of its gradient is left to G.

D(x) and D(G(z)) are probabilities under the founding paper's losses only: a critic's scores are none, and relativistic
losses know no score that is "real" in itself. So nothing here asks for a loss's name. A loss is a pure function of
scores, and is asked, in NumPy, what it says of a few that are made up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.conformance.tiny import TinyOps
from gankit.interfaces import Loss, Scores

EXTREME = 40.0
"""Of a logit: sigmoid(-40) is 4e-18, less than float32 can tell from 0 beside 1."""
FEW = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.25, 3.0, 5.0, 10.0, 20.0, EXTREME)
STEP = 1 / 32
DIFFERENCE = 1e-3
SURE = 1e-12
"""How near to 0 and 1 a mean of D is taken to be, at the nearest: the logit of exactly 0 is infinite."""


@dataclass(frozen=True)
class Objective:
    """D's objective on scores that are all alike.

    even: the least that D reaches while it gives real and fake one score, for it cannot tell them apart: log 4 for the
        paper's D, log 2 for a relativistic one.
    won: the least that it reaches at all, for no mistake is left; None where there is no least, as for a critic.
    undecided: the one score that D gives everything at `even`; None where many serve.
    slope: (score of real, score of fake) to the size of the derivative of G's objective in the score of a fake; None
        where G's objective takes more than scores, such as features.
    """

    even: float
    won: float | None
    undecided: float | None
    slope: Callable[[float, float], float] | None

    def advantage(self, d_loss: float) -> float | None:
        """0 where D cannot tell real from fake, 1 where it always can, below 0 where it is worse than undecided."""
        return None if self.won is None else (self.even - d_loss) / (self.even - self.won)

    def left_to_g(self, d_real: float, d_fake: float) -> float | None:
        """How steep G's objective is, as a multiple of what it is while D is undecided.

        d_real, d_fake: D(x) and D(G(z)) as the step logs them, means of sigmoids.
        """
        if self.slope is None:
            return None
        middle = self.undecided or 0.0
        start = self.slope(middle, middle)
        return self.slope(logit(d_real), logit(d_fake)) / start if start > 0 else None


def objective(loss: Loss) -> Objective | None:
    """None for a loss that cannot be asked: one that takes more than logits, or whose D has nothing to win."""
    ops: Any = TinyOps(np)

    def d(real: float, fake: float) -> float:
        scores = Scores(np.full(1, fake))
        return float(loss.discriminator(ops, Scores(np.full(1, real), mismatched=scores.logits), scores))

    def g(real: float, fake: float) -> float:
        return float(loss.generator(ops, Scores(np.full(1, real)), Scores(np.full(1, fake))))

    try:
        with np.errstate(all="ignore"):
            even, undecided = _undecided(lambda score: d(score, score))
            won = _least(d)
            slope = _slope(g)
    except Exception:  # a third party's loss may want anything, and no alarm is worth a run
        return None
    if not math.isfinite(even) or (won is not None and even - won < 1e-6):
        return None
    return Objective(even, won, undecided, slope)


def logit(probability: float) -> float:
    """Of a probability brought within SURE of 0 and 1."""
    p = min(max(probability, SURE), 1.0 - SURE)
    return math.log(p / (1.0 - p))


def _undecided(value: Callable[[float], float]) -> tuple[float, float | None]:
    """(the least of a function of one score, where it is; None where it is at more than one place)."""
    scores = np.arange(-8.0, 8.0 + STEP, STEP)
    values = np.array([value(float(score)) for score in scores])
    at = int(np.argmin(values))
    near = np.flatnonzero(values < values[at] + 1e-9)
    if at in (0, len(scores) - 1) or len(near) > 2:
        return float(values[at]), None
    # Between three points a parabola: the grid alone would give 0.453 for the 0.45 of a smoothed D.
    before, here, after = values[at - 1 : at + 2]
    best = float(scores[at] + 0.5 * STEP * (before - after) / (before - 2.0 * here + after))
    return value(best), best


def _least(value: Callable[[float, float], float]) -> float | None:
    """The least over pairs of scores, None where further out it gets less and less."""
    scores = sorted({*FEW, *(-score for score in FEW)})
    table = {(real, fake): value(real, fake) for real in scores for fake in scores}
    least = min(table.values())
    within = min(value for pair, value in table.items() if max(map(abs, pair)) < EXTREME)
    return within if math.isfinite(least) and within - least < 1e-3 else None


def _slope(g: Callable[[float, float], float]) -> Callable[[float, float], float] | None:
    def slope(real: float, fake: float) -> float:
        return abs(g(real, fake + DIFFERENCE) - g(real, fake - DIFFERENCE)) / (2 * DIFFERENCE)

    try:
        return slope if math.isfinite(slope(0.0, 0.0)) else None
    except Exception:  # G's side may want features where D's does not
        return None
