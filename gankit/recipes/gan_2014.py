"""Goodfellow et al. 2014 on MNIST: the authors' released mnist.yaml, with the paper's alternating Algorithm 1.

The released configuration moves both players at once; that is `schedule="simultaneous"`.
"""

EPOCH = 500  # batches: 50,000 training images in batches of 100

RECIPE = {
    "data": "mnist",
    "generator": "gan-2014",
    "discriminator": "gan-2014",
    # D's cost is the mean, not the sum, of its two cross-entropies; G's is not halved.
    "loss": {"name": "non-saturating", "d_weight": 0.5},
    "generator_optimizer": {
        "name": "sgd",
        "lr": {"schedule": "decay", "start": 0.1, "factor": 1.000004, "floor": 1e-6},
        # .5 in the first epoch, .7 from the 250th on, changing once an epoch
        "momentum": {
            "schedule": "ramp",
            "start": 0.5,
            "stop": 0.7,
            "begin": EPOCH,
            "end": 250 * EPOCH,
            "every": EPOCH,
        },
    },
    "latent_dim": 100,
    "prior": "uniform",
    "batch_size": 100,
}
RECIPE["discriminator_optimizer"] = RECIPE["generator_optimizer"]
