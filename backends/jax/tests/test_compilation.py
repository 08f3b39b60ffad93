"""One program for a whole run: a second one costs seconds, and could round differently."""

import pytest

import gankit


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_run_is_compiled_once(optimizer):
    trainer = gankit.build("jax", generator_optimizer=optimizer, discriminator_optimizer=optimizer)
    for steps in (1, 1, 7, 64, 100):
        trainer.fit(steps=steps)
    assert [loop._cache_size() for loop in trainer.backend.ops._loops.values()] == [1]


def test_a_resumed_run_is_compiled_once(tmp_path):
    gankit.build("jax").fit(steps=3).save(tmp_path / "game")
    trainer = gankit.load(tmp_path / "game", backend="jax").fit(steps=1).fit(steps=70)
    assert [loop._cache_size() for loop in trainer.backend.ops._loops.values()] == [1]
