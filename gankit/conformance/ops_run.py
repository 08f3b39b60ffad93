"""`ops.run`, which performs many steps in one call and consumes the state it is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.conformance.compare import agree, bit_equal, require
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import Batch, Draw
from gankit.trees import tree_map


def toy_batches(n: int) -> Batch:
    """n iterations of arrays: indices, noise, a number and a key each."""
    rng = np.random.default_rng(0)
    draw = Draw(rng.integers(0, 4, (n, 1, 3)).astype(np.int32), {}, rng.normal(size=(n, 2)), {})
    words = rng.integers(0, 2**32, (2, n), dtype=np.uint32)
    return Batch(draw, draw, {"lr": rng.normal(size=n)}, (words[0], words[1]))


def check_many_steps_in_one_call(subject: Subject) -> None:
    """`fit` passes steps in blocks. Some would be left out, repeated, or get the numbers of another step."""
    ops, n = subject.open().ops, 7
    batches, shared = toy_batches(n), np.arange(4.0)

    def step(state: Any, batch: Batch, shared: Any) -> Any:
        indices: Any = batch.discriminator.real
        rows = ops.take(shared, indices[0])
        total = state["total"] * batch.numbers["lr"] + ops.xp.sum(rows) + ops.xp.sum(batch.generator.z)
        return {"total": total, "steps": state["steps"] + 1.0}, {"term": total}

    results = []
    for parts in ([slice(0, 7)], [slice(0, 3), slice(3, 4), slice(4, 7)]):
        state: Any = {"total": ops.asarray(np.array(1.0)), "steps": ops.asarray(np.array(0.0))}
        terms: Any = {}
        for part in parts:
            given = tree_map(lambda x, part=part: x[part], batches)
            state, terms = ops.run(step, state, given, ops.asarray(shared), capacity=8)
        results.append({name: ops.to_numpy(x) for name, x in {**state, **terms}.items()})
    want, order = 1.0, np.asarray(batches.discriminator.real)
    for i in range(n):
        rows = shared[order[i, 0]]
        want = want * batches.numbers["lr"][i] + rows.sum() + batches.generator.z[i].sum()
    agree(results[0]["steps"], 7.0, "steps counted by ops.run", rtol=0)
    agree(results[0]["total"], want, "the state after 7 steps in one call", rtol=1e-12)
    agree(
        results[0]["term"],
        want,
        "the terms after 7 steps in one call",
        rtol=1e-12,
        cause="they are not the last step's.",
    )
    bit_equal(results[1], results[0], "7 steps in three calls")


def check_copy(subject: Subject) -> None:
    """The moving average starts as a copy of G. With shared memory it would be G itself, or be consumed with G."""
    ops = subject.open().ops
    tree = {"a": ops.asarray(np.array([1.0, 2.0])), "b": {}}
    copied = ops.copy(tree)
    require(set(copied) == {"a", "b"}, f"copy changed the structure of the tree: {sorted(copied)}.")

    def step(state: Any, batch: Batch) -> Any:  # consumes the original, in whatever way the backend does
        new = ops.average({"a": state["a"]}, {"a": 0.0 * state["a"]}, batch.numbers["lr"] * 0.0)
        return {"a": new["a"], "b": {}}, {"term": ops.xp.sum(new["a"])}

    ops.run(step, tree, toy_batches(1), capacity=1)  # type: ignore[arg-type]
    agree(
        ops.to_numpy(copied["a"]),
        [1.0, 2.0],
        "a copy after its original was consumed",
        rtol=0,
        cause="it is the same memory.",
    )


CHECKS: tuple[Check, ...] = (check_many_steps_in_one_call, check_copy)
