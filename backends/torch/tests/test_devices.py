"""The device is a parameter everywhere. torch's meta device refuses whatever strays onto another."""

from contextlib import nullcontext

import pytest
import torch
from gankit_torch import ops
from gankit_torch.backend import find_device
from gankit_torch.ops import products

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
        state.players[role].slots[name] for role, spec in trainer._game.optimizer_specs.items() for name in spec.slots
    ]
    tensors = leaves((state.generator.params, state.discriminator.params, state.ema, slots))
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert {p.device.type for p in trainer.generator.native.parameters()} == {"meta"}


def test_auto_is_cuda_where_there_is_one():
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("tf32", [True, False])
def test_products_on_cuda_are_in_the_precision_of_the_game(tf32):
    """Whatever the process has them in elsewhere, which stays as it was."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    with products(torch.device("cuda"), tf32):
        assert torch.get_float32_matmul_precision() == ("high" if tf32 else "highest")
        assert torch.backends.cudnn.allow_tf32 is tf32 and torch.backends.cudnn.benchmark is before[2]
    assert before == (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
    )


def test_a_game_is_played_and_sampled_in_its_precision(monkeypatch):
    seen = []
    monkeypatch.setattr(ops, "products", lambda device, tf32: seen.append((device.type, tf32)) or nullcontext())
    gankit.build("torch", precision="tf32", device="cpu").fit(steps=1).sample(1)
    assert seen == [("cpu", True)] * 2
