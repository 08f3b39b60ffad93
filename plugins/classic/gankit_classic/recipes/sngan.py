"""SNGAN on images of 32 pixels: ResNets, spectral norm, hinge loss. Miyato et al. 2018, appendix B, table 4.

The numbers are those of the authors' released configuration for CIFAR-10, which differs from this one in three things:
each of G's updates sees 128 latents there (here 64, as D's do), the learning rate reaches 0 after 50,000 of them, and
the last layer of D has no bias. With `loss="conditional"` it is their game by class (Miyato & Koyama 2018): conditional
batch norm in G, projection in D; their fake labels are drawn, `fake_labels="uniform"`.
"""

ADAM = {
    "name": "adam",
    # 2e-4, down to 0 over 100,000 updates of G: what the paper trains for
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
