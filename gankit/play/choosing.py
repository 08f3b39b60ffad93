"""Which latents G is asked for: those that D lets pass, or those that D's slope leads to. `gan.sample(n, by=...)`.

At D* of the paper, D's logit is the logarithm of p_data / p_g. What G makes is then a proposal, and D says how often to
take it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.interfaces import Given, Player, Prior
from gankit.play.inference import Inference
from gankit.play.streams import Streams
from gankit.plug.making import prior_of

LEAST = 1e-3
"""Of what G makes, the share that must pass: below it a draw would take for ever."""
AT_ONCE = 16
"""Attempts at the last rows that are missing, made together."""


@dataclass(frozen=True)
class Asked:
    """A game as it is sampled.

    draw: the name of a stream and a number of rows, to latents (n, width). prior: theirs.
    logits, slopes: latents and the rows of the conditions that belong to them, to D's logits of what G makes (n,), and
    to the gradient of each in its latents (n, width).
    """

    draw: Callable[[str, int], Array]
    prior: Prior
    streams: Streams
    logits: Callable[[Array, Array], Array]
    slopes: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Rejection:
    """Discriminator rejection sampling, Azadi et al. 2019: x = G(z) is taken with probability D*(x) / max D*, D* being
    exp of the logit. Where D is optimal the samples are the data's, exactly.

    burn_in: samples by which the maximum is found; what exceeds it later is always taken.
    percentile: the gamma of the paper, eq. 8, as a percentile of F over the burn-in: how much is taken of a G that D
        finds easy to tell, at the price of exactness. By default gamma is 0, which is exact.

    Each row has attempts of its own, so a longer draw begins with the shorter one.
    """

    burn_in: int = 10_000
    percentile: float | None = None

    name: ClassVar[str] = "rejection"

    def __post_init__(self) -> None:
        if type(self.burn_in) is not int or self.burn_in < 1:
            raise ConfigError(f"rejection: burn_in={self.burn_in!r}; expected a whole number of at least 1.")
        if self.percentile is not None and not 0 <= self.percentile <= 100:
            raise ConfigError(f"rejection: percentile={self.percentile!r}; expected a number from 0 to 100.")

    def latents(self, game: Asked, n: int) -> Array:
        """(n, width); raises ConfigError where next to nothing would pass."""
        seen = game.logits(game.draw("sample/rejection/burn-in", self.burn_in), np.arange(self.burn_in) % n)
        highest = float(seen.max())
        gamma = 0.0 if self.percentile is None else float(np.percentile(odds(seen, highest), self.percentile))
        share = float(np.mean(probability(seen, highest, gamma)))
        if not share >= LEAST:
            raise ConfigError(
                f"by='rejection' would accept {share:.2g} of G's samples, less than {LEAST}: D rejects nearly all. "
                'Train for longer, or use by={"name": "rejection", "percentile": 80}, which accepts more but '
                "is not exact."
            )
        chosen, missing, attempt = np.empty((n, game.prior.width)), np.arange(n), 0
        while len(missing):
            tries = 1 if len(missing) == n else AT_ONCE
            z, u = zip(*(self._attempt(game, attempt + i, n, missing) for i in range(tries)), strict=True)
            logits = game.logits(np.concatenate(z), np.tile(missing, tries)).reshape(tries, -1)
            passed = np.stack(u) < probability(logits, highest, gamma)
            first, found = passed.argmax(axis=0), passed.any(axis=0)
            chosen[missing[found]] = np.stack(z)[first[found], np.flatnonzero(found)]
            missing, attempt = missing[~found], attempt + tries
        return chosen

    def _attempt(self, game: Asked, i: int, n: int, rows: Array) -> tuple[Array, Array]:
        """(latents, uniform numbers) of the i-th attempt at some rows."""
        uniform = game.streams.generator("sample/rejection/u", i).random(n)
        return game.draw(f"sample/rejection/{i}", n)[rows], uniform[rows]


@dataclass(frozen=True)
class LatentOptimisation:
    """z moved up D's logit of G(z) by natural gradients, rate * g / (damping + |g|^2), where the prior has mass. Wu et
    al. 2019 ("LOGAN"), eq. 12, with their rate and damping. It buys quality, as D sees it, with variety."""

    steps: int = 1
    rate: float = 0.9
    damping: float = 5.0

    name: ClassVar[str] = "latent-optimisation"

    def __post_init__(self) -> None:
        if type(self.steps) is not int or self.steps < 1:
            raise ConfigError(f"latent-optimisation: steps={self.steps!r}; expected a whole number of at least 1.")
        if not (self.rate > 0 and self.damping > 0):
            raise ConfigError("latent-optimisation: rate and damping are numbers above 0.")

    def latents(self, game: Asked, n: int) -> Array:
        """(n, width)."""
        start = z = game.draw("sample", n)
        for _ in range(self.steps):
            g = game.slopes(z, np.arange(n)).astype(np.float64)
            z = game.prior.confined(z + self.rate * g / (self.damping + (g**2).sum(axis=1, keepdims=True)), start)
        return z


Way = Rejection | LatentOptimisation
WAYS: Mapping[str, type[Way]] = {each.name: each for each in (Rejection, LatentOptimisation)}


def way(by: Any) -> Way:
    """The way of sampling that `by` names; raises ConfigError for another name, or settings that do not fit."""
    settings = dict(by) if isinstance(by, Mapping) else {"name": by}
    name = settings.pop("name", None)
    if name not in WAYS:
        raise ConfigError(f"by={by!r}: no such way to sample.{did_you_mean(str(name), WAYS)} Choose {one_of(WAYS)}.")
    known = [field.name for field in fields(WAYS[name])]
    for setting, value in settings.items():
        if setting not in known:
            raise ConfigError(
                f"by: {name!r} has no setting {setting!r}.{did_you_mean(setting, known)} Possible: {one_of(known)}."
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"by: {name!r}: {setting}={value!r}: expected a number.")
    return WAYS[name](**settings)


def odds(logits: Array, highest: float) -> Array:
    """F of Azadi et al. 2019, eq. 7, with epsilon 0: the logit of the probability exp(logit - highest)."""
    below = np.maximum(highest - logits.astype(np.float64), 1e-12)
    return np.asarray(-(below + np.log1p(-np.exp(-below))))


def probability(logits: Array, highest: float, gamma: float) -> Array:
    """With which a sample is taken: sigmoid(F - gamma)."""
    return np.asarray(1.0 / (1.0 + np.exp(np.minimum(gamma - odds(logits, highest), 700.0))))


def latents_by(
    how: Way, inference: Inference, role: str, players: Mapping[str, Player], given: Given, n: int, seed: int
) -> Array:
    """The latents that a G of that role is asked for n samples by, (n, width); its D helps.

    players: by role. given: n rows, in model units.
    """
    match = next(match for match in inference.rules.matches if match.generator == role)
    both, streams = (players[role], players[match.discriminator]), Streams(seed)
    config = inference.config
    prior = prior_of(config.prior, config.latent_dim)
    if not n:
        return np.empty((0, prior.width))

    def answered(z: Array, rows: Array, slopes: bool) -> Array:
        own = {name: np.asarray(values)[rows] for name, values in given.items()}
        return inference.answered(match, both, z, own, slopes)

    asked = Asked(
        draw=lambda purpose, n: streams.first_latents(purpose, n, config.latent_dim, config.prior),
        prior=prior,
        streams=streams,
        logits=lambda z, rows: answered(z, rows, slopes=False),
        slopes=lambda z, rows: answered(z, rows, slopes=True),
    )
    return how.latents(asked, n)
