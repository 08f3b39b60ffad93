"""An encoder beside G: D judges pairs, (x, E(x)) of real examples and (G(z), z) of fakes.

Donahue et al. 2017 (BiGAN), Dumoulin et al. 2017 (ALI); section 7, extension 2 of Goodfellow et al. 2014. The latent is
a condition of D's, so that any D that takes a vector judges pairs. What D tells apart, G and E make alike: at the
optimum E inverts G.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.errors import ConfigError
from gankit.interfaces import LATENT, Array, Draw, Given, Key, Player, Scores, Tensors
from gankit.play import keys
from gankit.play.game import Game, Match

RATE = 0.03
"""Of a step of refinement, in deviations of z."""


def encode(game: Game, role: str, player: Player, x: Array, given: Given, key: Key | None) -> tuple[Array, Tensors]:
    """((m, latent_dim) what an encoder makes of examples and conditions, its buffers after that)."""
    network = game.seats[role].network
    z, buffers = network.apply(player.params, player.buffers, x, given, train=key is not None, key=key)
    return game.ops.to_float(z), buffers


def paired(
    game: Game,
    match: Match,
    players: Mapping[str, Player],
    draw: Draw,
    key: Key,
    hold: Callable[[Array], Array] = lambda z: z,
) -> tuple[Draw, dict[str, Tensors]]:
    """(a match's minibatch with the latents of real and of fake among the conditions, the encoder's buffers by role).

    hold: of E's latents, for a phase in which E does not move.
    """
    if not match.encoder:
        return draw, {}
    assert draw.real is not None  # `Wants` asks for them where there is an encoder
    frozen = game.seats[match.encoder].frozen
    own_key = None if frozen else keys.of_encoder(game.ops, key)
    z, buffers = encode(game, match.encoder, players[match.encoder], draw.real, draw.given, own_key)
    given, others = {**draw.given, LATENT: hold(z)}, dict(draw.others)
    if "mismatched" in others:
        wrong = others["mismatched"]
        others["mismatched"] = wrong._replace(given={**wrong.given, LATENT: hold(z)})
    fake_given = {**draw.fake_given, LATENT: draw.z}
    return draw._replace(given=given, fake_given=fake_given, others=others), {} if frozen else {match.encoder: buffers}


def turned(said: Scores) -> Scores:
    """The scores as E sees them, whose fakes are the real examples: what is real to D is fake to E."""
    return replace(said, logits=-said.logits)


def without_latent(given: Given) -> Given:
    """The conditions that G is given."""
    return {name: values for name, values in given.items() if name != LATENT} if LATENT in given else given


def refined(slopes: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]], z: Any, steps: int) -> Any:
    """Latents after so many steps of Adam down `slopes`, the gradient of each one's own error."""
    if steps < 0:
        raise ConfigError(f"refine={steps}: expected how many steps, 0 or more.")
    mean, square = np.zeros_like(z), np.zeros_like(z)
    for i in range(1, steps + 1):
        g = slopes(z)
        mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
        z = z - RATE * (mean / (1 - 0.9**i)) / (np.sqrt(square / (1 - 0.99**i)) + 1e-12)
    return z
