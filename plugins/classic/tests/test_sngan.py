"""SNGAN's networks and recipe: table 4 of Miyato et al. 2018, and the numbers of the authors' configuration."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_classic.networks import discriminator, generator
from gankit_classic.recipes.sngan import RECIPE

import gankit
from gankit.config import Config
from gankit.conformance.games import Recorder
from gankit.layers import buffers, parameters, place
from gankit.networks import GameSpec
from gankit.parts.schedules import at, schedule

CIFAR = GameSpec((32, 32, 3), 128)
BY_CLASS = GameSpec((32, 32, 3), 128, num_classes=10)


def shapes(layers, shape):
    return [p.output_shape for p in place(layers, shape)]


def test_the_generator_is_table_4_s():
    made = shapes(generator(CIFAR), (128,))
    assert made[:5] == [(4 * 4 * 256,), (4, 4, 256), (8, 8, 256), (16, 16, 256), (32, 32, 256)]
    assert made[-1] == (32, 32, 3)
    assert type(generator(CIFAR)[-1]).__name__ == "Tanh"


def test_the_discriminator_is_table_4_s():
    made = shapes(discriminator(CIFAR), (32, 32, 3))
    assert made[:4] == [(16, 16, 128), (8, 8, 128), (8, 8, 128), (8, 8, 128)]
    assert made[4:7] == [(8, 8, 128), (128,), (128,)]
    assert made[-1] == ()


def test_d_s_features_are_summed_over_pixels():
    """Table 4: "ReLU, global sum pooling, dense"; a mean would make the logits 64 times smaller."""
    relu, pool = discriminator(CIFAR)[4:6]
    assert type(relu).__name__ == "Relu" and pool.kind == "sum"


@pytest.mark.parametrize("spec", [CIFAR, BY_CLASS], ids=["unconditional", "by class"])
def test_every_kernel_of_d_is_spectrally_normalised(spec):
    placed = place(discriminator(spec), spec.shape)
    kernels = [name for name, parameter in parameters(placed).items() if len(parameter.shape) > 1]
    vectors = [name for name in buffers(placed) if name.endswith("_u")]
    # two convolutions a block, one more in the shortcut of those that halve, and the head's kernel and embedding
    assert len(kernels) == len(vectors) == 4 * 2 + 2 + (1 if spec is CIFAR else 2)


def test_by_class_g_s_batch_norm_and_d_s_head_are_given_the_label():
    embedded = {name for name, p in parameters(place(generator(BY_CLASS), (128,))).items() if p.shape == (10, 256)}
    assert len(embedded) == 3 * 2 * 2, "scale and bias of two norms a block"
    head = [
        p.shape for name, p in parameters(place(discriminator(BY_CLASS), (32, 32, 3))).items() if "embedding" in name
    ]
    assert head == [(10, 128)]


@pytest.mark.parametrize(("side", "left"), [(28, 14), (32, 8), (48, 12), (64, 8)])
def test_other_sizes_halve_to_8_to_14_pixels(side, left):
    spec = GameSpec((side, side, 1), 128)
    assert shapes(generator(spec), (128,))[-1] == (side, side, 1)
    pictures = [shape for shape in shapes(discriminator(spec), spec.shape) if len(shape) == 3]
    assert pictures[-1] == (left, left, 128)


def test_the_recipe_has_the_authors_numbers():
    config = Config().with_settings(RECIPE)
    assert (config.loss.name, config.k, config.batch_size, config.latent_dim, config.prior.name) == (
        "hinge",
        5,
        64,
        128,
        "normal",
    )
    assert config.penalties == ()
    for optimizer in (config.generator_optimizer, config.discriminator_optimizer):
        assert (optimizer.name, optimizer.settings["b1"], optimizer.settings["b2"]) == ("adam", 0.0, 0.9)
        rates = at(schedule(optimizer.settings["lr"]), np.array([0, 50_000, 100_000, 200_000]))
        np.testing.assert_allclose(rates, [2e-4, 1e-4, 0, 0], atol=1e-20)


@pytest.mark.parametrize("loss", ["hinge", "conditional"])
def test_a_narrow_one_plays(loss, backend_name):
    if backend_name == "jax":
        pytest.skip("twenty convolutions compile for a quarter of a minute; the conformance suite judges its layers")
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, size=(16, 32, 32, 3)).astype(np.uint8), rng.integers(0, 3, size=16)
    data, by_class = ((x, labels), {"num_classes": 3}) if loss == "conditional" else (x, {})
    narrow = {"generator": {"width": 8}, "discriminator": {"width": 8}, "batch_size": 4, "device": "cpu"}
    gan = gankit.build(backend_name, "sngan", data, loss=loss, **narrow, **by_class)
    assert gan.config.conditional == (loss == "conditional")
    recorder = Recorder()
    gan.fit(steps=2, callbacks=[recorder])
    assert np.isfinite([list(terms.values()) for terms in recorder.terms]).all()
    assert gan.sample(2).shape == (2, 32, 32, 3)
