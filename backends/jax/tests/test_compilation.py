"""One program for a whole run: a second one costs seconds, and could round differently."""

import jax
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


@pytest.mark.parametrize(("precision", "products"), [("full", "float32"), ("tf32", "tensorfloat32")])
def test_products_are_in_the_precision_of_the_game(monkeypatch, precision, products):
    """JAX's own default on NVIDIA's devices is TF32, whatever dtype says."""
    seen, dot = set(), jax.lax.dot_general_p.bind

    def bind(*operands, **parameters):
        seen.add(jax.config.jax_default_matmul_precision)
        return dot(*operands, **parameters)

    monkeypatch.setattr(jax.lax.dot_general_p, "bind", bind)
    gankit.build("jax", precision=precision).fit(steps=1).sample(1)
    assert seen == {products}
