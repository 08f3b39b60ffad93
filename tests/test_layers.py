"""Layer records: shapes, names, initial values and what a generator's output means."""

import numpy as np
import pytest

from gankit.errors import ConfigError, ShapeError
from gankit.initializers import HeNormal, LogitOfMean, Normal, Uniform
from gankit.layers import (
    ConcatLabels,
    Dense,
    Dropout,
    Flatten,
    LeakyRelu,
    Maxout,
    Relu,
    Reshape,
    Sigmoid,
    Tanh,
    initial_parameters,
    output_range,
    place,
)
from gankit.streams import Streams

LAYERS = (Flatten(), ConcatLabels(10), Dense(5), Relu(), Maxout(3, 2), Dense(1, bias=None), Reshape(()))


def test_shapes_and_names_follow_from_the_records():
    placed = place(LAYERS, (4, 2))
    assert [p.name for p in placed] == ["flatten0", "concatlabels0", "dense0", "relu0", "maxout0", "dense1", "reshape0"]
    assert [p.output_shape for p in placed] == [(8,), (18,), (5,), (5,), (3,), (1,), ()]


def test_parameters_have_canonical_names_and_layouts():
    arrays = initial_parameters(place(LAYERS, (4, 2)), "init/d", Streams(0))
    assert {name: array.shape for name, array in arrays.items()} == {
        "dense0/kernel": (18, 5),
        "dense0/bias": (5,),
        "maxout0/kernel": (5, 6),
        "maxout0/bias": (6,),
        "dense1/kernel": (3, 1),
    }
    assert all(array.dtype == np.float64 for array in arrays.values())


def test_another_layer_changes_no_other_layers_draw():
    short = initial_parameters(place((Dense(5),), (4,)), "init/d", Streams(0))
    long = initial_parameters(place((Dense(5), Dense(2)), (4,)), "init/d", Streams(0))
    assert np.array_equal(short["dense0/kernel"], long["dense0/kernel"])
    other = initial_parameters(place((Dense(5),), (4,)), "init/g", Streams(0))
    assert not np.array_equal(short["dense0/kernel"], other["dense0/kernel"])


@pytest.mark.parametrize(
    ("init", "std"), [(Uniform(0.05), 0.05 / 3**0.5), (Normal(0.02), 0.02), (HeNormal(), (2 / 400) ** 0.5)]
)
def test_initialisers_have_the_spread_they_promise(init, std):
    draw = init(np.random.default_rng(0), (400, 500), None)
    assert draw.std() == pytest.approx(std, rel=0.01) and abs(draw.mean()) < 0.01 * std


def test_output_bias_starts_at_the_logit_of_the_mean_clipped():
    bias = LogitOfMean()(np.random.default_rng(0), (4,), np.array([[0.0, 0.5], [0.9, 1.0]]))
    expected = [np.log(1e-7 / (1 - 1e-7)), 0.0, np.log(9.0), np.log((1 - 1e-7) / 1e-7)]
    np.testing.assert_allclose(bias, expected, rtol=1e-9, atol=1e-12)
    assert not LogitOfMean()(np.random.default_rng(0), (4,), None).any()


@pytest.mark.parametrize(
    ("last", "expected"),
    [((Sigmoid(),), "unit"), ((Tanh(), Reshape((2, 2))), "symmetric"), ((LeakyRelu(),), "free"), ((), "free")],
)
def test_the_last_activation_says_what_a_generator_produces(last, expected):
    assert output_range((Dense(4), *last)) == expected


@pytest.mark.parametrize("layer", [Dense(3), Maxout(3, 2), ConcatLabels(3)])
def test_vectors_only(layer):
    with pytest.raises(ShapeError, match="put Flatten\\(\\) before it"):
        place((layer,), (4, 4))


def test_reshape_must_keep_every_entry():
    with pytest.raises(ShapeError, match="16 entries do not fill 15"):
        place((Reshape((3, 5)),), (16,))


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.1])
def test_dropout_keeps_a_share(keep):
    with pytest.raises(ConfigError, match="share that stays"):
        Dropout(keep)
