"""Examples of layers as networks of their own, on a backend and by the NumPy reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.examples import CLASSES, EXAMPLES, Example
from gankit.conformance.reference import Given, row
from gankit.conformance.subject import Subject
from gankit.interfaces import LABEL, Backend, Network
from gankit.layers import Layer, Layers, Shape, buffers, conditions_of, parameters, place
from gankit.plug.capabilities import EVERY_LAYER, demand, needs

N = 6
"""Examples in a batch: groups of a minibatch standard deviation can be of 2 and of 3."""


TAKES_ARRAYS = (layers.ConcatCondition, layers.ConditionAffine, layers.TakeCondition)


class Case(NamedTuple):
    """A row of records as a network.

    arrays: parameters and buffers by canonical name. x: (N, *shape). y: (N,).
    """

    row: Layers
    backend: Backend
    network: Network
    arrays: dict[str, Array]
    x: Array
    y: Array
    conditions: Mapping[str, Array]

    @property
    def what(self) -> str:
        """For messages."""
        return f"{', '.join(map(brief, self.row))} on {self.x.shape} in {self.backend.dtype}"

    @property
    def moves(self) -> bool:
        """Whether it has buffers, so that a training pass is another one."""
        return bool(self.network.shapes[1])

    def start(self) -> tuple[Any, Any]:
        """(params, buffers) on the device."""
        return self.network.init(self.arrays)

    def given(self) -> dict[str, Any]:
        """The conditions that the row takes, on the device."""
        own = {LABEL: self.y, **self.conditions}
        return {name: self.backend.ops.asarray(own[name]) for name in conditions_of(self.row)}

    def apply(self, params: Any, buffers: Any, x: Any, *, train: bool = False) -> tuple[dict[str, Any], Any]:
        """(outputs by name, new buffers), on the device."""
        key = self.backend.ops.key((np.uint32(1), np.uint32(2))) if train else None
        out, moved = self.network.apply(params, buffers, x, self.given(), train=train, key=key)
        return by_name(out), moved

    def computed(self, *, train: bool = False) -> tuple[dict[str, Array], dict[str, Array]]:
        """(outputs, buffers after them) by the backend."""
        ops = self.backend.ops
        run = ops.compile(lambda params, buffers, x: self.apply(params, buffers, x, train=train))
        out, moved = run(*self.start(), ops.asarray(self.x))
        return {name: ops.to_numpy(array) for name, array in out.items()}, self.network.export(moved)

    def reference(
        self, x: Array | None = None, arrays: Mapping[str, Array] | None = None, *, train: bool = False
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """(outputs, buffers after them) in NumPy; x and arrays: instead of the case's own."""
        own, inside = self.arrays if arrays is None else arrays, self.x if x is None else x
        given = Given(own, inside, self.y, train, self.conditions)
        out, moved = row(self.row, given)
        return by_name(out), moved


def by_name(out: Any) -> dict[str, Any]:
    """The arrays of an output: `logits`, `class_logits`, `features/0`; `output` where it is one array."""
    if not isinstance(out, Mapping):
        return {"output": out}
    arrays = {name: array for name, array in out.items() if name != "features"}
    return arrays | {f"features/{i}": array for i, array in enumerate(out.get("features", ()))}


def brief(value: Any) -> str:
    """A record as one would type it: only what differs from its defaults."""
    if isinstance(value, tuple):
        return f"({', '.join(map(brief, value))})"
    if not isinstance(value, Layer):
        return repr(value)
    given = {field.name: getattr(value, field.name) for field in fields(value)}
    told = [f"{f.name}={brief(given[f.name])}" for f in fields(value) if given[f.name] != f.default]
    return f"{type(value).__name__}({', '.join(told)})"


def case(backend: Backend, records: Layer | Layers, shape: Shape, seed: int = 0, classes: int = CLASSES) -> Case:
    """Arrays and input are drawn anew, away from the neutral initialisers, so that biases and buffers count."""
    rng = np.random.default_rng(seed)
    records = (records,) if isinstance(records, Layer) else records
    demand(backend, needs(records), ", ".join(map(brief, records)))
    placed = place(records, shape)
    arrays = {name: rng.normal(size=array.shape) for name, array in (parameters(placed) | buffers(placed)).items()}
    positive = {name: np.abs(array) + 0.5 for name, array in arrays.items() if name.endswith("/var")}
    y = rng.integers(0, classes, N).astype(np.int32)
    x = rng.normal(size=(N, *shape))
    conditions = conditions_for(records, shape, rng, N)
    return Case(records, backend, backend.network(placed), arrays | positive, x, y, conditions)


def conditions_for(records: Layers, shape: Shape, rng: np.random.Generator, n: int) -> dict[str, Array]:
    """n of each condition that is an array, for a row of records that begins with `shape`."""
    found = {
        layer.name: rng.normal(size=(n, *layer.shape)) for layer in all_of(records) if isinstance(layer, TAKES_ARRAYS)
    }
    for layer in records:
        if isinstance(layer, layers.Choose) and layer.chance is not None:
            found[layer.chance] = rng.random((n, layer.choices[-1].stop - layer.choices[0].start))
        if isinstance(layer, layers.KeepColumn):
            slots = layer.choices[-1].stop - layer.choices[0].start
            found[layer.name] = np.eye(slots + 1)[rng.integers(0, slots + 1, n), :slots]  # one of them, or none
        if isinstance(layer, layers.KeepKnown):
            found[layer.name] = rng.normal(size=(n, *shape))
            found[layer.mask] = rng.random((n, *shape[:-1], 1))
    return found


def all_of(records: Layers) -> Iterator[Layer]:
    """The records of a row, and those inside them."""
    for record in records:
        yield record
        for branch in getattr(record, "branches", {}).values():
            yield from all_of(branch)


def cases(subject: Subject, *dtypes: str, precision: str = "full", every: bool = False) -> Iterator[Case]:
    """Every example that the backend has the layers for; when quick, the first of each record, unless a check asks for
    `every` one."""
    for dtype in dtypes or subject.dtypes:
        backend = subject.open(dtype, precision)
        seen: set[tuple[type[Layer], ...]] = set()
        for i, example in enumerate(EXAMPLES):
            kinds = tuple(type(layer) for layer in example.row)
            if (subject.quick and not every and kinds in seen) or needs(example.row) - backend.capabilities:
                continue
            seen.add(kinds)
            yield drawn(backend, example, i)
        if not seen:  # a check of no layer at all must not be green
            demand(backend, EVERY_LAYER, "Every example")


def drawn(backend: Backend, example: Example, seed: int = 0) -> Case:
    """The case of an example."""
    return case(backend, example.row, example.shape, seed, example.classes)
