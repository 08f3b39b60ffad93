"""The device is a parameter everywhere. torch's meta device refuses whatever strays onto another."""

import pytest
import torch
from gankit_torch.backend import find_device

import gankit
from gankit.trees import leaves

SMALL_PAPER = {"generator": {"units": 16}, "discriminator": {"units": 8}, "ema": 0.9}


@pytest.mark.parametrize(
    "game",
    [{"recipe": "cgan"}, {"recipe": "gan-2014", "data": "digits", **SMALL_PAPER}],
    ids=["cgan, adam, r1", "gan-2014, sgd, dropout"],
)
def test_a_whole_step_stays_on_its_device(game):
    trainer = gankit.build("torch", device="meta", **game).fit(steps=2)
    state = trainer._state
    # Adam's count of updates is not among them: where it can't fuse, torch.optim keeps that on the host.
    slots = [
        player.slots[name]
        for player, spec in zip((state.generator, state.discriminator), trainer._game.optimizer_specs, strict=True)
        for name in spec.slots
    ]
    tensors = leaves((state.generator.params, state.discriminator.params, state.ema, slots))
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert {p.device.type for p in trainer.generator.native.parameters()} == {"meta"}


def test_auto_is_cuda_where_there_is_one():
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
