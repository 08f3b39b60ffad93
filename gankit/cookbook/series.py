"""Series (steps, channels) by convolutions along time, of any length that is even; numbers by trial on `signals`."""

RECIPE = {
    "data": "signals",
    "generator": "series",
    "discriminator": "series",
    "loss": "non-saturating",
    "penalties": [{"name": "r1", "weight": 1.0, "every": 4}],
    "generator_optimizer": {"name": "adam", "lr": 5e-4, "b1": 0.0, "b2": 0.99},
    "discriminator_optimizer": {"name": "adam", "lr": 5e-4, "b1": 0.0, "b2": 0.99},
    "latent_dim": 32,
    "batch_size": 64,
    "ema": 0.999,
}
