"""One-dimensional signals given their spectrum, the CDCGAN tutorial's other condition: p(x | c) for a vector c."""

RECIPE = {
    "data": "signals",
    "given": [{"name": "spectrum", "bins": 8}],
    "generator": {"name": "mlp", "hidden": [256, 256]},
    "discriminator": {"name": "mlp", "hidden": [256, 256]},
    "loss": "non-saturating",
    "penalties": [{"name": "r1", "weight": 0.1}],
    "generator_optimizer": {"name": "adam", "lr": 2e-4, "b1": 0.5},
    "discriminator_optimizer": {"name": "adam", "lr": 2e-4, "b1": 0.5},
    "latent_dim": 16,
    "batch_size": 128,
    "ema": 0.999,
}
