"""From picture to picture: each recipe is a game in which G is given one and makes another."""

# Isola et al. 2017, section 3.3
ADAM = {"name": "adam", "lr": 2e-4, "b1": 0.5, "b2": 0.999}

IMAGE_TO_IMAGE = {
    "data": "cifar10",
    "given": [{"name": "grey"}],
    "generator": {"name": "u-net", "width": 32},
    "discriminator": {"name": "patches", "width": 32, "depth": 2},
    "loss": "non-saturating",
    # Lambda of eq. 4; the paper's L1 is in model units too. R1 (Mescheder et al. 2018) stands in for the paper's halved
    # loss of D: without it D was soon so sure of photos that G's L1 was a tenth higher.
    # `mismatched` (Reed et al. 2016) is not the paper's: without it D judged pictures alone, whatever their condition.
    "penalties": [{"name": "l1", "weight": 100.0}, {"name": "r1", "weight": 1.0}, "mismatched"],
    "generator_optimizer": {**ADAM, "lr": 5e-4},  # not the paper's 2e-4: G has thousands of steps here, not a million
    "discriminator_optimizer": ADAM,
    "latent_dim": 1,  # what pix2pix makes of a picture is always the same
    "batch_size": 16,  # the paper has 1 to 10; on a CPU a step of 32 takes about twice as long
}

SUPER_RESOLUTION = {
    **IMAGE_TO_IMAGE,
    "data": "mnist",
    "given": [{"name": "downsample", "factor": 4}],
    "generator": {"name": "super-resolution", "width": 32, "blocks": 3},
    "discriminator": {"name": "patches", "width": 32, "depth": 2},
}

NEXT_FRAME = {
    **IMAGE_TO_IMAGE,
    "data": "moving-digits",
    "given": [{"name": "previous", "frames": 2}],
    "generator": {"name": "u-net", "width": 32},
    "discriminator": {"name": "patches", "width": 32, "depth": 2},
    "generator_optimizer": {**ADAM, "lr": 1e-3},  # after 1,500 steps less error than 2e-4 has after 3,000
    "batch_size": 32,
}

# Zhu et al. 2017, section 4: least squares, a cycle of 10, no z
CYCLE = {
    **IMAGE_TO_IMAGE,
    "data": "mnist",
    "given": [{"name": "unpaired", "source": "b"}],
    "generator": {"name": "translation", "width": 16, "blocks": 2},
    "discriminator": {"name": "patches", "width": 32, "depth": 2, "conditional": False},
    "players": {
        "generator-b": {"kind": "generator", "source": "b"},
        "discriminator-b": {"kind": "discriminator", "source": "b"},
    },
    "loss": "least-squares",
    "penalties": [{"name": "cycle", "weight": 10.0}],
    "generator_optimizer": ADAM,
    "batch_size": 8,  # the paper has 1
}

# Goodfellow et al. 2014, section 7.3: all conditionals p(x_S | the rest) by one G; halves, boxes and pixels mixed
