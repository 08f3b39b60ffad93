"""Networks layer by layer, beside the papers that they are from: the 2014 pair (mnist.yaml), DCGAN, and patches."""

from __future__ import annotations

from gankit.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Features,
    Flatten,
    GlobalPool,
    InstanceNorm,
    LeakyRelu,
    Maxout,
    Relu,
    Reshape,
    Sigmoid,
    Tanh,
)
from gankit.networks import dcgan, gan_2014, pictures
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import Normal, Uniform

MNIST = GameSpec((28, 28, 1), 100)
FACES = GameSpec((64, 64, 3), 100)


def kinds(layers):
    return [type(layer) for layer in layers]


def test_g_has_two_hidden_layers_of_1200_relus_and_ends_in_a_sigmoid():
    layers = gan_2014.generator(MNIST)
    assert kinds(layers) == [Dense, Relu, Dense, Relu, Dense, Sigmoid, Reshape]
    assert [layer.features for layer in layers[:5:2]] == [1200, 1200, 784]
    assert all(layer.kernel == Uniform(0.05) for layer in layers[:5:2])


def test_d_keeps_four_fifths_of_its_input_and_half_of_each_hidden_layer():
    layers = gan_2014.discriminator(MNIST)
    assert kinds(layers) == [Flatten, Dropout, Maxout, Dropout, Maxout, Dropout, Dense, Reshape]
    assert [layer.keep for layer in layers[1:6:2]] == [0.8, 0.5, 0.5]
    assert [(layer.units, layer.pieces) for layer in (layers[2], layers[4])] == [(240, 5), (240, 5)]
    assert all(layer.kernel == Uniform(0.005) for layer in (layers[2], layers[4], layers[6]))


def test_dcgan_s_g_is_figure_1_s():
    """Radford et al. 2016: 4 x 4 x 1024, then 512, 256, 128 and 3 channels; batch norm and relu but at the output."""
    layers = dcgan.generator(FACES, width=128)
    assert kinds(layers) == [Dense, Reshape, *[BatchNorm, Relu, ConvTranspose] * 4, Tanh]
    assert layers[1].shape == (4, 4, 1024)
    windows = [layer for layer in layers if type(layer) is ConvTranspose]
    assert [layer.features for layer in windows] == [512, 256, 128, 3]
    assert {(layer.size, layer.stride, layer.kernel) for layer in windows} == {(4, 2, Normal(0.02))}
    assert layers[0].kernel == Normal(0.02)


def test_dcgan_s_d_is_the_other_way_round():
    """Leaky relu of 0.2 in all layers; batch norm in all but the first and the last."""
    layers = dcgan.discriminator(FACES, width=64)
    hidden = [Conv, BatchNorm, LeakyRelu]
    assert kinds(layers) == [Conv, LeakyRelu, *hidden * 3, Flatten, Features, Dense, Reshape]
    windows = [layer for layer in layers if type(layer) is Conv]
    assert [layer.features for layer in windows] == [64, 128, 256, 512]
    assert {(layer.size, layer.stride, layer.kernel) for layer in windows} == {(4, 2, Normal(0.02))}
    assert [layer.slope for layer in layers if type(layer) is LeakyRelu] == [0.2] * 4


def test_patches_with_norm_are_pix2pix_s():
    """Isola et al. 2017, 6.1.2: C64-C128-C256-C512, leaky relu of 0.2, and no norm in the first layer."""
    layers = pictures.patches(FACES, norm=True, depth=3)
    hidden = [Conv, InstanceNorm, LeakyRelu]
    assert kinds(layers) == [Conv, LeakyRelu, *hidden * 2, Conv, LeakyRelu, Conv, GlobalPool, Reshape]
    windows = [layer for layer in layers if type(layer) is Conv]
    assert [layer.features for layer in windows] == [64, 128, 256, 512, 1]
    assert [(layer.size, layer.stride) for layer in windows[:3]] == [(4, 2)] * 3
    assert [layer.slope for layer in layers if type(layer) is LeakyRelu] == [0.2] * 4
