"""Sampling with D's help on every backend: the same samples, and slopes that are right."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import gankit
from gankit.cli import app
from gankit.play.streams import Streams
from gankit.plug import registry

SMALL = {
    "data": "ring",
    "latent_dim": 3,
    "generator": {"hidden": [8]},
    "discriminator": {"hidden": [8]},
    "batch_size": 16,
}
TAKES_MORE = {"name": "rejection", "percentile": 80, "burn_in": 500}


@pytest.mark.parametrize("by", ["rejection", "latent-optimisation"])
def test_the_same_samples_on_every_backend(backend, by):
    first = registry.names("backends")[0]
    gans = [gankit.build(name, dtype="float64", **SMALL).fit(steps=3) for name in {backend, first}]
    samples = [gan.sample(30, by=by, seed=4) for gan in gans]
    np.testing.assert_allclose(samples[0], samples[-1], atol=1e-9)
    assert not np.allclose(samples[0], gans[0].sample(30, seed=4))
    np.testing.assert_array_equal(gans[0].sample(7, by=by, seed=4), samples[0][:7])


def test_latents_move_up_d_s_logit(backend):
    gan = gankit.build(backend, dtype="float64", **SMALL).fit(steps=3)
    small = {"name": "latent-optimisation", "rate": 1e-6, "damping": 1.0}
    before, after = (gan.score(gan.sample(20, ema=False, by=by)) for by in (None, small))
    z = Streams(0).first_latents("sample", 20, 3, "normal")

    def logits(z):
        return gan.score(gan.spec.scaling.to_user(gan.generate(z, ema=False)))

    h = 1e-5
    g = np.stack([(logits(z + h * e) - logits(z - h * e)) / (2 * h) for e in np.eye(3)], axis=1)
    squares = (g**2).sum(axis=1)
    np.testing.assert_allclose(after - before, 1e-6 * squares / (1 + squares), rtol=1e-3, atol=1e-12)


def test_labels_are_kept(backend):
    gan = gankit.build(backend, "cgan", generator={"hidden": [8]}, discriminator={"hidden": [8]}).fit(steps=2)
    for by in (TAKES_MORE, "latent-optimisation"):
        assert gan.sample(12, labels=3, by=by).shape == (12, 8, 8, 1)


def test_from_the_command_line(backend, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out.npy"
    gan = gankit.build(backend, **SMALL).fit(steps=3)
    path = gan.save(run)
    told = CliRunner().invoke(app, ["sample", str(path), "--n", "9", "--by", "rejection", "--out", str(out)])
    assert told.exit_code == 0, told.output
    np.testing.assert_array_equal(np.load(out), gan.sample(9, by="rejection"))
