"""What a user of conditions relies on, on every installed backend."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import gankit
from gankit.cli import app
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import leaves
from gankit.errors import ConfigError, DataError
from gankit.parts.optimizers import Adam, Sgd
from gankit.plug import registry
from tests.backends import native_pairs

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
SMALL = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "batch_size": 4, "latent_dim": 3}
PICTURES = {"generator": {"width": 2}, "discriminator": {"width": 2, "depth": 1}, "batch_size": 4}


def test_conditions_come_with_the_data_in_every_form(backend, tmp_path):
    pose, image = RNG.normal(size=(40, 2)).astype(np.float32), X[:, ::2, ::2]
    np.savez(tmp_path / "data.npz", x=X, **{"given/pose": pose, "given/image": image})
    forms = ((X, {"pose": pose, "image": image}), {"x": X, "given/pose": pose, "given/image": image})
    runs = [
        leaves(gankit.build(backend, data=data, **SMALL).fit(steps=2)) for data in (*forms, str(tmp_path / "data.npz"))
    ]
    bit_equal(runs[1], runs[0], "a mapping")
    bit_equal(runs[2], runs[0], "an .npz")


def test_data_too_large_for_the_device_brings_its_conditions_along(backend, monkeypatch):
    data = (X, {"image": X[:, ::2, ::2], "pose": RNG.normal(size=(40, 2)).astype(np.float32)})
    resident = leaves(gankit.build(backend, data=data, dtype="float64", **SMALL).fit(steps=3))
    monkeypatch.setattr("gankit.play.feed.RESIDENT_BYTES", 0)
    sent = leaves(gankit.build(backend, data=data, dtype="float64", **SMALL).fit(steps=3))
    assert max(np.abs(resident[name] - sent[name]).max() for name in sent) < 1e-9


def test_g_answers_to_what_it_is_given_and_pairs_are_the_data_s(backend):
    pose = np.arange(40, dtype=np.float32)[:, None] / 40
    gan = gankit.build(backend, data=(X, {"pose": pose}), **SMALL).fit(steps=2)
    x, given = gan.pairs(5, seed=3)
    rows = [int(np.flatnonzero((one == X).all(axis=(1, 2, 3)))[0]) for one in x]
    np.testing.assert_array_equal(given["pose"], pose[rows])
    one = gan.sample(4, given={"pose": np.array([0.5])}, seed=1)
    np.testing.assert_array_equal(one, gan.sample(4, given={"pose": np.full((4, 1), 0.5)}, seed=1))
    assert (
        gan.generate(np.ones((1, 3)), given={"pose": [[9.0]]}) != gan.generate(np.ones((1, 3)), given={"pose": [[0.0]]})
    ).any()
    assert gan.score(x, given=given).shape == (5,)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, DataError, r"condition 'pose' is missing, vector of shape \(2,\).*given=\{'pose': \.\.\.\}"),
        ({"pose": np.zeros((3, 2)), "pos": 1}, ConfigError, "no condition 'pos'.*Did you mean 'pose'"),
        ({"pose": np.zeros((3, 4))}, DataError, r"must be vectors of shape \(3, 2\).*got \(3, 4\)"),
        ({"pose": np.zeros((2, 2))}, DataError, r"must be vectors of shape \(3, 2\).*got \(2, 2\)"),
        ({"pose": np.full((3, 2), np.nan)}, DataError, "'pose' holds NaN"),
    ],
)
def test_a_condition_that_does_not_fit_is_one_clear_error(backend, given, error, message):
    gan = gankit.build(backend, data=(X, {"pose": np.zeros((40, 2), np.float32)}), **SMALL)
    with pytest.raises(error, match=message):
        gan.sample(3, given=given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"given": ["downsampl"]}, "Did you mean 'downsample'"),
        ({"given": [{"name": "downsample", "factor": 3}]}, "must divide both sides of the examples, 8x8"),
        ({"given": ["grey"]}, "three colours"),
        ({"given": ["unpaired"]}, "no source 'b'.*--source b=DATA"),
        ({"given": ["mask", "edges"]}, "'image' exists twice"),
        ({"recipe": "dcgan", "given": ["edges"]}, "The generator does not take the game's condition 'image'"),
        ({"players": {"generator-b": {"source": "b"}}}, "source 'b', which this game lacks"),
        ({"players": {"encodr": {}}}, "players.encodr.kind='encodr' is not possible.*Did you mean 'encoder'"),
        ({"players": {"generator-b": {"phase": "generater"}}}, "Did you mean 'generator'"),
        ({"players": {"generator-b": {"nework": {}}}}, "no setting 'nework'.*Did you mean 'network'"),
        ({"penalties": ["cycle"]}, "'cycle' needs 'generator-b', which this game lacks"),
        ({"penalties": ["mismatched"]}, "'mismatched' needs conditions, and this game has none.*given="),
        ({"conditions": ["pose"]}, "brings no 'pose'"),
    ],
)
def test_what_cannot_be_played_is_said_before_anything_is_computed(backend, settings, message):
    data = gankit.Dataset(RNG.integers(0, 256, (9, 8, 8, 1), dtype=np.uint8), value_range=(0, 255))
    with pytest.raises(gankit.GankitError, match=message):
        gankit.build(backend, data=data, **settings)


def test_a_minibatch_of_one_has_no_condition_of_others(backend):
    gan = gankit.build(
        backend, data=X, given=["mask"], penalties=["mismatched"], batch_size=1, generator={"hidden": [4]}
    )
    with pytest.raises(ConfigError, match="minibatch of 1.*batch_size=2"):
        gan.fit(steps=1)


def test_two_generators_and_two_discriminators_play_are_saved_and_resumed(backend, tmp_path):
    """Cycle consistency between pictures of one channel and of three; what is not reopened is passed."""
    game = {"recipe": "cycle", "data": X, "generator": {"width": 2, "blocks": 1, "downsamplings": 1}, "ema": 0.9}
    game |= {"discriminator": {"width": 2, "depth": 1}, "batch_size": 4, "sources": {"b": COLOUR}}
    whole = gankit.build(backend, **game).fit(steps=2)
    path = whole.save(tmp_path / "half")
    assert {name.split("/")[0] for name in leaves(whole)} >= {"generator", "discriminator-b", "generator-b", "ema"}
    resumed = gankit.load(path, backend, sources={"b": COLOUR}).fit(X, steps=2)
    bit_equal(leaves(resumed), leaves(whole.fit(steps=2)), "2 steps resumed for 2 more")
    assert whole.sample(3, given={"image": COLOUR[:3]}).shape == (3, 8, 8, 1)
    assert whole.sample(3, given={"image": X[:3]}, player="generator-b").shape == (3, 8, 8, 3)
    assert whole.score(COLOUR[:3], player="discriminator-b").shape == (3,)
    with pytest.raises(ConfigError, match="Did you mean 'generator-b'"):
        whole.sample(3, given={"image": X[:3]}, player="generator-a")
    with pytest.raises(DataError, match=r"without its source 'b'"):
        gankit.load(path, backend).fit(X, steps=1)


def test_a_further_player_may_be_a_module_of_ones_own(backend, tmp_path):
    rng = np.random.default_rng(4)
    arrays = (rng.random((8, 8, 3)), rng.normal(size=(8, 8, 3)), rng.normal(size=(2, 8, 8, 3)))
    module = native_pairs.linear(backend, *(array.astype(np.float32) for array in arrays))[1]  # D(x): no conditions
    players = {
        "generator-b": {"source": "b"},
        "discriminator-b": {"source": "b", "network": module, "optimizer": {"lr": 0.1}},
    }
    game = {"data": X, "given": [{"name": "unpaired", "source": "b"}], "sources": {"b": COLOUR}, "batch_size": 4}
    game |= {"generator": {"hidden": [4]}, "discriminator": {"hidden": [4]}}
    gan = gankit.build(backend, **game, players=players, penalties=["cycle"])
    before = gan.players["discriminator-b"].parameters
    path = gan.fit(steps=2).save(tmp_path / "game")
    moved = {n: np.abs(a - before[n]).max() > 0 for n, a in gan.players["discriminator-b"].parameters.items()}
    assert moved["weights"] and not moved["class_weights"]  # its logits don't depend on these
    with pytest.raises(
        ConfigError, match=r"discriminator-b of this game is your own module.*players=\{'discriminator-b': \.\.\.\}"
    ):
        gankit.load(path, backend, sources={"b": COLOUR})
    same = gankit.load(path, backend, sources={"b": COLOUR}, players={"discriminator-b": module})
    bit_equal(leaves(same.fit(X, steps=2)), leaves(gan.fit(steps=2)), "2 steps resumed for 2 more")


def test_a_picture_is_answered_on_the_command_line(backend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("faces.npy", X)
    told = {
        "given.factor": 2,
        "generator.width": 2,
        "discriminator.width": 2,
        "discriminator.depth": 1,
        "batch_size": 4,
    }
    settings = [text for key, value in told.items() for text in ("--set", f"{key}={value}")]
    made = [
        "--recipe",
        "super-resolution",
        "--data",
        "faces.npy",
        "--given",
        "downsample",
        "--steps",
        "2",
        "--out",
        "run",
    ]
    run = CliRunner().invoke(app, ["train", "--backend", backend, *made, *settings])
    assert run.exit_code == 0, run.output
    Image.fromarray(X[0, ::2, ::2, 0]).save("small.png")
    sampled = CliRunner().invoke(app, ["sample", "run", "--given", "small.png", "--n", "8", "--out", "eight.npy"])
    assert sampled.exit_code == 0 and np.load("eight.npy").shape == (8, 8, 8, 1)
    drawn = CliRunner().invoke(app, ["figure", "conditions", "run"])
    assert drawn.exit_code == 0
    with Image.open("run/figures/conditions.png") as figure:
        assert figure.width > 100
    Image.fromarray(X[0, :, :, 0]).save("large.png")
    wrong = CliRunner().invoke(app, ["sample", "run", "--given", "large.png"])
    assert wrong.exit_code and "image of shape (4, 4, 1)" in str(wrong.exception or wrong.output)


class Halved(Adam):
    """Adam at half its rate, by one method."""

    def update(self, ops, p, g, slots, numbers, count):
        first, second, direction = self.moments(ops, g, slots, numbers, count)
        return p - 0.5 * numbers["lr"] * direction, {"first": first, "second": second}


class Own(Sgd):
    """Momentum by the mathematics over ops."""

    def update(self, *arguments):
        return Sgd.update(self, *arguments)


@pytest.mark.parametrize(("mine", "native"), [(Halved, "adam"), (Own, "sgd")], ids=["adam", "sgd"])
def test_an_optimizer_of_a_stranger_s_is_played_and_resumed(backend, monkeypatch, tmp_path, mine, native):
    real = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: mine if name == "mine" else real(kind, name))
    both = ("generator_optimizer", "discriminator_optimizer")

    def game(name, lr):
        rule = {"name": name, "lr": lr, **({"b1": 0.5, "b2": 0.99} if native == "adam" else {"momentum": 0.5})}
        return gankit.build(backend, data=X, dtype=dtype, **dict.fromkeys(both, rule), **SMALL)

    dtype = "float64" if "float64" in gankit.build(backend, data=X, **SMALL).backend.capabilities else "float32"
    whole = game("mine", 0.02 if native == "adam" else 0.01).fit(steps=3)
    resumed = gankit.load(whole.save(tmp_path / "half"), backend).fit(X, steps=3)
    got = leaves(whole.fit(steps=3))
    bit_equal(leaves(resumed), got, "3 steps resumed for 3 more")
    want = leaves(game(native, 0.01).fit(steps=6))
    bound = 1e-9 if dtype == "float64" else 1e-4
    assert max(np.abs(got[name] - want[name]).max() for name in want) < bound
