"""Networks layer by layer, beside the papers that they are from: the 2014 pair (mnist.yaml), DCGAN, and patches."""

from __future__ import annotations

from gankit.interfaces import Port
from gankit.layers import (
    BatchNorm,
    Bias,
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
    MaxPieces,
    MaxPool,
    Relu,
    Reshape,
    Sigmoid,
    Skip,
    Tanh,
)
from gankit.networks import dcgan, gan_2014, pictures
from gankit.networks.spec import GameSpec
from gankit.parts.initializers import Constant, LogitOfMean, Normal, Sparse, Uniform

MNIST = GameSpec((28, 28, 1), 100)
FACES = GameSpec((64, 64, 3), 100)
FACES_TFD = GameSpec((48, 48, 1), 100)
CIFAR = GameSpec((32, 32, 3), 100)


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


def test_tfd_s_g_has_sigmoids_that_start_closed_and_a_sparse_end():
    """tfd_pretrain/pretrain.yaml and train.yaml: irange .05, biases of -2, sparse_init 100."""
    layers = gan_2014.tfd_generator(FACES_TFD)
    assert kinds(layers) == [Dense, Relu, Dense, Sigmoid, Dense, Sigmoid, Reshape]
    first, second, last = layers[:5:2]
    assert [layer.features for layer in (first, second, last)] == [8000, 8000, 2304]
    assert first.kernel == second.kernel == Uniform(0.05) and last.kernel == Sparse(100)
    assert (first.bias, second.bias, last.bias) == (Constant(0.0), Constant(-2.0), LogitOfMean())
    front = gan_2014.tfd_generator(FACES_TFD, code=100)
    assert kinds(front[:4]) == [Dense, Relu, Dense, Sigmoid] and front[4:] == layers
    assert (front[0].features, front[2].features, front[2].bias) == (8000, 100, Constant(-2.0))


def test_cifar_s_dense_g_ends_linear_and_wide():
    """cifar10_fully_connected.yaml: irange .05, .05 and .5."""
    layers = gan_2014.cifar_generator(CIFAR)
    assert kinds(layers) == [Dense, Relu, Dense, Sigmoid, Dense, Reshape]
    assert [layer.features for layer in layers[:5:2]] == [8000, 8000, 3072]
    assert [layer.kernel for layer in layers[:5:2]] == [Uniform(0.05), Uniform(0.05), Uniform(0.5)]


def test_cifar_s_convolutional_g_lays_patches_with_a_bias_for_each_pixel():
    """cifar10_convolutional.yaml: 10 x 10 x 80, patches of 5 x 5 three pixels apart, untied biases."""
    layers = gan_2014.deconvolutional_generator(CIFAR)
    assert kinds(layers) == [Dense, Relu, Dense, Sigmoid, Reshape, ConvTranspose, Bias]
    assert (layers[0].features, layers[2].features, layers[4].shape) == (8000, 8000, (10, 10, 80))
    patches = layers[5]
    assert (patches.features, patches.size, patches.stride, patches.padding, patches.bias) == (3, 5, 3, 0, None)
    assert {layer.kernel for layer in (layers[0], layers[2], patches)} == {Uniform(0.05)}


def test_cifar_s_convolutional_d_has_three_convolutions_of_two_pieces():
    layers = gan_2014.convolutional_discriminator(CIFAR)
    block = [Conv, MaxPieces, MaxPool, Dropout]
    assert kinds(layers) == [Dropout, *block * 3, Flatten, Maxout, Dropout, Dense, Reshape]
    windows = [layer for layer in layers if type(layer) is Conv]
    assert [(layer.features, layer.size, layer.pad) for layer in windows] == [(64, 8, 4), (64, 8, 3), (384, 5, 3)]
    pools = [layer for layer in layers if type(layer) is MaxPool]
    assert [(layer.size, layer.stride) for layer in pools] == [(4, 2), (4, 2), (2, 2)]
    assert [layer.pieces for layer in layers if type(layer) is MaxPieces] == [2, 2, 2]
    assert [layer.keep for layer in layers if type(layer) is Dropout] == [0.8, 0.5, 0.5, 0.5, 0.5]
    dense = layers[-4]
    assert (dense.units, dense.pieces) == (500, 5)
    assert {layer.kernel for layer in (*windows, dense, layers[-2])} == {Uniform(0.005)}


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
    other = dcgan.discriminator(FACES, slope=0.3)
    assert [layer.slope for layer in other if type(layer) is LeakyRelu] == [0.3] * 4


def test_patches_with_norm_are_pix2pix_s():
    """Isola et al. 2017, 6.1.2: C64-C128-C256-C512, leaky relu of 0.2, and no norm in the first layer."""
    layers = pictures.patches(FACES, norm=True, depth=3)
    hidden = [Conv, InstanceNorm, LeakyRelu]
    assert kinds(layers) == [Conv, LeakyRelu, *hidden * 2, Conv, LeakyRelu, Conv, GlobalPool, Reshape]
    windows = [layer for layer in layers if type(layer) is Conv]
    assert [layer.features for layer in windows] == [64, 128, 256, 512, 1]
    assert [(layer.size, layer.stride) for layer in windows[:3]] == [(4, 2)] * 3
    assert [layer.slope for layer in layers if type(layer) is LeakyRelu] == [0.2] * 4


def test_u_net_s_way_down_is_pix2pix_s():
    """Isola et al. 2017, 6.1.1: C64-C128-C256-C512-C512-C512, leaky relu of 0.2, no norm in the innermost layer."""
    picture = (256, 256, 3)
    layers = pictures.u_net(GameSpec(picture, 100, given={"image": Port("image", picture)}))
    down = []
    while skips := [layer for layer in layers if type(layer) is Skip]:
        layers = skips[0].inner
        down.append(layers[: 3 if type(layers[1]) is InstanceNorm else 2])
    assert [kinds(level) for level in down] == [[Conv, InstanceNorm, LeakyRelu]] * 5 + [[Conv, LeakyRelu]]
    assert [level[0].features for level in down] == [64, 128, 256, 512, 512, 512]
    assert {(level[0].size, level[0].stride, level[-1].slope) for level in down} == {(4, 2, 0.2)}
