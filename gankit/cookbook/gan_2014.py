"""Goodfellow et al. 2014: the authors' released configurations, which move both players at once.

`schedule="alternating"` is Algorithm 1 as the paper prints it. It makes all the difference: on MNIST, seed 0, G draws
digits after 10,000 simultaneous steps, and the same picture for every z after 20,000 alternating ones, on torch as on
JAX.
"""

from __future__ import annotations

from typing import Any


def sgd(lr: float, epoch: int) -> dict[str, Any]:
    """The optimizer of all of them. epoch: batches in one pass over the training images."""
    return {
        "name": "sgd",
        "lr": {"schedule": "decay", "start": lr, "factor": 1.000004, "floor": 1e-6},
        # .5 in the first epoch, .7 from the 250th on, changing once an epoch
        "momentum": {
            "schedule": "ramp",
            "start": 0.5,
            "stop": 0.7,
            "begin": epoch,
            "end": 250 * epoch,
            "every": epoch,
        },
    }


def both(lr: float, epoch: int) -> dict[str, Any]:
    """The same optimizer for each player, and both move at once."""
    return {
        "schedule": "simultaneous",
        "generator_optimizer": sgd(lr, epoch),
        "discriminator_optimizer": sgd(lr, epoch),
    }


# D's cost is the mean, not the sum, of its two cross-entropies; G's is not halved.
LOSS = {"name": "non-saturating", "d_weight": 0.5}

MNIST = {
    "data": "mnist",
    "generator": "gan-2014",
    "discriminator": "gan-2014",
    "loss": LOSS,
    **both(0.1, epoch=500),  # 50,000 training images
    "latent_dim": 100,
    "prior": "uniform",
    "batch_size": 100,
    "steps": 20_000,  # after 5,000 nearly all samples are ones
}

# tfd_pretrain/pretrain.yaml, for 48x48 faces; generator={"code": 100} is the net of train.yaml
TFD = {
    "generator": "gan-2014-tfd",
    "discriminator": {"name": "gan-2014", "units": 1200},
    "loss": LOSS,
    "constraints": [{"name": "max-norm", "limit": 1.9365}],
    **both(0.05, epoch=1000),  # TFD's unlabelled part has some 100,000 images
    "latent_dim": 100,
    "prior": "normal",
    "batch_size": 100,
}

# cifar10_fully_connected.yaml; it saw images with their contrast normalised to a deviation of 1 (pylearn2's gcn=55)
CIFAR = {
    "data": "cifar10",
    "generator": "gan-2014-cifar",
    "discriminator": {"name": "gan-2014", "units": 1600},
    "loss": LOSS,
    **both(0.025, epoch=400),  # 40,000 training images
    "latent_dim": 100,
    "prior": "normal",
    "batch_size": 100,
}

# cifar10_convolutional.yaml; the same images
CIFAR_CONV = {
    **CIFAR,
    "generator": "deconvolutional-2014",
    "discriminator": "convolutional-2014",
    **both(0.004, epoch=313),
    "batch_size": 128,
}
