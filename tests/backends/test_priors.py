"""Games on every prior: learnt means are G's, and are the same on every backend."""

from __future__ import annotations

import numpy as np
import pytest

import gankit
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import leaves
from gankit.errors import ConfigError
from gankit.play.streams import Streams
from gankit.plug import registry

SMALL = {"data": "ring", "generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "batch_size": 16}
MIXTURE = {"prior": {"name": "mixture", "components": 3, "std": 0.4}, "latent_dim": 2}


def test_the_means_of_a_mixture_are_learnt_saved_and_the_same_everywhere(backend, tmp_path):
    gan = gankit.build(backend, dtype="float64", **SMALL, **MIXTURE)
    start = gan.generator.parameters["learntmeans0/means"]
    assert start.shape == (3, 2)
    path = gan.fit(steps=5).save(tmp_path / "half")
    other = gankit.load(path, backend).fit(steps=5)
    bit_equal(leaves(other), leaves(gan.fit(steps=5)), "5 steps and 5 more")
    means = gan.generator.parameters["learntmeans0/means"]
    assert (means != start).all()
    if "torch" in registry.names("backends") and backend != "torch":
        torch = gankit.build("torch", dtype="float64", **SMALL, **MIXTURE).fit(steps=10)
        np.testing.assert_allclose(means, torch.generator.parameters["learntmeans0/means"], atol=1e-9)


def test_z_is_noise_about_the_mean_of_its_component(backend):
    """Of a G that is one dense layer, by hand."""
    gan = gankit.build(backend, dtype="float64", data="ring", generator={"hidden": []}, **MIXTURE)
    p, z = gan.generator.parameters, Streams(0).first_latents("sample", 6, 2, gan.config.prior)
    inside = z[:, :3] @ p["learntmeans0/means"] + 0.4 * z[:, 3:]
    want = gan.spec.scaling.to_user(inside @ p["dense0/kernel"] + p["dense0/bias"])
    np.testing.assert_allclose(gan.sample(6, ema=False), want, rtol=1e-9)


def test_a_prior_that_learns_does_not_go_before_a_module_of_the_users_own():
    torch = pytest.importorskip("torch")
    if "torch" not in registry.names("backends"):
        pytest.skip("torch is not installed")
    with pytest.raises(ConfigError, match="prior that learns has no place"):
        gankit.build("torch", data="ring", generator=torch.nn.Linear(2, 2), **MIXTURE)
