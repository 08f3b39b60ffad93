"""Windows are NumPy's, and each of the two functions is the other's transpose, whatever JAX does to them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gankit_jax.backend import JaxBackend
from gankit_jax.windows import spread, windows
from numpy.lib.stride_tricks import sliding_window_view

CASES = [  # (side, axis, size, pads)
    (5, -2, 3, (1, 1)),
    (5, -3, 3, (0, 2)),
    (4, -2, 1, (0, 0)),
    (3, -3, 3, (0, 0)),  # one window
    (2, -2, 4, (3, 3)),  # no window that is whole
    (6, -2, 4, (2, 1)),
    (2, -3, 5, (4, 0)),
]


@pytest.fixture(autouse=True)
def float64():
    JaxBackend(dtype="float64")


def image(side, axis, seed=0):
    shape = [2, 3, 3, 2]
    shape[axis] = side
    return np.random.default_rng(seed).normal(size=shape)


def by_numpy(x, axis, size, pads):
    around = [(0, 0)] * x.ndim
    around[axis] = pads
    return np.moveaxis(sliding_window_view(np.pad(x, around), size, axis), -1, -2)


@pytest.mark.parametrize(("side", "axis", "size", "pads"), CASES)
def test_windows_are_those_of_numpy(side, axis, size, pads):
    x = image(side, axis)
    np.testing.assert_array_equal(windows(jnp.asarray(x), axis, size, pads), by_numpy(x, axis, size, pads))


@pytest.mark.parametrize(("side", "axis", "size", "pads"), CASES)
def test_spread_is_the_transpose(side, axis, size, pads):
    x = image(side, axis)
    y = np.random.default_rng(1).normal(size=by_numpy(x, axis, size, pads).shape)
    back = spread(jnp.asarray(y), axis, size, pads)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(np.asarray(back) * x), np.sum(y * by_numpy(x, axis, size, pads)), rtol=1e-12)


@pytest.mark.parametrize(("side", "axis", "size", "pads"), CASES)
def test_derivatives_of_any_order_and_either_mode_are_those_of_slices(side, axis, size, pads):
    def sliced(x):
        around = [(0, 0)] * x.ndim
        around[axis] = pads
        x = jnp.pad(x, around)
        count = x.shape[axis] - size + 1
        return jnp.stack([jnp.take(x, jnp.arange(j, j + count), axis) for j in range(size)], -2)

    def orders(f):
        energy = lambda x: jnp.sum(jnp.sin(f(x)))  # noqa: E731
        slope = lambda x: jnp.sum(jax.grad(energy)(x) ** 3)  # noqa: E731
        return lambda x, v: (f(x), *jax.jvp(jax.grad(slope), (x,), (v,)), jax.grad(slope)(x))

    x, v = jnp.asarray(image(side, axis)), jnp.asarray(image(side, axis, 1))
    for got, want in zip(
        jax.jit(orders(lambda x: windows(x, axis, size, pads)))(x, v), orders(sliced)(x, v), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("at", [0, 1, 4])
def test_many_at_once_are_each_by_itself(at):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2, 5, 3, 2)))
    for f in (lambda x: windows(x, -3, 3, (1, 1)), lambda x: spread(windows(x, -2, 2, (0, 1)), -2, 2, (0, 0))):
        for g in (f, jax.grad(lambda x, f=f: jnp.sum(f(x) ** 2))):
            together = jax.vmap(g, at)(jnp.moveaxis(x, 0, at))
            np.testing.assert_allclose(together, jnp.stack([g(one) for one in x]), rtol=1e-12)
