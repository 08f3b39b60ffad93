"""DCGAN (Radford et al. 2015), and conditional DCGANs, for images of 28, 32, 48 or 64 pixels."""

ADAM = {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999}

DCGAN = {
    "data": "mnist",
    "generator": "dcgan",
    "discriminator": "dcgan",
    "loss": "non-saturating",
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 100,
    "prior": "uniform",
    "batch_size": 128,
}

CONDITIONAL = {
    **DCGAN,
    "loss": {"name": "conditional", "base": "non-saturating"},
    "discriminator": {"name": "dcgan", "labels": "concat"},
}

# Miyato & Koyama 2018
PROJECTION = {**CONDITIONAL, "discriminator": {"name": "dcgan", "labels": "projection"}}
