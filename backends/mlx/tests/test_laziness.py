"""MLX computes when it is asked to, on the thread that asks: steps must not pile up, nor belong to one thread."""

import threading

import mlx.core as mx
import numpy as np

import gankit

SMALL = {"hidden": [16]}


def small(**settings):
    return gankit.build("mlx", "mlp", "digits", generator=SMALL, discriminator=SMALL, batch_size=16, **settings)


def test_memory_does_not_grow_with_the_steps():
    trainer = small(device="cpu").fit(steps=70)
    before = mx.get_active_memory()
    trainer.fit(steps=300)
    assert mx.get_active_memory() < before + 2**18  # a step's own arrays; 300 steps of graph would be many times more


def test_what_a_run_returns_is_computed():
    trainer = small(device="cpu").fit(steps=2)
    assert all(np.isfinite(array).all() for array in trainer.generator.parameters.values())
    there = []
    thread = threading.Thread(target=lambda: there.append(trainer.sample(4)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(there[0], trainer.sample(4))


def test_a_game_is_built_on_one_thread_and_played_on_another():
    here, elsewhere = small(device="cpu", dtype="float64"), small(device="cpu", dtype="float64")
    thread = threading.Thread(target=elsewhere.fit, kwargs={"steps": 3})
    thread.start()
    thread.join()
    assert elsewhere.steps_done == 3
    np.testing.assert_array_equal(elsewhere.sample(4), here.fit(steps=3).sample(4))
