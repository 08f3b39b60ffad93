"""Convolutions by patches, which the CPU takes, are the native ones to rounding, in values and in two gradients."""

import re
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from gankit_jax import convolution
from gankit_jax.backend import JaxBackend
from jax import lax

from gankit import layers
from gankit.play.streams import Streams

SHAPES = {  # (image, kernel, strides, padding, groups)
    "4x4 stride 2": ((6, 4, 3), (4, 4, 3, 5), (2, 2), [(1, 1), (1, 1)], 1),
    "4x4 stride 2 that leaves pixels over": ((7, 6, 2), (4, 4, 2, 3), (2, 2), [(0, 1), (1, 0)], 1),
    "strides of 2 and 1": ((6, 5, 2), (2, 3, 2, 3), (2, 1), [(1, 1), (1, 1)], 1),
    "3x3": ((5, 3, 2), (3, 3, 2, 4), (1, 1), [(1, 1), (1, 1)], 1),
    "3x3 that leaves pixels over": ((6, 5, 2), (3, 3, 2, 3), (2, 2), [(0, 0), (0, 0)], 1),
    "1x1": ((3, 4, 5), (1, 1, 5, 2), (1, 1), [(0, 0), (0, 0)], 1),
    "1x1 to more channels": ((3, 4, 2), (1, 1, 2, 5), (1, 1), [(0, 0), (0, 0)], 1),
    "groups": ((4, 3, 6), (3, 3, 2, 9), (1, 1), [(1, 1), (1, 1)], 3),
    "a group to each channel": ((3, 3, 4), (3, 3, 1, 4), (1, 1), [(0, 0), (0, 0)], 4),
    "a group to each channel, padded": ((4, 5, 3), (3, 3, 1, 3), (2, 1), [(1, 1), (0, 1)], 3),
    "two to each group of one channel": ((4, 5, 3), (3, 3, 1, 6), (1, 1), [(1, 1), (1, 1)], 3),
    "neither square nor even": ((5, 7, 2), (3, 2, 2, 3), (1, 2), [(0, 2), (1, 0)], 1),
    "padding by name": ((5, 6, 2), (3, 3, 2, 3), (2, 2), "SAME", 1),
    "padding wider than the kernel": ((3, 4, 2), (2, 3, 2, 3), (1, 1), [(2, 3), (0, 1)], 1),
    "groups in strides": ((5, 6, 4), (3, 2, 2, 6), (2, 2), [(1, 1), (0, 1)], 2),
    "strides past the kernel": ((7, 8, 2), (1, 2, 2, 3), (2, 3), [(0, 1), (1, 1)], 1),
    "single pixels in strides": ((5, 6, 2), (1, 1, 2, 3), (2, 3), [(0, 0), (1, 0)], 1),
}


@pytest.fixture(autouse=True)
def float64():
    JaxBackend(dtype="float64")


def three_orders(conv, *arrays):
    """The value of conv(*arrays), the gradient of half its square, and that of the square of its gradient in x."""

    def energy(*arrays):
        return 0.5 * jnp.sum(conv(*arrays) ** 2)

    def penalty(*arrays):
        return 0.5 * jnp.sum(jax.grad(energy)(*arrays) ** 2)

    return jax.jit(
        lambda *arrays: (conv(*arrays), jax.grad(energy, (0, 1))(*arrays), jax.grad(penalty, (0, 1))(*arrays))
    )(*arrays)


def assert_agree(got, want):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * float(jnp.abs(b).max()))


def draw(*shapes):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


@pytest.mark.parametrize("case", SHAPES)
def test_patches_are_the_native_convolution(case):
    image, kernel, strides, padding, groups = SHAPES[case]
    options = {"window_strides": strides, "padding": padding, "feature_group_count": groups}

    def native(x, k):
        return lax.conv_general_dilated(x, k, **options, dimension_numbers=convolution.LAYOUT)

    arrays = draw((3, *image), kernel)
    assert_agree(
        three_orders(lambda x, k: convolution.conv_general_dilated(x, k, **options), *arrays),
        three_orders(native, *arrays),
    )


WINDOWS = [(4, 2, 1), (3, 1, 1), (5, 3, 0), (3, 2, 0), (2, 3, 0), (2, 2, 0), (6, 3, 2), (4, 4, 1), (4, 1, 2)]


@pytest.mark.parametrize(("inside", "out"), [(2, 3), (5, 1)])  # few channels to many are gathered, many to few spread
@pytest.mark.parametrize(("size", "stride", "padding"), WINDOWS)
def test_patches_are_the_native_transposed_convolution(size, stride, padding, inside, out):
    def native(x, k):
        pads = [(size - 1 - padding,) * 2] * 2
        flipped = jnp.flip(k, (0, 1))
        return lax.conv_general_dilated(
            x, flipped, (1, 1), pads, lhs_dilation=(stride, stride), dimension_numbers=convolution.LAYOUT
        )

    arrays = draw((2, 3, 4, inside), (size, size, inside, out))
    transposed = partial(convolution.conv_transpose, stride=stride, padding=padding)
    want = three_orders(native, *arrays)
    assert_agree(three_orders(partial(transposed, patches=True), *arrays), want)
    if out > 1:
        assert_agree(transposed(*arrays, patches=False), want[0])


@pytest.mark.parametrize(
    ("sizes", "gathered"),
    [
        ((2, 2, 4, 64), 2),  # `dcgan`'s first in blocks of pixels: 16 + 64 numbers, where one axis would make 8 + 128
        ((3, 3, 16, 16), 1),  # `modern`'s: 48 + 48, patches 144 + 16
        ((3, 3, 64, 1), 0),  # to an image: 64 + 9, patches 576 + 1
    ],
)
def test_the_axes_are_gathered_that_make_the_fewest_numbers(sizes, gathered):
    assert convolution.axes_to_gather(*sizes) == gathered


@pytest.mark.parametrize("gathered", [0, 1, 2])
@pytest.mark.parametrize("case", ["3x3", "groups", "neither square nor even", "4x4 stride 2"])
def test_every_choice_of_axes_is_the_native_convolution(monkeypatch, case, gathered):
    monkeypatch.setattr(convolution, "axes_to_gather", lambda *sizes: gathered)
    test_patches_are_the_native_convolution(case)


def test_the_gradient_of_a_product_turns_over_its_narrower_factor():
    rows, matrix = draw((9, 6), (6, 4))
    gradient = jax.jit(jax.grad(lambda m: jnp.sum(jnp.sin(convolution.product(rows[None], m[None])))))
    np.testing.assert_allclose(gradient(matrix), rows.T @ np.cos(rows @ matrix), rtol=1e-12)
    # f64[4,6] is made first, then turned, where a plain product would have made f64[6,4] of rows turned over.
    assert re.search(r"stablehlo.dot_general.* -> tensor<1x4x6xf64>", gradient.lower(matrix).as_text())
    assert "f64[4,6]{1,0} dot(" in gradient.lower(matrix).compile().as_text()


def lowered(f, *arrays):
    return jax.jit(jax.value_and_grad(lambda *arrays: jnp.sum(f(*arrays) ** 2), (0, 1))).lower(*arrays).as_text()


RECORDS = (layers.Conv(4, 3, 2), layers.ConvTranspose(2, 4, 2))


@pytest.mark.parametrize(("platform", "without", "native"), [("cpu", "", 0), ("cuda", "", 2), ("cpu", "patches", 2)])
def test_the_cpu_gets_products_and_accelerators_convolutions(monkeypatch, platform, without, native):
    monkeypatch.setenv("GANKIT_WITHOUT", without)
    backend, (x,) = JaxBackend(dtype="float64"), draw((3, 6, 6, 2))
    placed, here = layers.place(RECORDS, (6, 6, 2)), backend.ops.device
    backend.ops.device = SimpleNamespace(platform=platform)
    network = backend.network(placed)
    backend.ops.device = here
    params, _ = network.init(layers.draw(layers.parameters(placed), "test", Streams(0)))
    program = jax.jit(lambda params, x: network.apply(params, {}, x, train=True)[0]).lower(params, x).as_text()
    assert program.count("stablehlo.convolution") == native


def test_what_patches_cannot_do_stays_native():
    x, k = draw((2, 3, 6, 7), (4, 3, 3, 3))
    channels_first = lambda x, k: convolution.conv_general_dilated(  # noqa: E731
        x, k, (1, 1), "VALID", dimension_numbers=("NCHW", "OIHW", "NCHW")
    )
    assert_agree(channels_first(x, k), lax.conv(x, k, (1, 1), "VALID"))
    images, kernel = draw((2, 7, 6, 3), (3, 3, 3, 4))
    options = {"window_strides": (1, 1), "padding": "VALID", "rhs_dilation": (2, 2)}
    assert_agree(
        convolution.conv_general_dilated(images, kernel, **options),
        lax.conv_general_dilated(images, kernel, **options, dimension_numbers=convolution.LAYOUT),
    )


class Users(nnx.Module):
    """A module that somebody brings."""

    def __init__(self):
        options = {"param_dtype": jnp.float64, "rngs": nnx.Rngs(0)}
        self.blocks = nnx.List([nnx.Conv(2, 3, (3, 3), strides=2, **options), nnx.Conv(3, 1, (2, 1), **options)])

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return x.sum((1, 2, 3))


def test_modules_of_the_users_own_go_by_patches_too():
    module, (x,) = Users(), draw((3, 5, 6, 2))
    network, arrays = JaxBackend(dtype="float64").wrap(module)
    params, buffers = network.init(arrays)
    scores = lambda params, x: network.apply(params, buffers, x, train=True)[0]  # noqa: E731
    assert_agree(scores(params, x), module(x))
    assert "stablehlo.convolution" not in lowered(scores, params, x)
    assert module.blocks[0].conv_general_dilated is lax.conv_general_dilated, "the user's own stays as it was"


def test_a_layer_with_a_convolution_of_its_own_keeps_it():
    own = lambda *a, **options: 2 * lax.conv_general_dilated(*a, **options)  # noqa: E731
    conv = nnx.Conv(2, 3, (3, 3), conv_general_dilated=own, rngs=nnx.Rngs(0))
    convolution.go_by_patches(conv)
    assert conv.conv_general_dilated is own
