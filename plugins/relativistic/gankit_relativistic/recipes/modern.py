"""R3GAN (Huang et al. 2024): relativistic, R1 and R2, no normalisation; images of 28 to 64 pixels.

The paper's numbers change over a long burn-in; here it is 10,000 steps, which suits small data.
"""

BURN_IN = 10_000  # steps

ADAM = {
    "name": "adam",
    "lr": {"schedule": "ramp", "start": 2e-4, "stop": 5e-5, "begin": 0, "end": BURN_IN},
    "b1": 0.0,
    "b2": {"schedule": "ramp", "start": 0.9, "stop": 0.99, "begin": 0, "end": BURN_IN},
}

RECIPE = {
    "data": "mnist",
    "generator": "modern",
    "discriminator": "modern",
    "loss": "relativistic",
    # Every step: lazy regularisation fails on toys and on StackedMNIST (section 3). The weight is swept in decades: .05
    # on CIFAR-10, 150 on faces of 256 pixels.
    "penalties": [{"name": "r1", "weight": 0.1}, {"name": "r2", "weight": 0.1}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 64,
    "batch_size": 64,
    "ema": 0.999,
}
