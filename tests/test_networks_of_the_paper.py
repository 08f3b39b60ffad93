"""The pair that the paper's authors released for MNIST (mnist.yaml), layer by layer."""

from __future__ import annotations

from gankit.layers import Dense, Dropout, Flatten, Maxout, Relu, Reshape, Sigmoid
from gankit.networks import gan_2014
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import Uniform

MNIST = GameSpec((28, 28, 1), 100)


def test_g_has_two_hidden_layers_of_1200_relus_and_ends_in_a_sigmoid():
    layers = gan_2014.generator(MNIST)
    assert [type(layer) for layer in layers] == [Dense, Relu, Dense, Relu, Dense, Sigmoid, Reshape]
    assert [layer.features for layer in layers[:5:2]] == [1200, 1200, 784]
    assert all(layer.kernel == Uniform(0.05) for layer in layers[:5:2])


def test_d_keeps_four_fifths_of_its_input_and_half_of_each_hidden_layer():
    layers = gan_2014.discriminator(MNIST)
    assert [type(layer) for layer in layers] == [Flatten, Dropout, Maxout, Dropout, Maxout, Dropout, Dense, Reshape]
    assert [layer.keep for layer in layers[1:6:2]] == [0.8, 0.5, 0.5]
    assert [(layer.units, layer.pieces) for layer in (layers[2], layers[4])] == [(240, 5), (240, 5)]
    assert all(layer.kernel == Uniform(0.005) for layer in (layers[2], layers[4], layers[6]))
