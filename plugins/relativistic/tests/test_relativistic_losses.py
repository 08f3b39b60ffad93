"""Both losses against their closed forms, on every installed backend; the bugs that others shipped are caught."""

from __future__ import annotations

from dataclasses import dataclass, field

import array_api_strict
import numpy as np
import pytest
from gankit_relativistic.losses import Relativistic, RelativisticAverage

import gankit
from gankit import layers
from gankit.building import make, open_backend
from gankit.config import Part
from gankit.conformance.compare import agree, epsilon
from gankit.conformance.losses import SITUATIONS, evaluate
from gankit.conformance.tiny import TinyOps
from gankit.interfaces import Scores
from gankit.networks import GameSpec
from gankit.parts.initializers import Constant
from gankit.plug import registry

PARTS = ("value", "gradient in real logits", "gradient in fake logits")


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def softplus(x):
    return np.logaddexp(0, x)


def paired(higher, lower):
    """(value, gradient in higher, gradient in lower)."""
    s = sigmoid(lower - higher) / len(higher)
    return softplus(lower - higher).mean(), -s, s


def averaged(higher, lower):
    n = len(higher)
    up, down = sigmoid(lower.mean() - higher), sigmoid(lower - higher.mean())
    value = softplus(lower.mean() - higher).mean() + softplus(lower - higher.mean()).mean()
    return value, -(up + down.mean()) / n, (up.mean() + down) / n


def judge(ops, loss, closed, tolerance):
    """Raises AssertionError unless the loss is that closed form, for both players, in value and gradients."""
    for situation, (real, fake) in SITUATIONS.items():
        value, in_fake, in_real = closed(fake, real)
        wanted = {"discriminator": closed(real, fake), "generator": (value, in_real, in_fake)}
        for player, want in wanted.items():
            for part, g, w in zip(PARTS, evaluate(ops, loss, player, real, fake), want, strict=True):
                agree(g, w, f"{player}, {situation}: {part}", rtol=tolerance, atol=tolerance)


@pytest.fixture(params=registry.names("backends"))
def backend(request):
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


REAL_ONES = {"relativistic": paired, "relativistic-average": averaged}


@pytest.mark.parametrize("name", REAL_ONES)
def test_the_closed_form(name, backend, dtype):
    judge(open_backend(backend, "cpu", dtype).ops, make("losses", Part(name)), REAL_ONES[name], 32 * epsilon(dtype))


@pytest.mark.parametrize("name", REAL_ONES)
def test_a_conditional_game_plays_it(name, backend):
    ops = open_backend(backend, "cpu", "float64").ops
    judge(ops, make("losses", Part("conditional", {"base": {"name": name}})), REAL_ONES[name], 1e-14)


@dataclass(frozen=True)
class Faulty:
    """A loss with D's and G's objectives given."""

    d: object
    g: object
    generator_needs_real: bool = field(default=True, init=False)
    conditional: bool = field(default=False, init=False)

    def discriminator(self, ops, real, fake):
        return self.d(ops, real.logits, fake.logits)

    def generator(self, ops, real, fake):
        return self.g(ops, real.logits, fake.logits)


def d_right(ops, r, f):
    return ops.xp.mean(ops.softplus(f - r))


def g_right(ops, r, f):
    return ops.xp.mean(ops.softplus(r - f))


SHIPPED_ELSEWHERE = {
    "G's loss computed, then overwritten by the plain one": (d_right, lambda ops, r, f: ops.xp.mean(ops.softplus(-f))),
    "D compared with itself": (lambda ops, r, f: ops.xp.mean(ops.softplus(r - r)), g_right),
    "D's sign flipped": (g_right, g_right),
    "G's sign flipped": (d_right, d_right),
    "relativistic on D's side only": (
        d_right,
        lambda ops, r, f: ops.xp.mean(ops.softplus(-f)) + ops.xp.mean(ops.softplus(r)),
    ),
    "every real against every fake": (lambda ops, r, f: ops.xp.mean(ops.softplus(f[:, None] - r)), g_right),
    "against the mean": (lambda ops, r, f: ops.xp.mean(ops.softplus(ops.xp.mean(f) - r)), g_right),
    "the gradient through real is cut": (d_right, lambda ops, r, f: g_right(ops, ops.stop_gradient(r), f)),
    "sum instead of mean": (lambda ops, r, f: ops.xp.sum(ops.softplus(f - r)), g_right),
}


@pytest.mark.parametrize("fault", SHIPPED_ELSEWHERE)
def test_a_planted_fault_is_caught(fault, backend):
    with pytest.raises(AssertionError):
        judge(open_backend(backend, "cpu", "float64").ops, Faulty(*SHIPPED_ELSEWHERE[fault]), paired, 1e-12)


@pytest.mark.parametrize(("loss", "closed"), [(Relativistic(), paired), (RelativisticAverage(), averaged)])
def test_no_framework_is_needed(loss, closed):
    ops = TinyOps(array_api_strict)
    for real, fake in SITUATIONS.values():
        r, f = (Scores(array_api_strict.asarray(x)) for x in (real, fake))
        assert float(loss.discriminator(ops, r, f)) == pytest.approx(closed(real, fake)[0], rel=1e-12)
        assert float(loss.generator(ops, r, f)) == pytest.approx(closed(fake, real)[0], rel=1e-12)


@pytest.mark.parametrize("closed", REAL_ONES.values())
def test_the_closed_form_s_own_gradients(closed):
    rng = np.random.default_rng(0)
    higher, lower = rng.normal(size=(2, 5))
    _, up, down = closed(higher, lower)
    for i in range(5):
        h = 1e-6 * np.eye(5)[i]
        assert up[i] == pytest.approx((closed(higher + h, lower)[0] - closed(higher - h, lower)[0]) / 2e-6, abs=1e-9)
        assert down[i] == pytest.approx((closed(higher, lower + h)[0] - closed(higher, lower - h)[0]) / 2e-6, abs=1e-9)


def test_pairs_have_one_label():
    with pytest.raises(gankit.ConfigError, match="both must have the same label. Use fake_labels='data'"):
        gankit.build(recipe="cgan", loss="relativistic", fake_labels="uniform")
    assert gankit.build(recipe="cgan", loss="relativistic-average", fake_labels="uniform")


def test_a_generator_without_blocks_is_refused_by_its_setting():
    with pytest.raises(gankit.ConfigError, match="'blocks': 0"):
        layers.place(make("generators", Part("modern", {"blocks": 0}), GameSpec(shape=(16, 16, 1), latent_dim=8)), (8,))


@pytest.mark.parametrize("role", ["generators", "discriminators"])
def test_modern_starts_by_fix_up(role):
    """Huang et al. 2024: kernels of a block of 3 are He's times L^(-1/4), of L blocks in all; the last is 0."""
    made = make(role, Part("modern", {"blocks": 2}), GameSpec(shape=(16, 16, 1), latent_dim=8))
    blocks = [layer for layer in made if isinstance(layer, layers.Residual)]
    assert len(blocks) > 2
    for block in blocks:
        kernels = [layer.kernel for layer in block.main if isinstance(layer, layers.Conv)]
        assert [kernel.gain for kernel in kernels[:2]] == pytest.approx([np.sqrt(2) * len(blocks) ** -0.25] * 2)
        assert kernels[2] == Constant(0.0)


PICTURES = GameSpec(shape=(16, 16, 1), latent_dim=8)


def named(made):
    return [type(layer).__name__ for layer in made]


def test_modern_small_is_what_it_says():
    """Batch norm behind the shuffle: its statistics are those of channels, not of places within a pixel."""
    g, d = (make(role, Part("modern-small"), PICTURES) for role in ("generators", "discriminators"))
    dense, doubled, last = ["Dense", "Reshape", "BatchNorm", "Relu"], ["Conv", "PixelShuffle", "BatchNorm", "Relu"], 4
    assert named(g) == [*dense, *doubled, "Conv", "PixelShuffle", "Sigmoid"]
    assert [layer.features for layer in g if isinstance(layer, layers.Conv)] == [64, last]
    assert named(d) == ["Conv", "LeakyRelu"] * 2 + ["Flatten", "Dense", "LeakyRelu", "Features", "Dense", "Reshape"]
    assert [layer.features for layer in d if isinstance(layer, layers.Conv)] == [16, 32]


def test_modern_is_widest_at_its_lowest_size():
    """Twice as wide at each halving, four times at most: in G from the lowest size up, in D down to it."""
    g, d = (
        make(role, Part("modern", {"width": 8}), GameSpec((32, 32, 3), 8)) for role in ("generators", "discriminators")
    )
    widths = [[block.main[-1].features for block in made if isinstance(block, layers.Residual)] for made in (g, d)]
    assert sorted(set(widths[0])) == sorted(set(widths[1])) == [8, 16, 32]
    assert widths[0] == sorted(widths[0], reverse=True) and widths[1] == sorted(widths[1])
    shapes = [placed.output_shape for placed in layers.place(d, (32, 32, 3))]
    assert shapes[0] == (32, 32, 8)
