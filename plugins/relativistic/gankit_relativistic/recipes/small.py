"""The quick one: readable digits of the class asked for, in minutes on two CPU cores. Found by trial."""

ADAM = {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.99}

RECIPE = {
    "data": "mnist",
    "generator": "modern-small",
    "discriminator": "modern-small",
    "loss": {"name": "conditional", "base": "relativistic"},
    # Every 8th step, 8 times as strong: half of the time of a penalty at every step.
    "penalties": [{"name": "r1", "weight": 0.1, "every": 8}, {"name": "r2", "weight": 0.1, "every": 8}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 64,
    "batch_size": 64,
    "ema": 0.999,
}
