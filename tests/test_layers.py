"""Layer records: shapes, names, initial values, what they refuse, and what a generator's output means."""

import math

import numpy as np
import pytest

from gankit.errors import ConfigError, ShapeError
from gankit.layers import (
    AvgPool,
    BatchNorm,
    Bias,
    ClassesHead,
    ClassHead,
    ConcatEmbedding,
    ConcatLabels,
    Conv,
    Conv1d,
    ConvTranspose,
    Dense,
    Downsample,
    Dropout,
    Features,
    Flatten,
    GlobalPool,
    InstanceNorm,
    LabelAffine,
    LayerNorm,
    LeakyRelu,
    Maxout,
    MaxPieces,
    MaxPool,
    MinibatchStddev,
    PixelShuffle,
    ProjectionHead,
    ReflectionPad,
    Relu,
    Reshape,
    Residual,
    Sigmoid,
    Skip,
    SpectralNorm,
    Tanh,
    Upsample,
    buffers,
    conditional_batch_norm,
    draw,
    end_shape,
    output_range,
    parameters,
    place,
)
from gankit.parts.initializers import Constant, GlorotUniform, HeNormal, LogitOfMean, Normal, Sparse, Uniform
from gankit.play.streams import Streams

LAYERS = (Flatten(), ConcatLabels(10), Dense(5), Relu(), Maxout(3, 2), Dense(1, bias=None), Reshape(()))


def shapes(family, records, shape):
    """The shapes of the parameters, or buffers, of a row of records."""
    return {name: array.shape for name, array in family(place(records, shape)).items()}


# Shapes and names.


def test_shapes_and_names_follow_from_the_records():
    placed = place(LAYERS, (4, 2))
    assert [p.name for p in placed] == ["flatten0", "concatlabels0", "dense0", "relu0", "maxout0", "dense1", "reshape0"]
    assert [p.output_shape for p in placed] == [(8,), (18,), (5,), (5,), (3,), (1,), ()]


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [
        (Conv(8), (28, 28, 3), (28, 28, 8)),
        (Conv(8, 4, 2), (28, 20, 3), (14, 10, 8)),
        (Conv(8, 4, 2), (7, 5, 3), (3, 2, 8)),
        (Conv(8, 1), (5, 4, 3), (5, 4, 8)),
        (Conv(8, 8, padding=4), (32, 32, 3), (33, 33, 8)),
        (ConvTranspose(8), (7, 5, 3), (14, 10, 8)),
        (ConvTranspose(3, 5, 3, padding=0), (10, 10, 80), (32, 32, 3)),
        (ConvTranspose(8, 3, 1), (5, 4, 3), (5, 4, 8)),
        (ConvTranspose(8, 2, 3), (2, 2, 1), (5, 5, 8)),
        (MaxPool(), (4, 5, 2), (2, 3, 2)),
        (MaxPool(4, 2), (33, 33, 2), (16, 16, 2)),
        (MaxPool(3, 2), (2, 1, 2), (1, 1, 2)),
        (AvgPool(3), (6, 3, 2), (2, 1, 2)),
        (GlobalPool(), (6, 3, 2), (2,)),
        (Upsample(3), (2, 1, 4), (6, 3, 4)),
        (Downsample(), (4, 6, 2), (2, 3, 2)),
        (PixelShuffle(2), (7, 5, 12), (14, 10, 3)),
        (MinibatchStddev(), (4, 4, 8), (4, 4, 9)),
        (MaxPieces(2), (4, 4, 8), (4, 4, 4)),
        (ConcatLabels(10), (4, 4, 1), (4, 4, 11)),
        (ConcatEmbedding(10, 5), (7,), (12,)),
        (LabelAffine(10), (4, 4, 3), (4, 4, 3)),
        (ProjectionHead(10), (7,), ()),
        (ClassHead(10), (7,), ()),
        (ClassesHead(10), (7,), ()),
        (BatchNorm(), (4, 4, 3), (4, 4, 3)),
        (InstanceNorm(), (4, 4, 3), (4, 4, 3)),
        (InstanceNorm(scale=None, bias=None), (9, 3), (9, 3)),
        (ReflectionPad(2), (5, 3, 2), (9, 7, 2)),
        (Conv1d(8), (9, 3), (9, 8)),
        (Conv1d(8, 4, 2), (8, 3), (4, 8)),
        (Conv1d(8, 3, dilation=4), (9, 3), (9, 8)),
        (Skip((Conv(8, 4, 2), ConvTranspose(5))), (8, 8, 3), (8, 8, 8)),
        (SpectralNorm(Conv(8, 4, 2)), (8, 8, 3), (4, 4, 8)),
        (Residual((Conv(8, 3, 2),), (AvgPool(), Conv(8, 1))), (8, 8, 3), (4, 4, 8)),
    ],
    ids=str,
)
def test_the_shape_that_comes_out(layer, before, after):
    assert layer.output_shape(before) == after == end_shape((layer,), before)


def test_parameters_have_canonical_names_and_layouts():
    arrays = draw(parameters(place(LAYERS, (4, 2))), "init/d", Streams(0))
    assert {name: array.shape for name, array in arrays.items()} == {
        "dense0/kernel": (18, 5),
        "dense0/bias": (5,),
        "maxout0/kernel": (5, 6),
        "maxout0/bias": (6,),
        "dense1/kernel": (3, 1),
    }
    assert all(array.dtype == np.float64 for array in arrays.values())


def test_kernels_have_the_inputs_before_the_outputs():
    assert shapes(parameters, (Conv(6, 4, 2, groups=2), ConvTranspose(5, bias=None)), (8, 8, 4)) == {
        "conv0/kernel": (4, 4, 2, 6),
        "conv0/bias": (6,),
        "convtranspose0/kernel": (4, 4, 6, 5),
    }


def test_norms_have_an_affine_part_per_channel_and_batch_norm_running_statistics():
    records = (BatchNorm(), LayerNorm(), BatchNorm(scale=None, bias=None))
    assert shapes(parameters, records, (4, 4, 3)) == {
        "batchnorm0/scale": (3,),
        "batchnorm0/bias": (3,),
        "layernorm0/scale": (3,),
        "layernorm0/bias": (3,),
    }
    assert shapes(buffers, records, (4, 4, 3)) == {
        "batchnorm0/mean": (3,),
        "batchnorm0/var": (3,),
        "batchnorm1/mean": (3,),
        "batchnorm1/var": (3,),
    }


def test_arrays_of_blocks_are_named_by_the_way_to_them():
    block = Residual((BatchNorm(), Conv(4)), (SpectralNorm(Conv(4, 1, bias=None)),))
    assert list(shapes(parameters, (block,), (2, 2, 3))) == [
        "residual0/main/batchnorm0/scale",
        "residual0/main/batchnorm0/bias",
        "residual0/main/conv0/kernel",
        "residual0/main/conv0/bias",
        "residual0/shortcut/spectralnorm0/layer/kernel",
    ]
    assert shapes(buffers, (block,), (2, 2, 3)) == {
        "residual0/main/batchnorm0/mean": (3,),
        "residual0/main/batchnorm0/var": (3,),
        "residual0/shortcut/spectralnorm0/kernel_u": (4,),
    }


def test_every_table_of_a_head_is_divided_by_its_own_singular_value():
    assert shapes(buffers, (SpectralNorm(ProjectionHead(10)),), (7,)) == {
        "spectralnorm0/kernel_u": (1,),
        "spectralnorm0/embedding_u": (7,),
    }


def test_blocks_mix_examples_and_take_labels_if_a_layer_in_them_does():
    plain, mixing, labelled = Conv(3), BatchNorm(), LabelAffine(10)
    assert Residual((plain, mixing)).mixes_samples and Residual((plain,), (plain, mixing)).mixes_samples
    assert Residual((plain, labelled)).takes_labels and SpectralNorm(ProjectionHead(10)).takes_labels
    assert not (Residual((plain,)).mixes_samples or Residual((plain,)).takes_labels or SpectralNorm(plain).takes_labels)
    assert MinibatchStddev().mixes_samples and not LayerNorm().mixes_samples


def test_conditional_batch_norm_gives_its_scale_and_bias_to_the_label():
    norm = conditional_batch_norm(10, momentum=0.8)
    assert norm == (BatchNorm(0.8, scale=None, bias=None), LabelAffine(10))
    assert conditional_batch_norm(None, momentum=0.8) == (BatchNorm(0.8),)
    assert shapes(parameters, norm, (3,)) == {"labelaffine0/scale": (10, 3), "labelaffine0/bias": (10, 3)}


# Initial values.


def test_another_layer_changes_no_other_layers_draw():
    short = draw(parameters(place((Dense(5),), (4,))), "init/d", Streams(0))
    long = draw(parameters(place((Dense(5), Dense(2)), (4,))), "init/d", Streams(0))
    assert np.array_equal(short["dense0/kernel"], long["dense0/kernel"])
    other = draw(parameters(place((Dense(5),), (4,))), "init/g", Streams(0))
    assert not np.array_equal(short["dense0/kernel"], other["dense0/kernel"])


def test_running_statistics_start_at_a_standard_normal_and_power_iterations_anywhere():
    placed = place((BatchNorm(), SpectralNorm(Conv(500))), (2, 2, 3))
    started = draw(buffers(placed), "init/d", Streams(0))
    assert not started["batchnorm0/mean"].any() and (started["batchnorm0/var"] == 1).all()
    assert started["spectralnorm0/kernel_u"].std() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(
    ("init", "std"),
    [
        (Uniform(0.05), 0.05 / 3**0.5),
        (Normal(0.02), 0.02),
        (HeNormal(), (2 / 400) ** 0.5),
        (GlorotUniform(), (2 / 900) ** 0.5),
        (GlorotUniform(gain=2**0.5), (4 / 900) ** 0.5),
        (Sparse(100), (100 / 400) ** 0.5),
        (Sparse(4, std=3.0), 3 * (4 / 400) ** 0.5),
    ],
    ids=str,
)
def test_initialisers_have_the_spread_they_promise(init, std):
    drawn = init(np.random.default_rng(0), (400, 500), None)
    assert drawn.shape == (400, 500)
    assert drawn.std() == pytest.approx(std, rel=0.02) and abs(drawn.mean()) < 0.02 * std


def test_fans_of_a_convolution_count_its_window():
    rng, shape = np.random.default_rng(0), (3, 3, 40, 60)
    assert HeNormal()(rng, shape, None).std() == pytest.approx(math.sqrt(2 / (9 * 40)), rel=0.01)
    limit = math.sqrt(6 / (9 * (40 + 60)))
    drawn = np.abs(GlorotUniform()(rng, shape, None))
    assert drawn.max() <= limit and drawn.max() == pytest.approx(limit, rel=1e-3)


def test_a_sparse_unit_listens_to_so_many_inputs_of_its_own():
    kernel = Sparse(3)(np.random.default_rng(0), (20, 50), None)
    assert (np.count_nonzero(kernel, axis=0) == 3).all()
    assert len({tuple(np.flatnonzero(column)) for column in kernel.T}) > 40
    few = Sparse(30)(np.random.default_rng(0), (20, 5), None)
    assert few.all(), "a unit with fewer inputs listens to all of them"


def test_output_bias_starts_at_the_logit_of_the_mean_clipped():
    bias = LogitOfMean()(np.random.default_rng(0), (4,), np.array([[0.0, 0.5], [0.9, 1.0]]))
    expected = [np.log(1e-7 / (1 - 1e-7)), 0.0, np.log(9.0), np.log((1 - 1e-7) / 1e-7)]
    np.testing.assert_allclose(bias, expected, rtol=1e-9, atol=1e-12)
    assert not LogitOfMean()(np.random.default_rng(0), (4,), None).any()


# What a generator's output means.


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ((Sigmoid(),), "unit"),
        ((Tanh(), Reshape((2, 2))), "symmetric"),
        ((Reshape((1, 1, 4)), Sigmoid(), PixelShuffle(2)), "unit"),
        ((LeakyRelu(),), "free"),
        ((Tanh(), Bias()), "free"),
        ((), "free"),
    ],
)
def test_the_last_activation_says_what_a_generator_produces(last, expected):
    assert output_range((Dense(4), *last)) == expected


# What is refused.


@pytest.mark.parametrize("layer", [Dense(3), Maxout(3, 2), ProjectionHead(3), ClassHead(3), ClassesHead(3)], ids=str)
def test_vectors_only(layer):
    with pytest.raises(ShapeError, match="put Flatten\\(\\) before it"):
        place((layer,), (4, 4))


@pytest.mark.parametrize(
    "layer",
    [
        Conv(3),
        ConvTranspose(3),
        MaxPool(),
        AvgPool(),
        GlobalPool(),
        Upsample(),
        Downsample(),
        PixelShuffle(),
        MinibatchStddev(),
    ],
    ids=str,
)
def test_images_only(layer):
    with pytest.raises(ShapeError, match="put Reshape\\(\\(height, width, channels\\)\\) before it"):
        place((layer,), (16,))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Reshape((3, 5)), (16,), "16 entries cannot become 15"),
        (Conv(4, 5, padding=0), (4, 6, 1), "does not fit into an image of 4x6, padded by 0"),
        (Conv(4, groups=3), (4, 4, 6), "6 and 4 channels do not split into 3 groups"),
        (ConvTranspose(4, 2, 1, padding=2), (3, 3, 1), "leaves nothing of an image of 3x3"),
        (AvgPool(2), (4, 5, 1), "cannot divide an image of 4x5 by 2"),
        (Downsample(4), (6, 8, 1), "cannot divide an image of 6x8 by 4"),
        (PixelShuffle(2), (4, 4, 6), "needs a multiple of 4 channels, got 6"),
        (MaxPieces(2), (4, 4, 3), "cannot split 3 channels into 2 pieces"),
        (InstanceNorm(), (1, 1, 3), "two or more values per channel in an example, got shape (1, 1, 3)"),
        (InstanceNorm(), (3,), "two or more values per channel"),
        (ReflectionPad(3), (3, 8, 1), "the image must be larger than that; this one is 3x8"),
        (ReflectionPad(0), (3, 8, 1), "size must be 1 or more"),
        (Conv1d(3), (4, 4, 1), "Conv1d takes series (time, channels), got (4, 4, 1)"),
        (Conv1d(3, 5, padding=0), (4, 1), "does not fit into a series of 4 steps"),
        (Skip((Conv(8, 4, 2), ConvTranspose(5))), (7, 8, 3), "Sides that are halved and doubled must be even"),
        (Residual((Conv(8),)), (4, 4, 3), "main ends in shape (4, 4, 8), the shortcut in (4, 4, 3)"),
        (Residual((Conv(8, 3, 2),), (Conv(8, 1),)), (4, 4, 3), "(2, 2, 8), the shortcut in (4, 4, 8)"),
        (SpectralNorm(Relu()), (3,), "Relu has none"),
    ],
    ids=str,
)
def test_shapes_that_do_not_fit_are_refused_in_words(layer, shape, message):
    with pytest.raises((ShapeError, ConfigError)) as raised:
        place((layer,), shape)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(4, 0), "size and stride must be 1 or more"),
        (lambda: Conv(4, stride=0), "size and stride must be 1 or more"),
        (lambda: Conv(4, padding=-1), "padding 0 or more"),
        (lambda: Conv(4, groups=0), "groups must be 1 or more"),
        (lambda: ConvTranspose(4, stride=0), "size and stride must be 1 or more"),
        (lambda: MaxPool(2, 3), "windows would skip pixels"),
        (lambda: Upsample(2, "cubic"), "method is 'nearest' or 'bilinear'"),
        (lambda: Downsample(2, "cubic"), "method is 'nearest' or 'bilinear'"),
        (lambda: GlobalPool("max"), "kind is 'sum' or 'mean'"),
        (lambda: BatchNorm(scale=None), "BatchNorm: give both scale and bias, or None for both"),
        (lambda: SpectralNorm(Residual((Conv(3),))), "takes one layer with a kernel, not Residual"),
        (lambda: SpectralNorm(SpectralNorm(Conv(3))), "takes one layer with a kernel, not SpectralNorm"),
        (lambda: SpectralNorm(Conv(3, kernel=Constant(0.0))), "has largest singular value 0, so it cannot be divided"),
        (lambda: Skip((Dense(3), Features())), "Features returns more than one array, but Skip returns only one"),
        (lambda: InstanceNorm(bias=None), "InstanceNorm: give both scale and bias, or None for both"),
        (lambda: Conv1d(3, dilation=0), "size, stride and dilation must be 1 or more"),
        (lambda: Residual((Dense(3), Features())), "Put it after the block"),
        (lambda: Residual((ClassHead(3),)), "Put it after the block"),
    ],
)
def test_records_that_mean_nothing_are_refused_when_they_are_written(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.1])
def test_dropout_keeps_a_share(keep):
    with pytest.raises(ConfigError, match="share of entries that stay"):
        Dropout(keep)
