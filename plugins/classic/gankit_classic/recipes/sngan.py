"""SNGAN on images of 32 pixels: ResNets, spectral norm, hinge loss. Miyato et al. 2018, table 3 (setting C) and 4."""

ADAM = {
    "name": "adam",
    # 2e-4, down to 0 over 100,000 updates of G (appendix B.4 of the paper's code)
    "lr": {"schedule": "ramp", "start": 2e-4, "stop": 0.0, "begin": 0, "end": 100_000},
    "b1": 0.0,
    "b2": 0.9,
}

RECIPE = {
    "data": "cifar10",
    "generator": "sngan",
    "discriminator": "sngan",
    "loss": "hinge",
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "k": 5,
    "latent_dim": 128,
    "batch_size": 64,
}
