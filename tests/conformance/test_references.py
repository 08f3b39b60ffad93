"""The NumPy references of the layers, judged by what can be said of each without writing it a third time."""

from __future__ import annotations

import numpy as np
import pytest

from gankit import layers
from gankit.conformance.cases import brief, conditions_for
from gankit.conformance.examples import EXAMPLES
from gankit.conformance.reference import MOVING, STILL, Given, along, central_differences, row
from gankit.layers import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    Downsample,
    MaxPool,
    MinibatchStddev,
    PixelShuffle,
    Residual,
    Skip,
    SpectralNorm,
    Upsample,
    buffers,
    parameters,
    place,
)


def drawn(records, shape, n=6, seed=0):
    """(arrays, x) at random; variances are positive."""
    rng, placed = np.random.default_rng(seed), place(records, shape)
    arrays = {name: rng.normal(size=array.shape) for name, array in (parameters(placed) | buffers(placed)).items()}
    arrays |= {name: np.abs(array) + 0.5 for name, array in arrays.items() if name.endswith("/var")}
    return arrays, rng.normal(size=(n, *shape))


def output(record, x, arrays=None, **options):
    y = np.zeros(len(x), int)
    return row((record,), Given(arrays or {}, np.asarray(x, float), y, **options))[0]


def conditions(example, n=6, seed=1):
    """An array for each condition that is one."""
    return conditions_for(example.row, example.shape, np.random.default_rng(seed), n)


def all_records():
    kinds = {kind for kind in vars(layers).values() if isinstance(kind, type) and issubclass(kind, layers.Layer)}
    return kinds - {layers.Layer, layers.Portable}


def records_of(rows):
    """The kinds of record in rows of them, blocks included."""
    for record in rows:
        yield type(record)
        branches = record.branches.values() if isinstance(record, Residual | Skip) else ()
        inside = tuple(layer for branch in branches for layer in branch)
        yield from records_of((record.layer,) if isinstance(record, SpectralNorm) else inside)


def test_every_layer_record_has_a_reference_and_an_example():
    assert all_records() == STILL.keys() | MOVING.keys() == set(records_of([r for e in EXAMPLES for r in e.row]))


def test_those_that_move_are_those_with_buffers():
    moving = {type(e.row[0]) for e in EXAMPLES if len(e.row) == 1 and buffers(place(e.row, e.shape))}
    assert moving == MOVING.keys()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ", ".join(map(brief, example.row)))
def test_a_record_says_whether_it_mixes_examples(example):
    arrays, x = drawn(example.row, example.shape)
    y = np.arange(6) % example.classes
    given = conditions(example)
    alone, together = (
        row(example.row, Given(arrays, x[which], y[which], True, {name: c[which] for name, c in given.items()}))[0]
        for which in (slice(1, 5), slice(0, 6))
    )
    if isinstance(alone, dict):
        alone, together = alone["logits"], together["logits"]
    apart = np.allclose(alone, together[1:5], rtol=1e-9)
    assert apart == (not any(record.mixes_samples for record in example.row))


def test_a_transposed_convolution_is_the_transpose_of_the_convolution():
    """<conv x, y> = <x, conv' y> for every x and y."""
    conv, back = Conv(3, 4, 2, 1, bias=None), ConvTranspose(2, 4, 2, 1, bias=None)
    arrays, x = drawn((conv,), (8, 6, 2))
    y = np.random.default_rng(1).normal(size=(6, 4, 3, 3))
    turned = {"convtranspose0/kernel": arrays["conv0/kernel"].swapaxes(2, 3)}
    assert (output(conv, x, arrays) * y).sum() == pytest.approx((x * output(back, y, turned)).sum(), rel=1e-12)


def test_a_convolution_of_one_bright_pixel_shows_its_kernel_turned_round():
    arrays, _ = drawn((Conv(1, 3, bias=None),), (5, 5, 1))
    image = np.zeros((1, 5, 5, 1))
    image[0, 2, 2, 0] = 1
    shown = output(Conv(1, 3, bias=None), image, arrays)[0, 1:4, 1:4, 0]
    np.testing.assert_allclose(shown, arrays["conv0/kernel"][::-1, ::-1, 0, 0])


def test_groups_are_convolutions_side_by_side():
    arrays, x = drawn((Conv(6, 3, groups=2),), (4, 3, 4))
    for half in (0, 1):
        own = {name: array[..., 3 * half : 3 * half + 3] for name, array in arrays.items()}
        want = output(Conv(3, 3), x[..., 2 * half : 2 * half + 2], own)
        np.testing.assert_allclose(output(Conv(6, 3, groups=2), x, arrays)[..., 3 * half : 3 * half + 3], want)


@pytest.mark.parametrize("layer", [Upsample(2, "bilinear"), Upsample(3, "bilinear"), Downsample(2), Downsample(3)])
def test_bilinear_keeps_a_ramp_a_ramp(layer):
    """A plane a + b row + c column, whose pixels have their centres at halves, stays one away from the border."""
    rows, columns = np.meshgrid(np.arange(12) + 0.5, np.arange(6) + 0.5, indexing="ij")
    got = output(layer, (1 + 2 * rows - 3 * columns)[None, :, :, None])[0, :, :, 0]
    rows, columns = np.meshgrid(
        *((np.arange(n) + 0.5) * old / n for n, old in zip(got.shape, (12, 6), strict=True)), indexing="ij"
    )
    inside = (slice(3, -3), slice(3, -3)) if isinstance(layer, Upsample) else (slice(None), slice(None))
    np.testing.assert_allclose(got[inside], (1 + 2 * rows - 3 * columns)[inside], rtol=1e-12)


def test_bilinear_by_two_downwards_is_the_mean_of_each_cell():
    _, x = drawn((), (4, 6, 2))
    np.testing.assert_allclose(output(Downsample(2), x), output(AvgPool(2), x), rtol=1e-12)


@pytest.mark.parametrize("layer", [MaxPool(), MaxPool(3, 2), MaxPool(4, 2), MaxPool(2, 1)])
@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (1, 2)])
def test_every_pixel_is_in_a_window_of_max_pool(layer, shape):
    for pixel in np.ndindex(shape):
        image = np.zeros((1, *shape, 1))
        image[(0, *pixel, 0)] = 1
        assert output(layer, image).max() == 1


def test_pixel_shuffle_puts_four_channels_into_a_cell():
    cell = output(PixelShuffle(2), np.arange(4.0).reshape(1, 1, 1, 4))
    np.testing.assert_array_equal(cell[0, :, :, 0], [[0, 1], [2, 3]])


def test_batch_norm_in_training_has_mean_zero_and_variance_one_and_tends_to_the_batch():
    norm = BatchNorm(momentum=0.75, eps=0.0, scale=None, bias=None)
    arrays, x = drawn((norm,), (2, 3, 2))
    given = Given(arrays, x, np.zeros(6, int), True)
    out, _ = row((norm,), given)
    np.testing.assert_allclose([out.mean(axis=(0, 1, 2)), out.var(axis=(0, 1, 2))], [[0, 0], [1, 1]], atol=1e-12)
    for _ in range(120):
        given = given._replace(arrays=row((norm,), given)[1])
    np.testing.assert_allclose(given.arrays["batchnorm0/mean"], x.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(given.arrays["batchnorm0/var"], x.var(axis=(0, 1, 2)) * 36 / 35)


def test_spectral_norm_divides_by_the_largest_singular_value_in_the_end():
    norm = SpectralNorm(Conv(3, 2, padding=0, bias=None))
    arrays, x = drawn((norm,), (2, 2, 2))
    largest = np.linalg.svd(arrays["spectralnorm0/layer/kernel"].reshape(8, 3), compute_uv=False)[0]
    given = Given(arrays, x, np.zeros(6, int), True)
    for _ in range(300):
        given = given._replace(arrays={**arrays, **row((norm,), given)[1]})
    plain = output(norm.layer, x, {"conv0/kernel": arrays["spectralnorm0/layer/kernel"]})
    for train in (True, False):
        np.testing.assert_allclose(row((norm,), given._replace(train=train))[0], plain / largest, rtol=1e-9)


def test_a_batch_of_equal_examples_has_no_spread():
    _, x = drawn((), (2, 3, 2), n=1)
    np.testing.assert_allclose(output(MinibatchStddev(), x.repeat(4, axis=0))[..., -1], 1e-4)
    halves = np.concatenate([x, x + 2, x, x + 2])  # each group of two has one of each
    np.testing.assert_allclose(output(MinibatchStddev(4), halves)[..., -1], 1.0, rtol=1e-6)
    np.testing.assert_allclose(output(MinibatchStddev(2), halves)[..., -1], 1e-4)  # groups are every second example


def test_derivatives_of_a_cubic():
    x, direction = np.array([1.0, -2.0]), np.array([3.0, 0.5])
    cubic = lambda x: float((x**3).sum())  # noqa: E731
    np.testing.assert_allclose(central_differences(cubic, x), 3 * x**2, rtol=1e-8)
    assert along(cubic, x, direction) == pytest.approx((3 * x**2 * direction).sum(), rel=1e-8)


def test_a_network_named_as_in_checkpoints_finds_its_arrays():
    block = Residual((Dense(2), Dense(3)), (Dense(3, bias=None),))
    arrays, x = drawn((block,), (4,))
    hidden = x @ arrays["residual0/main/dense0/kernel"] + arrays["residual0/main/dense0/bias"]
    main = hidden @ arrays["residual0/main/dense1/kernel"] + arrays["residual0/main/dense1/bias"]
    np.testing.assert_allclose(output(block, x, arrays), main + x @ arrays["residual0/shortcut/dense0/kernel"])
