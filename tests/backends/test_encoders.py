"""Section 7.2: an encoder beside G, D judges pairs (x, E(x)) and (G(z), z). Donahue et al. 2017."""

from __future__ import annotations

import numpy as np
import pytest

import gankit
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import Recorder, examples, leaves, minibatches, small
from gankit.conformance.open_games import begin, flat
from gankit.conformance.open_oracle import Net
from gankit.errors import ConfigError
from gankit.play.streams import Streams
from gankit.plug.making import open_backend
from tests.backends.test_recipes import cli  # noqa: F401

RNG = np.random.default_rng(3)
X = RNG.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
SMALL = {
    "generator": {"hidden": [8]},
    "discriminator": {"hidden": [8]},
    "players": {"encoder": {"network": {"hidden": [8]}}},
    "batch_size": 4,
    "latent_dim": 3,
}
SGD = {"name": "sgd", "lr": 0.5}
PLAYS_ALONE = {"players": {"encoder": {}}, "penalties": ["inversion"]}


def softplus(x):
    return np.logaddexp(0.0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Line:
    """Numbers x, latents z: G(z) = a z + b, E(x) = c x + d, D(x, z) = u x + v z + w, all linear, by hand in float64."""

    def __init__(self, gan):
        dense = {role: p.parameters for role, p in gan.players.items()}
        self.a, self.b = (float(dense["generator"][f"dense0/{n}"].item()) for n in ("kernel", "bias"))
        self.c, self.d = (float(dense["encoder"][f"dense0/{n}"].item()) for n in ("kernel", "bias"))
        (self.u,), (self.v,) = dense["discriminator"]["dense0/kernel"]
        self.w = float(dense["discriminator"]["dense0/bias"].item())

    def step_of_d(self, x, z, lr):
        """-log D(x, E(x)) - log(1 - D(G(z), z)), down its gradient in u, v, w."""
        real, fake = (x, self.c * x + self.d), (self.a * z + self.b, z)
        slope = [-sigmoid(-self.logit(*real)), sigmoid(self.logit(*fake))]
        self.u -= lr * (np.mean(slope[0] * real[0]) + np.mean(slope[1] * fake[0]))
        self.v -= lr * (np.mean(slope[0] * real[1]) + np.mean(slope[1] * fake[1]))
        self.w -= lr * (np.mean(slope[0]) + np.mean(slope[1]))

    def step_of_g_and_e(self, x, z, lr):
        """-log D(G(z), z) - log(1 - D(x, E(x))): G and E make the two pairs alike."""
        fake = -sigmoid(-self.logit(self.a * z + self.b, z)) * self.u
        real = sigmoid(self.logit(x, self.c * x + self.d)) * self.v
        self.a, self.b = self.a - lr * np.mean(fake * z), self.b - lr * np.mean(fake)
        self.c, self.d = self.c - lr * np.mean(real * x), self.d - lr * np.mean(real)

    def logit(self, x, z):
        return self.u * x + self.v * z + self.w

    @property
    def numbers(self):
        return [self.a, self.b, self.c, self.d, self.u, self.v, self.w]


def test_both_phases_are_those_of_the_paper(backend):
    """A step of plain descent on one-dimensional, linear players, beside the gradients written out by hand."""
    x = np.random.default_rng(0).normal(2.0, 0.5, (4, 1)).astype(np.float32)
    gan = gankit.build(
        backend,
        data=gankit.Dataset(x, name="numbers"),
        generator={"hidden": []},
        discriminator={"hidden": []},
        players={"encoder": {"network": {"hidden": [], "norm": False}}},
        generator_optimizer=SGD,
        discriminator_optimizer=SGD,
        latent_dim=1,
        batch_size=4,
        ema=0.0,
        schedule="simultaneous",
        penalties=[],
        dtype="float64" if backend != "mlx" else "float32",
    )
    model = gan.spec.scaling.to_model(x, "float64")[:, 0]
    line, other = Line(gan), Line(gan)
    z = drawn_latents(gan)
    gan.fit(steps=1)
    line.step_of_d(model, z, 0.5)
    other.step_of_g_and_e(model, z, 0.5)
    want = [*other.numbers[:4], *line.numbers[4:]]
    tolerance = 1e-9 if backend != "mlx" else 1e-5
    np.testing.assert_allclose(Line(gan).numbers, want, rtol=tolerance, atol=tolerance)


def drawn_latents(gan):
    """The z of the first step: what each row is set against has no influence, as everything is a mean."""
    from gankit.play.batches import Batches, Stock, Wants

    config = gan.config
    optimizers = gan._game.optimizer_specs
    batch = Batches(config, optimizers, wants=Wants(real=True)).make(0, 1, Stock(4))
    return batch.discriminator.z.reshape(-1)


def test_a_game_with_an_encoder_is_saved_resumed_and_asked(backend, tmp_path):
    whole = gankit.build(backend, data=X, ema=0.9, **SMALL).fit(steps=2)
    path = whole.save(tmp_path / "half")
    resumed = gankit.load(path, backend).fit(X, steps=2)
    bit_equal(leaves(resumed), leaves(whole.fit(steps=2)), "2 steps resumed for 2 more")
    z = whole.encode(X[:5])
    assert z.shape == (5, 3) and np.abs(z - z[:1]).max() > 0
    again = whole.reconstruct(X[:5])
    assert again.shape == (5, 8, 8, 1) and again.dtype == np.uint8
    np.testing.assert_array_equal(again, whole.spec.scaling.to_user(whole.generate(z)))
    near = whole.reconstruct(X[:5], refine=30)
    errors = [np.square(x.astype(float) - X[:5]).reshape(5, -1).mean(axis=1) for x in (again, near)]
    assert (errors[1] < errors[0]).all(), "z after 30 steps down the error of G's pixels"
    with pytest.raises(ConfigError, match="refine=-1: expected how many steps"):
        whole.encode(X[:5], refine=-1)
    own, mean = whole.encode(X[:5], ema=False), whole.encode(X[:5], ema=True)
    assert np.abs(own - mean).max() > 0 and np.array_equal(mean, z)
    assert whole.score(X[:5]).shape == (5,)  # under their own latents
    assert whole.sample(4, by="rejection").shape == (4, 8, 8, 1)
    for player in ("generator", "discriminator", "encoder"):
        assert any(name.startswith(f"{player}/params") for name in leaves(whole))


def test_an_encoder_is_given_the_conditions_too(backend):
    gan = gankit.build(backend, "cgan", data=(X, np.arange(40) % 3), num_classes=3, **SMALL).fit(steps=1)
    one, other = (gan.encode(X[:4], labels=np.full(4, label)) for label in (0, 1))
    assert np.abs(one - other).max() > 0
    assert gan.reconstruct(X[:4], labels=np.arange(4) % 3).shape == (4, 8, 8, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"players": {"encoder": {"phase": "discriminator"}}}, "players.encoder.phase='discriminator'.*'generator'"),
        (
            {"players": {"encoder": {}, "other": {"kind": "encoder"}}},
            "'encoder', 'other' encode .*leave the others out",
        ),
        ({"discriminator": {"hidden": [8], "conditional": False}}, "discriminator is not given the latent"),
        ({"prior": "mixture"}, "prior 'mixture' learns.*Choose a prior that is fixed"),
        ({"players": {"encoder": {"network": "convolution"}}}, "among the encoders.*'convolutional'"),
        ({"players": {"encoder": {"source": "b"}}}, "source 'b', which this game lacks"),
    ],
)
def test_what_cannot_be_played_is_said(backend, settings, message):
    with pytest.raises(gankit.GankitError, match=message):
        gankit.build(backend, data=X, **{**SMALL, **settings})


def test_a_game_without_an_encoder_says_so(backend):
    gan = gankit.build(backend, data=X, generator={"hidden": [4]}, discriminator={"hidden": [4]})
    with pytest.raises(ConfigError, match="no encoder. Train one for its G with gankit infer RUN, or use.*bigan"):
        gan.encode(X)
    with pytest.raises(ConfigError, match="gankit infer RUN trains one.*Those that do"):
        gankit.figures.reconstructions(gan)
    with pytest.raises(ConfigError, match="Did you mean 'images'"):
        gankit.figures.interpolation(gan, ends="image")


def test_figures_of_real_images(backend, cli, tmp_path):  # noqa: F811
    np.save("x.npy", X)
    game = ["--data", "x.npy", "--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--set"]
    game += ["players.encoder.network.hidden=[8]", "--set", "batch_size=4", "--steps", "2", "--out", "run"]
    assert cli("train", "--backend", backend, "--recipe", "bigan", *game).code == 0
    drawn = cli("figure", "reconstructions", "run", "--rows", "3", "--set", "samples=20")
    assert drawn.code == 0, drawn.err
    drawn = cli("figure", "interpolation", "run", "--rows", "2", "--columns", "4", "--set", "ends=images")
    assert drawn.code == 0, drawn.err
    assert len(list((tmp_path / "run" / "figures").glob("*.png"))) == 2


# ---- an encoder for a G that is trained already


def test_an_encoder_is_trained_for_the_g_of_a_run_and_g_stays_as_it_is(backend, cli, tmp_path):  # noqa: F811
    np.save("x.npy", X)
    small = ["--set", "generator={hidden=[8], norm=true}", "--set", "discriminator.hidden=[8]", "--set", "batch_size=4"]
    game = ["--backend", backend, "--data", "x.npy", *small, "--set", "ema=0.9", "--steps", "3", "--out", "run"]
    assert cli("train", *game).code == 0
    width = ["--set", "players.encoder.network={name='mlp', hidden=[8], norm=false}"]
    done = cli("infer", "run", "--steps", "4", *width)
    assert done.code == 0 and "R2 of z" in done.out, done.err
    gan, alone = gankit.load("run", backend), gankit.load("run/encoder", backend)
    np.testing.assert_array_equal(gan.sample(4, seed=1), alone.sample(4, seed=1))
    np.testing.assert_array_equal(gan.encode(X[:3]), alone.encode(X[:3]))
    np.testing.assert_array_equal(gan.reconstruct(X[:3]), gan.spec.scaling.to_user(gan.generate(gan.encode(X[:3]))))
    # The same command goes on, and a run in pieces is the run in one.
    assert cli("infer", "run", "--steps", "6").code == 0
    (tmp_path / "run" / "encoder").rename(tmp_path / "pieces")
    assert cli("infer", "run", "--steps", "6", *width).code == 0
    one, other = (leaves(gankit.load(folder, backend)) for folder in ("run/encoder", "pieces"))
    bit_equal(one, other, "an encoder trained in pieces")
    start = leaves(gankit.load("run/encoder/checkpoints/step-000000.safetensors", backend))
    moved = {name.split("/")[0] for name, array in one.items() if (array != start[name]).any()}
    assert moved == {"encoder", "ema"}
    assert cli("figure", "reconstructions", "run", "--rows", "2", "--set", "samples=10").code == 0
    for arguments, message in (
        (["nowhere"], "nowhere is not a run folder"),
        (["run", "--seed", "3"], "already has an encoder"),
    ):
        refused = cli("infer", *arguments)
        assert refused.code == 2 and message in refused.err, refused.err


def test_what_is_inferred_is_the_z_of_a_linear_g(backend):
    """Of G(z) = (z, 2 z) the best encoder is a projection; after enough steps it finds z again."""
    gan = gankit.build(
        backend, data=RNG.normal(size=(200, 2)).astype(np.float32), generator={"hidden": []},
        discriminator={"hidden": [4]}, latent_dim=1, batch_size=32, ema=0.0,
    )  # fmt: skip
    from gankit.runs.inferring import inferring, r_squared

    adam = {"name": "adam", "lr": 0.05}
    players = {"encoder": {"network": {"name": "mlp", "hidden": [], "norm": False}, "optimizer": adam}}
    encoder = inferring(gan, {"players": players}, "cpu")
    before = r_squared(encoder)
    encoder.fit(steps=150)
    assert before < 0.9 and r_squared(encoder) > 0.98


def test_frozen_players_stay_and_what_is_impossible_is_said(backend):
    gan = gankit.build(backend, data=X, frozen=["discriminator"], **{**SMALL, "players": {}})
    before = {role: player.parameters for role, player in gan.players.items()}
    gan.fit(steps=2)
    for role, player in gan.players.items():
        same = all(np.array_equal(array, before[role][name]) for name, array in player.parameters.items())
        assert same == (role == "discriminator")
    for settings, message in (
        ({"frozen": ["generater"]}, "no player 'generater'. Did you mean 'generator'"),
        ({"frozen": ["generator", "discriminator"], **PLAYS_ALONE}, "moves? no running statistics.*norm=False"),
        ({"frozen": ["generator"]}, "no player is left to train in G's phase"),
        ({"frozen": ["discriminator"], "schedule": "simultaneous"}, "need schedule='alternating'"),
    ):
        with pytest.raises(ConfigError, match=message):
            gankit.build(backend, data=X, **{**SMALL, "players": {}, **settings})


def test_a_frozen_d_plays_as_in_evaluation(backend):
    """Its dropout is off: G moves as beside the same D without any."""

    def g_after_a_step(keep):
        d = {"units": 6, "pieces": 2, "keep_input": keep, "keep_hidden": keep}
        own = {"generator": {"units": 8}, "discriminator": d, "batch_size": 4, "latent_dim": 3}
        own["generator_optimizer"] = {"name": "sgd", "lr": 1e5}  # the paper's D starts so small that G hardly moves
        gan = gankit.build(backend, "gan-2014", data=X, frozen=["discriminator"], schedule="alternating", **own)
        return gan.fit(steps=1).generator.parameters

    dropped, whole = g_after_a_step(0.5), g_after_a_step(1.0)
    for name, array in whole.items():
        np.testing.assert_allclose(dropped[name], array, rtol=1e-5, atol=1e-7, err_msg=name)


def test_a_frozen_encoder_stays_while_g_and_d_play_on_its_pairs(backend):
    gan = gankit.build(backend, data=X, frozen=["encoder"], accumulate=2, ema=0.0, **SMALL)
    before = leaves(gan)
    after = leaves(gan.fit(steps=2))
    moved = {name.split("/")[0] for name in after if (after[name] != before[name]).any()}
    assert moved == {"generator", "discriminator"}


@pytest.mark.parametrize("pixels", [0.0, 3.0])
def test_inversion_is_its_formula(backend, pixels):
    """The mean over z, and `pixels` times both means over pixels: of fakes and of real examples."""
    still = {"name": "sgd", "lr": 0.0}
    config = small(
        players={"encoder": {"network": {"name": "mlp", "hidden": [5], "norm": False}}},
        penalties=[{"name": "inversion", "pixels": pixels}],
        generator_optimizer=still,
        discriminator_optimizer=still,
    )
    trainer, recorder = begin(open_backend(backend, "cpu", "float64"), config), Recorder()
    g, e = (trainer.players[role].parameters for role in ("generator", "encoder"))
    rows = Streams(config.seed).order("order/generator", 0, 1, config.batch_size, len(examples()))[0]
    x, z = flat(examples().x[rows]) / 255.0, next(minibatches(config, 0, 1)).g_z

    def decoded(z):
        return Net(slope=0.0, end="sigmoid").forward(g, z, {}).out

    def encoded(x):
        return Net().forward(e, x, {}).out

    fake = decoded(z)
    want = ((encoded(fake) - z) ** 2).mean()
    want += pixels * (((decoded(encoded(fake)) - fake) ** 2).mean() + ((decoded(encoded(x)) - x) ** 2).mean())
    trainer.fit(steps=1, callbacks=[recorder])
    assert recorder.terms[0]["inversion"] == pytest.approx(want, rel=1e-9)
