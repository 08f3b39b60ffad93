"""Modules of the user's own, `mlx.nn.Module`, as players."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from gankit_mlx.backend import MlxBackend
from gankit_mlx.network import WrappedNetwork

import gankit

X = np.random.default_rng(0).integers(0, 255, (64, 6, 4, 1)).astype(np.uint8)


class G(nn.Module):
    """Latents to 6 x 4 x 1 images, with batch norm; layers in a list."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(8, 12), nn.BatchNorm(12), nn.Linear(12, 24)]

    def __call__(self, z):
        inner, norm, outer = self.layers
        return mx.sigmoid(outer(mx.maximum(norm(inner(z)), 0))).reshape(-1, 6, 4, 1)


class Flat(nn.Module):
    """One dense layer, as MLX has no convolutions in float64."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(24, 1)

    def __call__(self, x):
        return self.head(x.reshape(x.shape[0], -1))[:, 0]


class D(nn.Module):
    """A convolution and dropout."""

    def __init__(self, columns=False):
        super().__init__()
        self.conv, self.drop, self.head = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Dropout(0.4), nn.Linear(24, 1)
        self.columns = columns

    def __call__(self, x):
        logits = self.head(self.drop(mx.tanh(self.conv(x))).reshape(x.shape[0], -1))
        return logits if self.columns else logits[:, 0]


def game(g=None, d=None, **settings):
    mx.random.seed(3)
    players = {"generator": gankit.Native(g or G(), output="unit"), "discriminator": d or D()}
    return gankit.build("mlx", "mlp", X, latent_dim=8, batch_size=16, device="cpu", **{**players, **settings})


def test_they_train_repeatably_and_resume(tmp_path):
    first, second = game().fit(steps=6), game().fit(steps=3)
    resumed = gankit.load(second.save(tmp_path / "three"), generator=G(), discriminator=D()).fit(X, steps=3)
    for player in ("generator", "discriminator"):
        parameters = getattr(first, player).parameters
        for name, array in getattr(resumed, player).parameters.items():
            np.testing.assert_array_equal(array, parameters[name])
    assert set(first.generator.parameters) == {f"layers/{i}/{name}" for i in range(3) for name in ("weight", "bias")}, (
        "names are MLX's; running statistics are none of the parameters"
    )


def test_the_native_module_computes_what_the_game_does():
    trainer = game(d=Flat(), dtype="float64", ema=0.0).fit(steps=2)
    z = np.random.default_rng(1).normal(size=(5, 8))
    native = trainer.generator.native
    assert isinstance(native, G) and not native.training
    np.testing.assert_allclose(np.array(native(mx.array(z, mx.float64))), trainer.generate(z), rtol=1e-12)


def test_running_statistics_move_in_training_only():
    backend = MlxBackend(device="cpu")
    network, arrays = backend.wrap(G())
    params, buffers = network.init(arrays)
    assert set(buffers) == {"layers/1/running_mean", "layers/1/running_var"}
    z = backend.ops.asarray(np.random.default_rng(1).normal(size=(5, 8)))
    moved = network.apply(params, buffers, z, None, train=True, key=backend.ops.key((1, 2)))[1]
    stayed = network.apply(params, buffers, z, None, train=False, key=None)[1]
    for name, was in arrays.items():
        if name in buffers:
            assert not np.array_equal(network.export(moved)[name], was)
            np.testing.assert_array_equal(network.export(stayed)[name], was)


def test_dropout_follows_the_key_and_leaves_the_users_generator_alone():
    backend = MlxBackend(device="cpu")
    network, arrays = backend.wrap(D())
    params, buffers = network.init(arrays)
    x = backend.ops.asarray(X[:8] / 255.0)

    def scores(*words):
        out = network.apply(params, buffers, x, None, train=True, key=backend.ops.key(words))[0]
        return backend.ops.to_numpy(out)

    mx.random.seed(11)
    untouched = np.array(mx.random.uniform(shape=(4,)))
    mx.random.seed(11)
    np.testing.assert_array_equal(scores(1, 2), scores(1, 2))
    assert not np.array_equal(scores(1, 2), scores(1, 3))
    np.testing.assert_array_equal(np.array(mx.random.uniform(shape=(4,))), untouched)


def test_what_is_frozen_is_saved_and_not_trained():
    g = G()
    g.layers[0].freeze()
    trainer = game(g)
    weight = np.array(g.layers[0].weight)
    assert "layers/0/weight" not in trainer.generator.parameters
    trainer.fit(steps=3)
    np.testing.assert_array_equal(np.array(trainer.generator.native.layers[0].weight), weight)


def test_tied_parameters_are_refused():
    tied = G()
    tied.again = tied.layers[0]
    with pytest.raises(gankit.ConfigError, match="G has 2 tied parameters, which gankit cannot train"):
        WrappedNetwork(tied, MlxBackend(device="cpu").ops)


def test_what_is_no_module_is_refused():
    with pytest.raises(
        gankit.ConfigError, match="The mlx backend cannot run builtins.object: it takes an mlx.nn.Module"
    ):
        gankit.build("mlx", data=X, generator=object())


def test_column_logits_are_refused():
    with pytest.raises(gankit.ConfigError, match="Flatten"):
        game(d=D(columns=True))
