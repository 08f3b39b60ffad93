"""The small game that works on any array: dense networks, Adam, R1. No paper's; chosen for being quick and steady."""

RECIPE = {
    "data": "digits",
    "generator": "mlp",
    "discriminator": "mlp",
    "loss": "non-saturating",
    # A gradient penalty does more for a small MLP game than the choice of the loss; Mescheder et al. 2018.
    "penalties": [{"name": "r1", "weight": 0.5}],
    "generator_optimizer": {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99},
    "discriminator_optimizer": {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99},
    "latent_dim": 32,
    "batch_size": 64,
    "ema": 0.999,
}
