"""DiffAugment (Zhao et al. 2020), example by example in NumPy, and where the step puts what changes examples."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import gankit
from gankit.building import open_backend
from gankit.conformance.compare import agree, agree_by_name
from gankit.conformance.games import Recorder, examples, minibatches, oracle_of, small, start
from gankit.conformance.reference import central_differences
from gankit.interfaces import Draw, Player, Port
from gankit.networks import GameSpec
from gankit.parts.augmentations import colour, cutout, translation
from gankit.parts.first_api import as_today
from gankit.play.game import Seat
from gankit.play.judging import judge
from tests.backends.pieces import with_rules

RNG = np.random.default_rng(4)
N, ALMOST_ONE = 7, 1 - 2.0**-24
UNIFORMS = [np.concatenate([[0.0, ALMOST_ONE], RNG.random(N - 2)]) for _ in range(3)]
SHAPES = [(5, 7, 3), (8, 8, 1)]
SPAN = 2.0


def ops_of(backend, dtype="float64"):
    return open_backend(backend, "auto", dtype).ops


class Drawing:
    """The backend's ops, whose draws are given: one array for each index that the key is folded with."""

    def __init__(self, ops, uniforms):
        self._ops, self._uniforms = ops, uniforms

    def __getattr__(self, name):
        return getattr(self._ops, name)

    def fold_in(self, key, index):
        return index

    def uniform(self, index, shape):
        return self._ops.asarray(self._uniforms[index].reshape(shape))


# ---- one example in NumPy; u are its uniform numbers


def coloured(x, u, strength=1.0):
    """Zhao et al.'s images are in [-1, 1]: brightness + U(-0.5, 0.5), saturation * U(0, 2), contrast * U(0.5, 1.5)."""
    x = x + strength * (u[0] - 0.5)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            grey = x[i, j].mean()
            x[i, j] = grey + (x[i, j] - grey) * (1 + strength * (2 * u[1] - 1))
    return x.mean() + (x - x.mean()) * (1 + strength * (u[2] - 0.5))


def translated(x, u, share):
    """The pixel at (i, j) goes to (i + down, j + right), each up to round(share * side) either way; the rest is 0."""
    most = [int(side * share + 0.5) for side in x.shape[:2]]
    down, right = (int(v * (2 * m + 1)) - m for v, m in zip(u, most, strict=False))
    out = np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if 0 <= i + down < x.shape[0] and 0 <= j + right < x.shape[1]:
                out[i + down, j + right] = x[i, j]
    return out


def cut(x, u, share):
    """The published grid: `length` coordinates about a centre, those outside moved onto the border."""
    rows, columns = (
        np.clip(np.arange(length) + int(v * (side + 1 - length % 2)) - length // 2, 0, side - 1)
        for v, side, length in ((v, s, int(s * share + 0.5)) for v, s in zip(u, x.shape[:2], strict=False))
    )
    out = x.copy()
    out[rows[:, None], columns] = 0.0
    return out


CASES = {
    "colour": (lambda spec: colour(spec, SPAN), coloured),
    "weak colour": (lambda spec: colour(spec, SPAN, strength=0.3), lambda x, u: coloured(x, u, 0.3)),
    "translation": (lambda spec: translation(spec, SPAN, share=0.25), lambda x, u: translated(x, u, 0.25)),
    "no translation": (lambda spec: translation(spec, SPAN, share=0.0), lambda x, u: x),
    "cutout": (lambda spec: cutout(spec, SPAN), lambda x, u: cut(x, u, 0.5)),
    "small cutout": (lambda spec: cutout(spec, SPAN, share=0.2), lambda x, u: cut(x, u, 0.2)),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_each_example_is_changed_as_published(backend, case, shape):
    make, reference = CASES[case]
    ops, x = ops_of(backend), RNG.uniform(-1, 1, (N, *shape))
    got = ops.to_numpy(make(GameSpec(shape, 3))(Drawing(ops, UNIFORMS), ops.asarray(x), {}, None)[0])
    for i in range(N):
        want = reference(x[i].copy(), [u[i] for u in UNIFORMS])
        agree(got[i], want, f"{case}, example {i}", rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", ["colour", "translation", "cutout"])
def test_gradients_flow_through(backend, case):
    make, reference = CASES[case]
    ops, shape = ops_of(backend), (N, 4, 3, 2)
    x, weight = RNG.normal(size=shape), RNG.normal(size=shape)
    change, w, drawing = make(GameSpec(shape[1:], 3)), ops.asarray(weight), Drawing(ops, UNIFORMS)
    got = ops.grad(lambda x: ops.xp.sum(w * change(drawing, x, {}, None)[0]))(ops.asarray(x))

    def objective(v):
        return sum((weight[i] * reference(v[i].copy(), [u[i] for u in UNIFORMS])).sum() for i in range(N))

    agree(ops.to_numpy(got), central_differences(objective, x), case, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", ["colour", "translation", "cutout"])
def test_every_example_of_every_key_is_changed_in_its_own_way(backend, case):
    ops = ops_of(backend, "float32")
    change, image = CASES[case][0](GameSpec((8, 8, 3), 3)), RNG.uniform(-1, 1, (8, 8, 3))
    x = ops.asarray(np.repeat(image[None], 12, axis=0))
    key = ops.key((np.uint32(1), np.uint32(2)))
    first, again, other = (ops.to_numpy(change(ops, x, {}, k)[0]) for k in (key, key, ops.fold_in(key, 1)))
    assert first.dtype == np.float32 and np.array_equal(first, again)
    assert len({one.tobytes() for one in first}) > 6 and (first != other).any()


def test_shifts_are_uniform_in_both_directions(backend):
    """5 x 5 shifts of the middle pixel, 25 * 80 examples: each share is within 5 standard deviations of 1/25."""
    ops, n = ops_of(backend), 2000
    x = np.zeros((n, 8, 8, 1))
    x[:, 4, 4] = 1.0
    moved = translation(GameSpec((8, 8, 1), 3), SPAN, share=0.25)(ops, ops.asarray(x), {}, ops.key((7, 7)))[0]
    shares = ops.to_numpy(moved)[..., 0].mean(axis=0)
    assert shares[:2].sum() == shares[7:].sum() == shares[:, :2].sum() == shares[:, 7:].sum() == 0.0
    assert np.abs(shares[2:7, 2:7] - 0.04).max() < 5 * np.sqrt(0.04 * 0.96 / n)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: colour(GameSpec((4,), 3), 1.0), "'colour' takes images"),
        (lambda: translation(GameSpec((4,), 3), 1.0), "'translation' takes images"),
        (lambda: cutout(GameSpec((4,), 3), 1.0), "'cutout' takes images"),
        (lambda: colour(GameSpec((4, 4, 1), 3), 1.0, strength=1.5), r"strength=1.5; it must be in \[0, 1\]"),
        (lambda: translation(GameSpec((4, 4, 1), 3), 1.0, share=-0.1), r"share=-0.1; it must be in \[0, 1\]"),
    ],
)
def test_what_cannot_be_changed_is_said(bad, message):
    with pytest.raises(gankit.ConfigError, match=message):
        bad()


@pytest.mark.parametrize("case", ["translation", "cutout"])
def test_pictures_among_the_conditions_are_moved_along(backend, case):
    """A mask that stays while its image moves would tell D something false."""
    ops, make = ops_of(backend), CASES[case][0]
    x, mask = (ops.asarray(RNG.uniform(0.5, 1.0, (N, 8, 8, channels))) for channels in (3, 1))
    spec = GameSpec((8, 8, 3), 3, given={"mask": Port("mask", (8, 8, 1)), "pose": Port("vector", (8,))})
    given = {"mask": mask, "pose": ops.asarray(np.ones((N, 8)))}
    both, moved = make(spec)(ops, ops.xp.concat([x, mask], axis=3), given, ops.key((1, 2)))
    np.testing.assert_array_equal(ops.to_numpy(moved["mask"]), ops.to_numpy(both)[..., 3:])
    assert moved["pose"] is given["pose"] and (ops.to_numpy(moved["mask"]) == 0).any()
    small = GameSpec((8, 8, 3), 3, given={"image": Port("image", (2, 2, 3))})
    with pytest.raises(gankit.ConfigError, match=r"condition 'image', which is 2x2"):
        make(small)


# ---- in the step


def negative(ops, x, key):
    """1 - 3x: what D then says of x is what a D with other first weights says of it, in closed form."""
    return 1.0 - 3.0 * x


def seen_through(d):
    """The D for which D'(x) = D(1 - 3x)."""
    kernel = d["dense0/kernel"]
    return {**d, "dense0/kernel": -3.0 * kernel, "dense0/bias": d["dense0/bias"] + kernel.sum(axis=0)}


def in_own_weights(gradient):
    """The chain rule, from the gradient in D' to that in D."""
    kernel = -3.0 * gradient["dense0/kernel"] + gradient["dense0/bias"]
    return {**gradient, "dense0/kernel": kernel}


def test_d_sees_reals_and_fakes_alike_through_the_augmentation_in_both_phases_and_scores_without_it(backend):
    """R1 is the gradient in the examples themselves, through the augmentation: (3 * slope)^2."""
    descent = {f"{role}_optimizer": {"name": "sgd", "lr": 0.02} for role in ("generator", "discriminator")}
    plain = start(open_backend(backend, "auto", "float64"), small(penalties=["r1"], **descent))
    # Of `PLUGIN_API` 1, as strangers' are: no conditions.
    trainer, recorder = with_rules(plain, augmentations=(as_today("augmentations", negative),)), Recorder()
    oracle, x = oracle_of(trainer, r1=1.0), examples().x[:9]
    trainer.fit(steps=4, callbacks=[recorder])
    d = oracle.d
    for got, batch in zip(recorder.terms, minibatches(trainer.config, 0, 4), strict=True):
        oracle.d = seen_through(d)
        gradient, terms = oracle.d_gradient(batch.x[0], None, batch.z[0])
        d = {name: d[name] - 0.02 * g for name, g in in_own_weights(gradient).items()}
        oracle.d = seen_through(d)
        g_gradient, terms["g_loss"] = oracle.g_gradient(None, batch.g_z)
        oracle.g = {name: p - 0.02 * g_gradient[name] for name, p in oracle.g.items()}
        for name, value in terms.items():
            assert got[name] == pytest.approx(value, rel=1e-10), name
    agree_by_name(trainer.discriminator.parameters, d, "D", atol=1e-11)
    agree_by_name(trainer.generator.parameters, oracle.g, "G", atol=1e-11)
    oracle.d = d
    agree(trainer.score(x), oracle.score(x.reshape(9, -1) / 255.0, None), "score", rtol=1e-10)


@pytest.mark.parametrize("mixes_samples", [True, False])
def test_one_image_among_reals_and_fakes_is_changed_in_two_ways(backend, mixes_samples):
    ops, shape = ops_of(backend), (8, 8, 1)
    weights = ops.asarray(RNG.normal(size=shape))

    def apply(params, buffers, x, given, *, train, key):
        return ops.xp.sum(x * weights, axis=(1, 2, 3)), buffers

    d = SimpleNamespace(mixes_samples=mixes_samples, apply=apply)
    changes = (translation(GameSpec(shape, 3), SPAN), cutout(GameSpec(shape, 3), SPAN))
    game, x = (
        SimpleNamespace(
            ops=ops, seats={"discriminator": Seat(d, None, "discriminator", "discriminator")}, augmentations=changes
        ),
        ops.asarray(RNG.normal(size=(4, *shape))),
    )
    players = {"discriminator": Player({}, {}, {})}
    judged = judge(game, "discriminator", players, Draw(x, {}, x, {}), x, ops.key((3, 4)))
    assert (ops.to_numpy(judged.real.logits) != ops.to_numpy(judged.fake.logits)).any()


def test_the_published_three_train_on_colour_images(backend):
    images = RNG.integers(0, 256, (30, 6, 6, 3), dtype=np.uint8)
    nets = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}}
    game = gankit.build(backend, data=images, augmentations=["colour", "translation", "cutout"], batch_size=8, **nets)
    recorder = Recorder()
    game.fit(steps=6, callbacks=[recorder])
    assert all(np.isfinite(list(terms.values())).all() for terms in recorder.terms)
    assert [part["name"] for part in game.config.to_plain()["augmentations"]] == ["colour", "translation", "cutout"]
