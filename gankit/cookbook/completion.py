"""What is hidden, given what is known: Goodfellow et al. 2014, section 7, extension 3."""

from __future__ import annotations

ADAM = {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99}

MASKED = {
    "data": "mnist",
    "given": [{"name": "mask", "kind": "mixed"}],
    "generator": {"name": "completion"},
    "discriminator": {"name": "completion"},
    "loss": "non-saturating",
    # Without `diversity` completions of one picture come to differ by an eighth of what digits of a class differ by.
    "penalties": [{"name": "r1", "weight": 0.1, "every": 8}, {"name": "diversity", "weight": 1.5}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 32,
    "prior": "normal",
    "batch_size": 64,
    "ema": 0.998,
}
MASKED_ROWS = {
    "data": "grid",
    "given": [{"name": "mask", "kind": "mixed"}],
    "generator": {"name": "completion", "hidden": 128},
    "discriminator": {"name": "completion", "hidden": 128},
    "loss": "non-saturating",
    # No `diversity`: rows are completed in more than one way without it, and with it they are spread too far.
    "penalties": [{"name": "r1", "weight": 0.1, "every": 8}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 16,
    "prior": "normal",
    "batch_size": 128,
    "ema": 0.998,
}
