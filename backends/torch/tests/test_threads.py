"""A small dense game has one thread, a larger one all; the process has as many afterwards as before."""

import numpy as np
import pytest
import torch
from gankit_torch.threads import small

import gankit

MLP = {"name": "mlp", "hidden": [16, 16]}


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def game(batch_size=8, **settings):
    return gankit.build("torch", "mlp", "ring", generator=MLP, discriminator=MLP, batch_size=batch_size, **settings)


def seen(monkeypatch, gan, steps=1):
    """The threads that every operation of these steps had."""
    found, before = set(), torch.Tensor.index_select

    def looking(*arguments):
        found.add(torch.get_num_threads())
        return before(*arguments)

    monkeypatch.setattr(torch.Tensor, "index_select", looking)  # which takes every minibatch from the data
    gan.fit(steps=steps)
    return found


def test_a_small_game_is_played_on_one_thread_and_a_large_one_on_all(monkeypatch):
    assert seen(monkeypatch, game()) == {1}
    assert seen(monkeypatch, game(batch_size=2**15)) == {2}  # times 16 x 16 numbers
    assert torch.get_num_threads() == 2


def test_its_switch_leaves_the_threads_alone(monkeypatch):
    monkeypatch.setenv("GANKIT_WITHOUT", "threads")
    assert seen(monkeypatch, game()) == {2}


def test_convolutions_are_not_small():
    picture = np.zeros((8, 28, 28, 1), np.uint8)
    gan = gankit.build("torch", "dcgan", picture, generator={"width": 4}, discriminator={"width": 4}, batch_size=2)
    assert not small(gan._state, 2)


def test_the_threads_come_back_after_an_error(monkeypatch):
    gan = game()

    def broken(*arguments):
        raise ArithmeticError

    monkeypatch.setattr(torch.Tensor, "index_select", broken)
    with pytest.raises(ArithmeticError):
        gan.fit(steps=1)
    assert torch.get_num_threads() == 2


def test_the_game_is_the_same(monkeypatch):
    one = game(dtype="float64").fit(steps=5)
    monkeypatch.setenv("GANKIT_WITHOUT", "threads")
    two = game(dtype="float64").fit(steps=5)
    np.testing.assert_allclose(one.sample(50), two.sample(50), rtol=1e-10, atol=1e-12)
