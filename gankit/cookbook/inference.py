"""A G beside the encoder that inverts it: Goodfellow et al. 2014, section 7, extension 2."""

from __future__ import annotations

# Donahue et al. 2017, appendix C.1: dense networks with batch norm in G and E, Adam with these numbers, on MNIST.
ADAM = {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999}

BIGAN = {
    "data": "mnist",
    "generator": {"name": "mlp", "hidden": [512, 512], "norm": True},
    "discriminator": {"name": "mlp", "hidden": [512, 512]},
    "players": {"encoder": {"kind": "encoder", "network": {"name": "mlp", "hidden": [512, 512]}}},
    "loss": "non-saturating",
    # Not the paper's, which has none and trains for 400 epochs: it keeps D from running away in the first thousands.
    "penalties": [{"name": "r1", "weight": 0.1, "every": 4}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 50,
    "prior": "uniform",
    "batch_size": 128,
    "ema": 0.999,
}
