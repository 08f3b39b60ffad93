"""f-GAN: the game for any f-divergence D_f(P || Q) = E_Q f(p / q). Nowozin et al. 2016."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.interfaces import Array, Ops, Scores

STEEPEST = 20.0
"""Where exponentials go on as their tangent: e^20 is a density ratio of 5e8, which no minibatch shows."""


def exp(ops: Ops, x: Array) -> Array:
    """e^x up to STEEPEST and its tangent there beyond, smooth once.

    A D that is sure of itself says 1e4, and e^1e4 is infinite: one example would end the run with NaN. On the tangent,
    value and gradient stay finite, in float32 too, and the example still counts more than any that is less extreme.
    """
    inside = ops.xp.where(x > STEEPEST, ops.xp.full_like(x, STEEPEST), x)
    return ops.xp.exp(inside) * (1.0 + (x - inside))


class Divergence(NamedTuple):
    """A row of the paper's tables 2 and 6, as functions of D's raw output v.

    activation: T = g_f(v), which maps v to the domain of f*.
    conjugate: f*(g_f(v)), simplified by hand so that nothing cancels or overflows: f*(g_f(v)) = softplus(v) for "gan",
        where -log(1 - exp(-softplus(-v))) as the table has it is infinite from v = 40 on.
    """

    activation: Callable[[Ops, Any], Any]
    conjugate: Callable[[Ops, Any], Any]


DIVERGENCES: Mapping[str, Divergence] = {
    # f(u) = u log u; f*(t) = exp(t - 1)
    "kl": Divergence(lambda ops, v: v, lambda ops, v: exp(ops, v - 1.0)),
    # f(u) = -log u; f*(t) = -1 - log(-t)
    "reverse-kl": Divergence(lambda ops, v: -exp(ops, -v), lambda ops, v: v - 1.0),
    # f(u) = (u - 1)^2; f*(t) = t^2 / 4 + t
    "pearson": Divergence(lambda ops, v: v, lambda ops, v: 0.25 * v * v + v),
    # f(u) = (1 - u)^2 / u; f*(t) = 2 - 2 sqrt(1 - t)
    "neyman": Divergence(lambda ops, v: 1.0 - exp(ops, -v), lambda ops, v: 2.0 - 2.0 * exp(ops, -0.5 * v)),
    # f(u) = (sqrt(u) - 1)^2; f*(t) = t / (1 - t)
    "squared-hellinger": Divergence(lambda ops, v: 1.0 - exp(ops, -v), lambda ops, v: exp(ops, v) - 1.0),
    # f(u) = -(u + 1) log((1 + u) / 2) + u log u; f*(t) = -log(2 - exp(t))
    "jensen-shannon": Divergence(
        lambda ops, v: math.log(2.0) - ops.softplus(-v), lambda ops, v: ops.softplus(v) - math.log(2.0)
    ),
    # f(u) = u log u - (u + 1) log(u + 1); f*(t) = -log(1 - exp(t))
    "gan": Divergence(lambda ops, v: -ops.softplus(-v), lambda ops, v: ops.softplus(v)),
    # f(u) = |u - 1| / 2; f*(t) = t
    "total-variation": Divergence(
        lambda ops, v: 0.5 * ops.xp.tanh(v),
        lambda ops, v: 0.5 * ops.xp.tanh(v),
    ),
}


@dataclass(frozen=True)
class FGan:
    """D maximises V = E g_f(D(x)) - E f*(g_f(D(G(z)))), G minimises the same V. Nowozin et al. 2016, eq. 6.

    At D's best V is the divergence; for "jensen-shannon" it is twice the usual one, as f of the paper's table has it,
    and for "gan" twice the usual one less log 4.

    divergence: "kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jensen-shannon", "gan" or
        "total-variation".
    non_saturating: G maximises E g_f(D(G(z))) instead, the paper's section 3.2. For "gan" this is log D(G(z)).

    Exponentials go on as their tangent above 20; see `exp`.
    """

    divergence: str = "jensen-shannon"
    non_saturating: bool = False
    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.divergence not in DIVERGENCES:
            raise ConfigError(
                f"f-gan: divergence={self.divergence!r} is unknown.{did_you_mean(str(self.divergence), DIVERGENCES)} "
                f"Possible: {one_of(DIVERGENCES)}."
            )

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        activation, conjugate = DIVERGENCES[self.divergence]
        return ops.xp.mean(conjugate(ops, fake.logits)) - ops.xp.mean(activation(ops, real.logits))

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        activation, conjugate = DIVERGENCES[self.divergence]
        # E g_f(D(x)) is the same whatever G does.
        return -ops.xp.mean((activation if self.non_saturating else conjugate)(ops, fake.logits))
