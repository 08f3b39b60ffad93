"""Where MLX computes in float32 whatever it is given, and what a gradient may lose on its way through MLX."""

import itertools

import mlx.core as mx
import numpy as np
import pytest
from gankit_mlx import convolution, exact
from gankit_mlx.backend import MlxBackend

import gankit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64,)) * 3


@pytest.fixture
def ops():
    return MlxBackend(device="cpu", dtype="float64").ops


def test_exponentials_have_all_digits_of_float64(ops):
    x = ops.asarray(X)
    np.testing.assert_allclose(ops.to_numpy(ops.xp.exp(x)), np.exp(X), rtol=1e-14)
    np.testing.assert_allclose(ops.to_numpy(ops.grad(lambda x: ops.xp.sum(ops.xp.exp(x)))(x)), np.exp(X), rtol=1e-14)
    np.testing.assert_allclose(ops.to_numpy(exact.softplus(x)), np.logaddexp(0, X), rtol=1e-14)


def test_the_standards_correction_is_understood(ops):
    x = ops.asarray(X.reshape(8, 8))
    got = ops.to_numpy(ops.xp.std(x, axis=1, correction=1))
    np.testing.assert_allclose(got, X.reshape(8, 8).std(axis=1, ddof=1), rtol=1e-14)
    np.testing.assert_allclose(ops.xp.var(x).item(), X.var(), rtol=1e-14)


def by_loops(x, kernel, stride, padding, groups):
    """(N, h, w, in), (out, size, size, in / groups) -> (N, h', w', out), one window at a time."""
    out, size, _, inside = kernel.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    height, width = ((side - size) // stride + 1 for side in x.shape[1:3])
    y = np.zeros((len(x), height, width, out))
    for i, j, o in itertools.product(range(height), range(width), range(out)):
        group = o // (out // groups)
        window = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
        y[:, i, j, o] = (window[..., group * inside : (group + 1) * inside] * kernel[o]).sum(axis=(1, 2, 3))
    return y


@pytest.mark.parametrize("size, stride, padding, groups", [(3, 1, 1, 1), (4, 2, 1, 1), (3, 2, 0, 2), (1, 1, 0, 4)])
def test_convolutions_by_patches_are_exact_and_native_ones_are_the_same_to_float32(size, stride, padding, groups):
    x, kernel = RNG.normal(size=(2, 7, 6, 4)), RNG.normal(size=(8, size, size, 4 // groups))
    want = by_loops(x, kernel, stride, padding, groups)
    for patches, dtype, tolerance in ((True, mx.float64, 1e-12), (False, mx.float32, 1e-4)):
        given = (mx.array(array, dtype) for array in (x, kernel))
        got = convolution.conv(*given, stride, padding, groups, patches=patches)
        np.testing.assert_allclose(np.array(got), want, rtol=0, atol=tolerance)


def test_the_native_transpose_is_the_one_by_patches():
    x, kernel = (mx.array(RNG.normal(size=shape), mx.float32) for shape in ((2, 3, 4, 5), (6, 4, 4, 5)))
    by_patches, native = (convolution.conv_transpose(x, kernel, 2, 1, patches=patches) for patches in (True, False))
    np.testing.assert_allclose(np.array(native), np.array(by_patches), rtol=0, atol=1e-4)


def test_a_gradient_flows_through_what_stands_beside_a_value(ops):
    """D's scores come out beside the slopes that R1 penalises, and D learns from both."""
    w, x = ops.asarray(np.array([1.0, -2.0])), ops.asarray(np.array([[3.0, 1.0]]))

    def objective(w):
        (_, scores), slope = ops.value_and_grad(lambda x: (ops.xp.sum(x @ w), x @ w))(x)
        return ops.xp.sum(scores * scores) + ops.xp.sum(slope * slope)  # (x . w)^2 + w^2

    np.testing.assert_allclose(ops.to_numpy(ops.grad(objective)(w)), [2 * 1 * 3 + 2, 2 * 1 * 1 - 4], rtol=1e-12)


def test_a_constraint_leaves_the_layout_that_a_checkpoint_brings_back(tmp_path):
    """A kernel that has been turned and turned back is multiplied in another order, and rounds otherwise."""
    small = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}, "batch_size": 16}
    trainer = gankit.build("mlx", "mlp", "digits", device="cpu", constraints=["max-norm"], **small).fit(steps=3)
    resumed = gankit.load(trainer.save(tmp_path / "three"), device="cpu").fit(steps=3)
    uninterrupted = trainer.fit(steps=3).discriminator.parameters
    for name, array in resumed.discriminator.parameters.items():
        np.testing.assert_array_equal(array, uninterrupted[name])
