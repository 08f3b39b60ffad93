"""The losses of the founding papers. Each method returns a number that its player *minimises*.

Scores are logits: D(x) = sigmoid(logits), so -log D(x) = softplus(-logits) and -log(1 - D(x)) = softplus(logits).
These are exact where the log of a sigmoid would be infinite.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gankit.errors import ConfigError
from gankit.interfaces import Array, Loss, Ops, Scores


@dataclass(frozen=True)
class CrossEntropy:
    """D's side of the paper: -V(D, G) = E[-log D(x)] + E[-log(1 - D(G(z)))]. Goodfellow et al. 2014, eq. 1.

    d_weight: multiplies D's objective; 0.5 gives the mean of the two cross-entropies, as in the authors' released code.
    """

    d_weight: float = 1.0
    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        mean = ops.xp.mean
        return self.d_weight * (mean(ops.softplus(-real.logits)) + mean(ops.softplus(fake.logits)))


class Minimax(CrossEntropy):
    """G minimises E[log(1 - D(G(z)))], exactly eq. 1. Its gradient saturates while D rejects the fakes."""

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return -ops.xp.mean(ops.softplus(fake.logits))


class NonSaturating(CrossEntropy):
    """G maximises E[log D(G(z))]: the same fixed point, but strong gradients early on (section 3 of the paper)."""

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return ops.xp.mean(ops.softplus(-fake.logits))


@dataclass(frozen=True)
class Conditional:
    """Applies another loss to D(x|y) and G(z|y). Mirza & Osindero 2014; with class logits, Odena et al. 2017.

    base: the other loss.
    class_weight: the weight of the cross-entropy of D's class logits, in both objectives, if D has a class head.
    mismatched: whether D also learns to reject real examples with wrong labels. Its objective is then the mean of the
        base loss on (real, fake) and on (real, mismatched), so these get half the weight of fakes (Reed et al. 2016).
    """

    base: Loss
    class_weight: float = 1.0
    mismatched: bool = False
    conditional: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        if getattr(self.base, "conditional", False):
            raise ConfigError("A conditional loss cannot wrap another conditional loss.")

    @property
    def generator_needs_real(self) -> bool:
        return bool(getattr(self.base, "generator_needs_real", False))

    @property
    def pairs_examples(self) -> bool:
        return bool(getattr(self.base, "pairs_examples", False))

    @property
    def needs_mismatched(self) -> bool:
        return self.mismatched

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        value = self.base.discriminator(ops, real, fake)
        if self.mismatched:
            wrong = replace(real, logits=real.mismatched)
            value = 0.5 * (value + self.base.discriminator(ops, real, wrong))
        return value + self._classes(ops, real)

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return self.base.generator(ops, real, fake) + self._classes(ops, fake)

    def _classes(self, ops: Ops, scores: Scores) -> Any:
        if scores.class_logits is None:
            return 0.0
        log_p = ops.log_softmax(scores.class_logits)
        chosen = ops.one_hot(scores.labels, log_p.shape[-1])
        return -self.class_weight * ops.xp.mean(ops.xp.sum(log_p * chosen, axis=-1))
