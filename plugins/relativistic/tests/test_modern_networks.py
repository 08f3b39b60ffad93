"""The networks of `modern` beside Huang et al. 2024 (R3GAN), sections 3.2 and 3.3, and the authors' configurations."""

from __future__ import annotations

import pytest
from gankit_relativistic import networks

from gankit.layers import Conv, ConvTranspose, Dense, Downsample, Flatten, LeakyRelu, Residual, Upsample
from gankit.networks import GameSpec
from gankit.parts.initializers import Constant

CIFAR = GameSpec((32, 32, 3), 64)


def blocks(layers):
    return [layer for layer in layers if type(layer) is Residual]


@pytest.mark.parametrize("make", [networks.generator, networks.discriminator])
def test_a_block_is_1x1_to_twice_the_width_3x3_in_groups_of_16_and_1x1_back(make):
    for block in blocks(make(CIFAR, width=32)):
        assert [type(layer) for layer in block.main] == [Conv, LeakyRelu, Conv, LeakyRelu, Conv]
        wide, grouped, back = block.main[::2]
        assert (wide.size, grouped.size, back.size) == (1, 3, 1)
        assert wide.features == grouped.features == 2 * back.features
        assert grouped.features // grouped.groups == 16 and wide.groups == back.groups == 1
        assert [layer.slope for layer in block.main[1::2]] == [0.2, 0.2]
        assert back.kernel == Constant(0.0) and back.bias is None, "a block starts as the identity"
        assert not block.shortcut


def test_a_narrow_block_is_one_group():
    assert {block.main[2].groups for block in blocks(networks.generator(CIFAR, width=4))} == {1, 2}


def test_g_doubles_bilinearly_from_4x4_with_two_blocks_at_each_size():
    layers = networks.generator(CIFAR, width=32)
    assert type(layers[0]) is Dense and layers[0].features == 4 * 4 * 128 and layers[1].shape == (4, 4, 128)
    assert [layer.main[-1].features for layer in blocks(layers)] == [128] * 4 + [64] * 2 + [32] * 2
    ups = [layer for layer in layers if type(layer) is Upsample]
    assert [(up.factor, up.method) for up in ups] == [(2, "bilinear")] * 3
    assert type(layers[-1]) is Conv and (layers[-1].features, layers[-1].size) == (3, 1)
    assert not any(type(layer) in (ConvTranspose, LeakyRelu) for layer in layers)


def test_d_halves_bilinearly_to_4x4_and_ends_in_one_number_a_channel():
    layers = networks.discriminator(CIFAR, width=32)
    assert [layer.main[-1].features for layer in blocks(layers)] == [32] * 2 + [64] * 2 + [128] * 4
    downs = [layer for layer in layers if type(layer) is Downsample]
    assert [(down.factor, down.method) for down in downs] == [(2, "bilinear")] * 3
    last = layers[[type(layer) for layer in layers].index(Flatten) - 1]
    assert (last.features, last.size, last.padding, last.groups) == (128, 4, 0, 128)


def test_what_follows_no_relu_starts_at_variance_one_over_its_inputs():
    for layers in (networks.generator(CIFAR, width=32), networks.discriminator(CIFAR, width=32)):
        for layer in layers:
            if type(layer) in (Conv, Dense):
                assert layer.kernel.gain == 1.0
        (gain,) = {block.main[0].kernel.gain for block in blocks(layers)}
        assert gain == pytest.approx(2**0.5 * 8**-0.25), "8 blocks, each with 2 layers that learn (Zhang et al. 2019)"
