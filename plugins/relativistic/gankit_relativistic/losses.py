"""Losses on how much more real a real example looks than a fake one, instead of on each by itself.

With C(x) the logit of D: neither changes when all logits move by one number, so nothing is real in itself. G's phase
sees real examples too, a fresh minibatch of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gankit.interfaces import Array, Ops, Scores
from gankit.parts.together import batch_mean


@dataclass(frozen=True)
class Relativistic:
    """RpGAN: D minimises E softplus(-(C(x) - C(G(z)))) over pairs, G minimises E softplus(-(C(G(z)) - C(x))).

    Jolicoeur-Martineau 2018, section 4.1; R3GAN (Huang et al. 2024), eq. 3. In a conditional game the two of a pair
    have one label.
    """

    generator_needs_real: bool = field(default=True, init=False)
    conditional: bool = field(default=False, init=False)
    pairs_examples: bool = field(default=True, init=False)

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        return ops.xp.mean(ops.softplus(fake.logits - real.logits))

    def generator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        return ops.xp.mean(ops.softplus(real.logits - fake.logits))


@dataclass(frozen=True)
class RelativisticAverage:
    """RaGAN: each logit against the mean of the other side. Jolicoeur-Martineau 2018, section 4.2.

    D minimises E softplus(-(C(x) - E C(G(z)))) + E softplus(C(G(z)) - E C(x)), G the same with x and G(z) exchanged.
    In a conditional game the means are over all labels of the minibatch.
    """

    generator_needs_real: bool = field(default=True, init=False)
    conditional: bool = field(default=False, init=False)

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        return self._set_apart(ops, real.logits, fake.logits)

    def generator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        return self._set_apart(ops, fake.logits, real.logits)

    def _set_apart(self, ops: Ops, higher: Array, lower: Array) -> Array:
        mean = ops.xp.mean
        of_lower = mean(ops.softplus(batch_mean(ops, lower) - higher))
        return of_lower + mean(ops.softplus(lower - batch_mean(ops, higher)))
