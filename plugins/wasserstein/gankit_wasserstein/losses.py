"""The objectives of a critic and its generator. Each method returns a number to be *minimised* by its player."""

from __future__ import annotations

from dataclasses import dataclass, field

from gankit.interfaces import Array, Ops, Scores


@dataclass(frozen=True)
class Wasserstein:
    """D minimises E D(G(z)) - E D(x), G minimises -E D(G(z)). Arjovsky et al. 2017, algorithm 1.

    With D 1-Lipschitz, the least value of D's objective is minus the earth mover's distance of data and samples. The
    loss does not make D Lipschitz: `weight-clipping` or `gradient-penalty` does, and without either it runs away.
    Scores are no logits here. The step logs D(x) and D(G(z)) as their sigmoids nevertheless, and nothing else does.
    """

    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        return ops.xp.mean(fake.logits) - ops.xp.mean(real.logits)

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return -ops.xp.mean(fake.logits)
