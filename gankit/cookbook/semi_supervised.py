"""Semi-supervised learning: a classifier of K classes that plays D, and a G that matches its features.

Salimans et al. 2016, sections 3.1 and 5.
"""

ADAM = {"name": "adam", "lr": 1e-3, "b1": 0.5, "b2": 0.999}

RECIPE = {
    "data": "mnist",
    "labelled": 100,
    "generator": {"name": "mlp", "hidden": [400, 400], "norm": True},
    "discriminator": "k-class",
    # The released code halves the two cross-entropies of real and fake beside that of the classes.
    "loss": {"name": "feature-matching", "base": {"name": "non-saturating", "d_weight": 0.5}},
    "penalties": [
        "class-cross-entropy",
        {
            "name": "class-consistency",
            "weight": {"schedule": "ramp", "start": 0.0, "stop": 5.0, "begin": 0, "end": 1000},
        },
    ],
    "augmentations": [{"name": "translation", "share": 0.07}],
    "generator_optimizer": ADAM,
    "discriminator_optimizer": ADAM,
    "latent_dim": 100,
    "batch_size": 64,
    "ema": 0.999,
    "averages": "both",
}
