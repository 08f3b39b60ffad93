"""One program for a whole run: a second one costs seconds, and could round differently."""

import jax
import numpy as np
import pytest
from gankit_jax.backend import JaxBackend
from jax import monitoring

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


def test_a_step_is_traced_once():
    """Tracing is Python: half a second for the step of a large game."""
    ops, traced = JaxBackend().ops, []

    def step(state, batch):
        traced.append(batch)
        return state + batch["x"], {"last": batch["x"]}

    Batch = type("Batch", (dict,), {"key": property(lambda self: (self["x"],))})
    jax.tree_util.register_pytree_node(Batch, lambda b: ((b["x"],), None), lambda _, x: Batch(x=x[0]))
    for steps in (3, 5):
        batches = Batch(x=np.arange(steps, dtype=np.float32))
        total, terms = ops.run(step, ops.asarray(np.float32(1)), batches, capacity=8)
        assert (float(total), float(terms["last"])) == (1 + sum(range(steps)), steps - 1)
    assert len(traced) == 1


def test_a_game_is_built_and_opened_without_compiling_anything(tmp_path):
    """A program for each shape of a parameter, to fill its slots with zeros, would add up to half a second."""
    path = gankit.build("jax", ema=0.9).fit(steps=1).save(tmp_path / "game")
    events = []

    def listen(event, *_, **__):
        events.append(event)

    monitoring.register_event_duration_secs_listener(listen)
    for optimizer in ("adam", "sgd"):
        gankit.build("jax", ema=0.9, generator_optimizer=optimizer, generator={"name": "mlp", "hidden": [7, 11]})
    gankit.load(path, backend="jax")
    compiled = [event for event in events if "backend_compile" in event]
    jax.jit(lambda x: x + len(path.name))(1.0)
    monitoring.unregister_event_duration_listener(listen)
    assert not compiled and [event for event in events if "backend_compile" in event], "or nothing would be heard"


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
