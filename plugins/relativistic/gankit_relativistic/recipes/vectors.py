"""R3GAN's losses and penalties on points and other short vectors, with plain dense networks.

Found by trial on the 25 Gaussians of `grid`. The penalty is annealed: D sees the coarse before the fine, and a penalty
that lets it see the width of a mode (0.02 of the spread of the data) would let modes be lost at the start. So are the
learning rates, for G has to end within that width. Noise of few dimensions and without tails leaves G less to fold: 8
normal dimensions lose modes where 4 uniform ones keep all; 2 are quicker still on the plane.
"""

STEPS = 20_000
"""What the schedules are made for."""

ADAM = {
    "name": "adam",
    "lr": {"schedule": "cosine", "start": 2e-3, "stop": 2e-5, "begin": 0, "end": STEPS},
    "b1": 0.0,
    "b2": 0.99,
}

# 0.05 / factor^step reaches 0.0001 after four fifths of the steps; the unit is 1 / (standard deviation of the data)^2.
WEIGHT = {"schedule": "decay", "start": 0.05, "factor": (0.05 / 1e-4) ** (1 / (0.8 * STEPS)), "floor": 1e-4}

RECIPE = {
    "data": "grid",
    "generator": {"name": "mlp", "hidden": [128, 128, 128]},
    "discriminator": {"name": "mlp", "hidden": [128, 128, 128]},
    "loss": "relativistic",
    "penalties": [{"name": "r1", "weight": WEIGHT}, {"name": "r2", "weight": WEIGHT}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 4,
    "prior": "uniform",
    "batch_size": 256,
    "ema": 0.999,
}
