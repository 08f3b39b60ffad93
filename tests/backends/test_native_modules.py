"""Modules of the user's own, `torch.nn.Module` and `flax.nnx.Module`, as players."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.building import open_backend
from gankit.conformance.compare import agree, bit_equal
from gankit.conformance.games import CLASSES, IDLE, Recorder, examples, leaves, small, start
from gankit.layers import BatchNorm, ConcatLabels, Dense, Flatten, LeakyRelu, Relu, Reshape, Sigmoid
from gankit.plug import registry
from gankit.plug.capabilities import BFLOAT16
from tests.backends import native_pairs
from tests.backends.capable import need

CONDITIONAL = {"loss": {"name": "conditional", "base": "non-saturating"}}
RNG = np.random.default_rng(1)
IMAGES, LABELS = RNG.integers(0, 256, (40, 6, 4, 3), dtype=np.uint8), np.arange(40) % CLASSES
BUFFERS = {"torch": ("running_mean", "running_var"), "jax": ("mean", "var")}


# ---- the same arithmetic is the same game

G = (ConcatLabels(CLASSES), Dense(7, bias=None), BatchNorm(0.9), Relu(), Dense(6), Sigmoid(), Reshape((3, 2, 1)))
D = (Flatten(), ConcatLabels(CLASSES), Dense(5, bias=None), BatchNorm(0.9), LeakyRelu(0.2), Dense(1), Reshape(()))
NAMES = {
    "torch": {"dense0/kernel": "inner/weight", "dense1/kernel": "outer/weight", "dense1/bias": "outer/bias"},
    "jax": {"dense0/kernel": "inner/kernel", "dense1/kernel": "outer/kernel", "dense1/bias": "outer/bias"},
}


def test_a_module_follows_records_of_the_same_arithmetic(backend):
    """Both phases, running statistics, a lazy penalty and Adam, in float64, labels included."""
    config = small(
        generator="native", discriminator="native", k=2, penalties=[{"name": "r1", "every": 2}], **CONDITIONAL
    )
    records = start(open_backend(backend, "auto", "float64"), config, brought={"generator": G, "discriminator": D})
    pair = native_pairs.plain(backend, records.generator.parameters, records.discriminator.parameters)
    brought = {"generator": gankit.Native(pair[0], "unit"), "discriminator": gankit.Native(pair[1])}
    modules = start(open_backend(backend, "auto", "float64"), config, brought=brought)
    terms = []
    for trainer in (records, modules):
        recorder = Recorder()
        trainer.fit(steps=6, callbacks=[recorder])
        terms.append(recorder.terms)
    for want, got in zip(*terms, strict=True):
        assert got == pytest.approx(want, rel=1e-10)
    of_records, of_modules = leaves(records), leaves(modules)
    for role, passes in (("generator", 6), ("discriminator", 6 * 2 * 2)):
        for record, name in NAMES[backend].items():
            want = of_records[f"{role}/params/{record}"]
            want = want.T if backend == "torch" else want
            agree(of_modules[f"{role}/params/{name}"], want, f"{role} {name}", rtol=1e-10, atol=1e-12)
        mean, var = (of_modules[f"{role}/buffers/norm/{name}"] for name in BUFFERS[backend])
        if backend == "jax":  # flax's own divisor is n, which is 8 here, where ours is n - 1
            var = (var - 0.9**passes) * 8 / 7 + 0.9**passes
        agree(mean, of_records[f"{role}/buffers/batchnorm0/mean"], f"{role} mean", rtol=1e-10, atol=1e-12)
        agree(var, of_records[f"{role}/buffers/batchnorm0/var"], f"{role} var", rtol=1e-10, atol=1e-12)


# ---- layout, heads and features


def softplus(x):
    return np.logaddexp(0, x)


def test_images_keep_their_layout_and_all_that_d_returns_is_used(backend):
    """One picture, one linear D with a class head: every term of a step, every sample and score in closed form."""
    picture, weights = RNG.random((6, 4, 3)), RNG.normal(size=(6, 4, 3)) / 9
    class_weights = RNG.normal(size=(CLASSES, 6, 4, 3)) / 9
    generator, discriminator = native_pairs.linear(backend, picture, weights, class_weights)
    game = gankit.build(
        backend,
        data=(IMAGES, LABELS),
        num_classes=CLASSES,
        generator=gankit.Native(generator, "unit"),
        discriminator=discriminator,
        dtype="float64",
        latent_dim=4,
        **{**IDLE, **CONDITIONAL},
    )
    y = LABELS[:8]
    terms = game.step(IMAGES[:8], y)

    def said(x):
        class_logits = np.einsum("nhwc,khwc->nk", x, class_weights)
        log_p = class_logits - np.log(np.exp(class_logits).sum(axis=1, keepdims=True))
        return (x * weights).sum(axis=(1, 2, 3)), -log_p[np.arange(len(x)), y].mean()

    (real, real_classes), (fake, fake_classes) = said(IMAGES[:8] / 255), said(np.repeat(picture[None], 8, axis=0))
    assert terms["d_loss"] == pytest.approx((softplus(-real) + softplus(fake)).mean() + real_classes, rel=1e-10)
    assert terms["g_loss"] == pytest.approx(softplus(-fake).mean() + fake_classes, rel=1e-10)
    samples = game.sample(5)
    assert samples.shape == (5, 6, 4, 3) and samples.dtype == np.uint8
    assert np.array_equal(samples[3], np.rint(255 * picture))
    agree(game.score(IMAGES[:8], y), real, "score", rtol=1e-10)


# ---- batch norm and dropout inside


def game(backend, *, conditional, seed=0, **settings):
    generator, discriminator = native_pairs.convolutional(backend, classes=CLASSES if conditional else 0, seed=seed)
    labels = {"num_classes": CLASSES, **CONDITIONAL} if conditional else {}
    return gankit.build(
        backend,
        data=(IMAGES, LABELS) if conditional else IMAGES,
        generator=gankit.Native(generator, "unit"),
        discriminator=discriminator,
        latent_dim=4,
        batch_size=8,
        ema=0.9,
        **labels,
        **settings,
    )


@pytest.mark.parametrize("conditional", [False, True])
def test_dropout_and_batch_norm_train_repeat_and_resume_bit_for_bit(backend, conditional, tmp_path):
    data = (IMAGES, LABELS) if conditional else IMAGES
    first, recorder = game(backend, conditional=conditional), Recorder()
    first.fit(steps=5, callbacks=[recorder])
    assert all(np.isfinite(list(terms.values())).all() for terms in recorder.terms)
    path = first.save(tmp_path / "state")
    assert first.sample(3).shape == (3, 6, 4, 3) and first.sample(3).dtype == np.uint8
    generator, discriminator = native_pairs.convolutional(backend, classes=CLASSES if conditional else 0, seed=9)
    resumed = gankit.load(path, generator=generator, discriminator=discriminator)
    bit_equal(leaves(resumed), leaves(first), "loaded into modules of other numbers")
    bit_equal(leaves(resumed.fit(data, steps=4)), leaves(first.fit(steps=4)), "5 steps resumed for 4 more")
    assert np.array_equal(resumed.sample(4, seed=2), first.sample(4, seed=2))


def test_masks_come_from_the_seed_and_the_step_and_leave_the_framework_s_own_random_numbers_alone(backend):
    """A second game of the same modules, whatever else was drawn meanwhile, is the same game."""
    first = leaves(game(backend, conditional=False).fit(steps=3))
    if backend == "torch":
        import torch

        torch.manual_seed(123)
        before = torch.random.get_rng_state()
        second = leaves(game(backend, conditional=False).fit(steps=3))
        assert torch.equal(torch.random.get_rng_state(), before)
    else:
        second = leaves(game(backend, conditional=False).fit(steps=3))
    bit_equal(second, first, "the same modules and seed")


def test_each_key_has_masks_of_its_own(backend):
    trainer = game(backend, conditional=False)
    ops, d = trainer.backend.ops, trainer._state.discriminator
    network = trainer._game.rules.seats["discriminator"].network
    key, x = ops.key((np.uint32(1), np.uint32(2))), ops.asarray(RNG.random((8, 6, 4, 3)))
    first, again, other = (
        ops.to_numpy(network.apply(d.params, d.buffers, x, {}, train=True, key=k)[0])
        for k in (key, key, ops.fold_in(key, 1))
    )
    assert np.array_equal(first, again) and (first != other).any()


def test_evaluation_has_no_dropout_and_moves_no_buffer(backend):
    trainer = game(backend, conditional=False).fit(steps=2)
    before = leaves(trainer)
    scores = [trainer.score(IMAGES[:6]) for _ in range(2)]
    assert np.array_equal(*scores) and np.array_equal(trainer.sample(4), trainer.sample(4))
    bit_equal(leaves(trainer), before, "after sampling and scoring")


def test_the_trained_module_is_the_user_s_own_to_take_away(backend):
    """In torch the very module that was passed; in flax, whose modules training cannot reach into, another like it."""
    generator, discriminator = native_pairs.convolutional(backend)
    trainer = gankit.build(
        backend,
        data=IMAGES,
        generator=gankit.Native(generator, "unit"),
        discriminator=discriminator,
        latent_dim=4,
        batch_size=8,
    )
    before = trainer.generator.parameters
    trainer.fit(steps=3)
    native = trainer.generator.native
    assert type(native) is type(generator) and (backend == "jax" or native is generator)
    assert all((trainer.generator.parameters[name] != p).any() for name, p in before.items() if "embed" not in name)
    z = RNG.normal(size=(5, 4)).astype(np.float32)
    out = trainer.backend.ops.to_numpy(native(trainer.backend.ops.asarray(z)))
    out = out.transpose(0, 2, 3, 1) if backend == "torch" else out
    agree(out, trainer.generate(z, ema=False), "module(z)", rtol=1e-5, atol=1e-6)
    assert trainer.discriminator.num_parameters > 0


def test_one_player_may_be_a_module_and_the_other_records(backend):
    _, discriminator = native_pairs.convolutional(backend)
    records = {"name": "mlp", "hidden": [8]}
    trainer = gankit.build(backend, data=IMAGES, generator=records, discriminator=discriminator, batch_size=8)
    terms = trainer.fit(steps=2).step(IMAGES[:8])
    assert np.isfinite(list(terms.values())).all()


def test_a_module_may_compute_in_bfloat16_and_losses_do_not(backend):
    need(backend, BFLOAT16)
    generator, discriminator = native_pairs.half(backend)
    lazy = [{"name": "r1", "every": 2}]
    trainer, recorder = build(backend, generator=generator, discriminator=discriminator, penalties=lazy), Recorder()
    trainer.fit(steps=4, callbacks=[recorder])
    assert all(np.isfinite(list(terms.values())).all() for terms in recorder.terms)
    assert recorder.terms[1]["r1"] == recorder.terms[0]["r1"] > 0.0, "as it last was"
    assert {str(array.dtype) for array in leaves(trainer).values()} == {"float32"}
    assert trainer.score(IMAGES[:3]).dtype == trainer.generate(np.zeros((2, 4))).dtype == np.float32


def test_precision_reaches_into_modules_or_says_that_it_does_not(backend):
    generator, discriminator = native_pairs.convolutional(backend)
    players = {"generator": gankit.Native(generator, "unit"), "discriminator": discriminator}
    if backend == "jax":
        with pytest.raises(gankit.ConfigError, match="does not reach into a flax module.*dtype=jnp.bfloat16"):
            build(backend, precision="bfloat16", **players)
        return
    trainer = build(backend, precision="bfloat16", batch_size=8, **players).fit(steps=2)
    assert {array.dtype for array in leaves(trainer).values()} <= {np.dtype("float32"), np.dtype("int64")}


# ---- what cannot be


@pytest.fixture(autouse=True)
def of_a_framework_with_a_pair(backend):
    """Each test here plays modules as users of the framework write them."""
    if backend not in OTHER:
        pytest.skip(f"modules of {backend} are held to the same in backends/{backend}/tests")


class Function:
    """Something that is no module."""


def column(backend):
    if backend == "torch":
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(72, 1))
    from flax import nnx

    rngs = nnx.Rngs(0)
    return nnx.Sequential(lambda x: x.reshape(len(x), -1), nnx.Linear(72, 1, rngs=rngs))


def shaped(backend, answer):
    """A D that answers with something of its logits."""
    if backend == "torch":
        from torch import nn

        class D(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = column("torch")

            def forward(self, x):
                return answer(self.inner(x)[:, 0])
    else:
        from flax import nnx

        class D(nnx.Module):
            def __init__(self):
                self.inner = column("jax")

            def __call__(self, x):
                return answer(self.inner(x)[:, 0])

    return D()


def build(backend, latent_dim=4, **players):
    return gankit.build(backend, data=IMAGES, latent_dim=latent_dim, **players)


OTHER = {"torch": "jax", "jax": "torch"}
PAIR = native_pairs.convolutional


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda b: build(b, discriminator=Function()), "backend cannot run .*Function: it takes a .*Module"),
        (lambda b: build(b, discriminator=Function), "cannot run .*type: it takes a .*Module"),
        (lambda b: build(b, discriminator=column(b)), r"ends in shape \(1,\); it must end in \(\).*Flatten \(N, 1\)"),
        (lambda b: build(b, generator=PAIR(b)[0], latent_dim=9), r"The generator .*G fails on latents of shape \(9,\)"),
        (
            lambda b: gankit.build(b, data=IMAGES[:, :4], generator=PAIR(b)[0], latent_dim=4),
            r"ends in shape \(6, 4, 3\); it must end in \(4, 4, 3\), an example",
        ),
        (
            lambda b: gankit.build(b, data=IMAGES[:, :4], discriminator=PAIR(b)[1], latent_dim=4),
            r"The discriminator .*D fails on examples of shape \(4, 4, 3\)",
        ),
        (lambda b: build(b, discriminator=shaped(b, lambda y: (y, y))), "returns a tuple; it must return logits"),
        (lambda b: build(b, discriminator=shaped(b, lambda y: {"score": y})), "returns a dict with 'score'"),
        (lambda b: gankit.Native(PAIR(b)[0], "tanh"), "output='tanh'.*Choose 'free', 'symmetric', 'unit'"),
    ],
)
def test_a_module_that_cannot_play_is_one_clear_error_before_the_game(backend, wrong, message):
    with pytest.raises(gankit.ConfigError, match=message):
        wrong(backend)


def test_a_checkpoint_of_modules_asks_for_them(backend, tmp_path):
    path = game(backend, conditional=False).save(tmp_path / "state")
    generator, discriminator = native_pairs.convolutional(backend)
    with pytest.raises(
        gankit.ConfigError, match=r"generator of this game is your own module, .*G. .*load\(path, generator="
    ):
        gankit.load(path, discriminator=discriminator)
    with pytest.raises(gankit.ConfigError, match="discriminator of this game is your own module"):
        gankit.load(path, generator=generator)
    conditional = native_pairs.convolutional(backend, classes=CLASSES)
    with pytest.raises(gankit.GankitError, match="generator|G"):
        gankit.load(path, generator=conditional[0], discriminator=conditional[1])
    if {"torch", "jax"} <= set(registry.names("backends")):
        with pytest.raises(gankit.ConfigError, match=f"{OTHER[backend]} backend cannot run .*G: it takes"):
            gankit.load(path, backend=OTHER[backend], generator=generator, discriminator=discriminator)


# ---- from a plugin

PLUGIN = """
from gankit import Entry, hookimpl

@hookimpl
def gankit_discriminators():
    yield Entry(name="own-d", target="native_plugin_{backend}:discriminator", api=1, summary="of one framework")

def discriminator(spec, *, classes=0):
    from gankit import Native
    from tests.backends import native_pairs
    return Native(native_pairs.convolutional({backend!r}, classes=classes)[1])
"""


@pytest.fixture
def plugin(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution, installed for the time of a test, whose network is a module of this backend's framework."""
    (tmp_path / f"native_plugin_{backend}.py").write_text(PLUGIN.format(backend=backend))
    info = tmp_path / "native_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: native-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gankit]\nnative = native_plugin_{backend}\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.refresh()
    yield
    monkeypatch.undo()
    registry.refresh()


def test_a_plugin_s_module_plays_on_its_framework_and_is_loaded_by_name(backend, plugin, tmp_path):
    generator = {"name": "mlp", "hidden": [8]}
    trainer = gankit.build(backend, data=IMAGES, generator=generator, discriminator="own-d", batch_size=8).fit(steps=2)
    path = trainer.save(tmp_path / "state")
    bit_equal(leaves(gankit.load(path)), leaves(trainer), "loaded")
    assert any("running_mean" in name or "norm/mean" in name for name in checkpoint.read(path)[0])
    if {"torch", "jax"} <= set(registry.names("backends")):
        message = rf"'own-d' \(discriminator\): The {OTHER[backend]} backend cannot run .*D: it takes a .*Module"
        with pytest.raises(gankit.ConfigError, match=message):
            gankit.build(OTHER[backend], data=IMAGES, discriminator="own-d")


def test_examples_fit_the_pairs():
    assert examples().x.shape[1:] == (3, 2, 1) and examples().num_classes == CLASSES == native_pairs.CLASSES
