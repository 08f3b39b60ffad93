"""Feature matching: G is shown what D looks at, not what D thinks of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gankit.errors import ConfigError
from gankit.interfaces import Array, Loss, Ops, Scores
from gankit.parts.losses import NonSaturating
from gankit.parts.together import batch_mean


@dataclass(frozen=True)
class FeatureMatching:
    """G minimises ||E f(x) - E f(G(z))||^2, f being D's features, summed over all of them. Salimans et al. 2016, 3.1.

    D plays another loss. Features are what D's network marks with the record `gankit.layers.Features`, or what a module
    of your own returns as {"logits": ..., "features": (...)}; real ones are of a fresh minibatch.

    base: the loss that D plays.
    """

    base: Loss = NonSaturating()
    generator_needs_real: bool = field(default=True, init=False)
    conditional: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if getattr(self.base, "conditional", False):
            raise ConfigError(
                "feature-matching cannot wrap a conditional loss; it is wrapped by one: "
                'loss={"name": "conditional", "base": "feature-matching"}.'
            )

    @property
    def pairs_examples(self) -> bool:
        return bool(getattr(self.base, "pairs_examples", False))

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        return self.base.discriminator(ops, real, fake)

    def generator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        if not real.features:
            raise ConfigError(
                "feature-matching compares D's features, and this discriminator marks none. Put "
                "gankit.layers.Features() behind the layer whose output is to be matched, let a module of your own "
                'return {"logits": ..., "features": (...)}, or type discriminator="mlp", which has them.'
            )
        distances = []
        for of_real, of_fake in zip(real.features, fake.features, strict=True):
            apart = batch_mean(ops, of_real, 0) - batch_mean(ops, of_fake, 0)
            distances.append(ops.xp.sum(apart * apart))
        return sum(distances[1:], distances[0])
