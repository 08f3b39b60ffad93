"""Least squares, the hinge and label smoothing. Each method returns a number to be *minimised* by its player."""

from __future__ import annotations

from dataclasses import dataclass, field

from gankit.errors import ConfigError
from gankit.interfaces import Array, Ops, Scores


@dataclass(frozen=True)
class LeastSquares:
    """D draws real scores to b and fake ones to a, G draws fakes to c. Mao et al. 2017, eq. 2.

    D minimises 1/2 E (D(x) - b)^2 + 1/2 E (D(G(z)) - a)^2, G minimises 1/2 E (D(G(z)) - c)^2, on D's raw scores. With
    a, b, c = -1, 1, 0 the game is about a Pearson divergence; 0, 1, 1 is the paper's other choice (section 3.2).
    """

    a: float = 0.0
    b: float = 1.0
    c: float = 1.0
    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise ConfigError(f"least-squares: a = b = {self.a}; D must aim at two numbers, such as a=0, b=1.")

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        mean = ops.xp.mean
        return 0.5 * mean((real.logits - self.b) ** 2) + 0.5 * mean((fake.logits - self.a) ** 2)

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return 0.5 * ops.xp.mean((fake.logits - self.c) ** 2)


@dataclass(frozen=True)
class Hinge:
    """D minimises E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))), G minimises -E D(G(z)).

    Lim & Ye 2017, "Geometric GAN"; Miyato et al. 2018, eq. 16 and 17.
    """

    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        # ops.relu: at exactly the margin `maximum` has another derivative on every framework
        return ops.xp.mean(ops.relu(1.0 - real.logits)) + ops.xp.mean(ops.relu(1.0 + fake.logits))

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return -ops.xp.mean(fake.logits)


@dataclass(frozen=True)
class OneSidedSmoothing:
    """The non-saturating game in which D aims at `target` instead of 1 on real examples. Salimans et al. 2016, 3.4.

    D minimises E [-target log D(x) - (1 - target) log(1 - D(x))] + E [-log(1 - D(G(z)))], so that at its best it is
    target p / (p + q), p of the data and q of the samples. Fakes stay at 0: a target of theirs would put q in the
    numerator too, and hold wrong samples where they are (Goodfellow 2016, section 4.2). Logits are not scaled.
    """

    target: float = 0.9
    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not 0.0 < self.target <= 1.0:
            raise ConfigError(f"one-sided-smoothing: target={self.target!r}; possible: 0 < target <= 1, such as 0.9.")

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        softplus, r = ops.softplus, real.logits
        smoothed = self.target * softplus(-r) + (1.0 - self.target) * softplus(r)
        return ops.xp.mean(smoothed) + ops.xp.mean(softplus(fake.logits))

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return ops.xp.mean(ops.softplus(-fake.logits))
