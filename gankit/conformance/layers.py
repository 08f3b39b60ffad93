"""Every layer record against its NumPy reference: values, gradients, corners, layout, and the native module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gankit import layers
from gankit.conformance.compare import Array, agree, bit_equal, epsilon, require
from gankit.conformance.reference import EXAMPLES, REFERENCES, central_differences
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import Backend, Network
from gankit.layers import Layer, Shape, place


class Case(NamedTuple):
    """One record as a network of its own, with an input of five examples."""

    layer: Layer
    backend: Backend
    network: Network
    arrays: dict[str, Array]
    x: Array
    y: Array

    @property
    def what(self) -> str:
        return f"{self.layer} on {self.x.shape} in {self.backend.dtype}"

    def labels(self) -> Any:
        """On the device; None for a layer that takes none."""
        return self.backend.ops.asarray(self.y) if isinstance(self.layer, layers.ConcatLabels) else None

    def reference(self, x: Array, arrays: Mapping[str, Array]) -> Array:
        own = {name.rpartition("/")[2]: array for name, array in arrays.items()}
        return REFERENCES[type(self.layer)](self.layer, own, x, self.y)

    def apply(self, params: Any, x: Any) -> Any:
        return self.network.apply(params, {}, x, self.labels(), train=False, key=None)[0]


def case(backend: Backend, layer: Layer, shape: Shape, seed: int = 0) -> Case:
    """Parameters and input are drawn anew, away from the neutral initialisers, so that biases count."""
    rng = np.random.default_rng(seed)
    placed = place((layer,), shape)
    parameters = {
        f"{placed[0].name}/{name}": rng.normal(size=parameter.shape)
        for name, parameter in layer.parameters(shape).items()
    }
    y = rng.integers(0, getattr(layer, "num_classes", 2), 5).astype(np.int32)
    return Case(layer, backend, backend.network(placed), parameters, rng.normal(size=(5, *shape)), y)


def cases(subject: Subject, *dtypes: str) -> Iterator[Case]:
    """Every example of every record; the first of each when quick."""
    for dtype in dtypes or subject.dtypes:
        backend = subject.open(dtype)
        seen: set[type[Layer]] = set()
        for i, (layer, shape) in enumerate(EXAMPLES):
            if subject.quick and type(layer) in seen:
                continue
            seen.add(type(layer))
            yield case(backend, layer, shape, i)


def check_layer_values(subject: Subject) -> None:
    """A network would compute something else on this backend, and a checkpoint of another one draw other samples."""
    for c in cases(subject):
        ops, (params, _) = c.backend.ops, c.network.init(c.arrays)
        got = ops.to_numpy(c.apply(params, ops.asarray(c.x)))
        require(got.dtype == c.backend.dtype, f"{c.what} returned {got.dtype}.")
        tolerance = 50 * epsilon(c.backend.dtype)
        cause = "a kernel in another layout, or (for maxout) the pieces in another order."
        agree(got, c.reference(c.x, c.arrays), c.what, rtol=tolerance, atol=tolerance, cause=cause)


def check_layer_gradients(subject: Subject) -> None:
    """Training would follow another gradient than the network's."""
    for c in cases(subject, "float64"):
        in_x, in_params, w = gradients(c)
        want = central_differences(partial(weighted, c, w, None), c.x)
        agree(in_x, want, f"{c.what}, gradient in the input", rtol=1e-6, atol=1e-7)
        for name, got in in_params.items():
            want = central_differences(partial(weighted, c, w, name), c.arrays[name])
            agree(got, want, f"{c.what}, gradient in {name}", rtol=1e-6, atol=1e-7)


def weighted(c: Case, w: Array, name: str | None, array: Array) -> float:
    """The reference's w . output, with one parameter, or the input, exchanged for `array`."""
    x, arrays = (array, c.arrays) if name is None else (c.x, {**c.arrays, name: array})
    return float((w * c.reference(x, arrays)).sum())


def gradients(c: Case) -> tuple[Array, dict[str, Array], Array]:
    """(gradient of w . output in the input, in each parameter, w) by the backend."""
    ops, (params, _) = c.backend.ops, c.network.init(c.arrays)
    w = np.asarray(np.random.default_rng(9).normal(size=c.reference(c.x, c.arrays).shape))
    on_device = ops.asarray(w)
    in_params, in_x = ops.grad(lambda tree: ops.xp.sum(on_device * c.apply(tree[0], tree[1])))(
        (params, ops.asarray(c.x))
    )
    return ops.to_numpy(in_x), c.network.export(in_params), w


def check_corners(subject: Subject) -> None:
    """Units that start at exactly 0 take another path on every framework, so the same seed is not the same run."""
    for dtype in subject.dtypes:
        backend = subject.open(dtype)
        for layer, want in ((layers.Relu(), 0.0), (layers.LeakyRelu(0.2), 0.2), (layers.LeakyRelu(0.01), 0.01)):
            gradient = gradient_at_zero(case(backend, layer, (3,)))
            cause = "the framework's own convention at the hinge; write it as where(x > 0, x, slope * x)."
            agree(gradient, np.full((2, 3), want), f"{layer}: derivative at exactly 0", rtol=1e-6, cause=cause)


def gradient_at_zero(c: Case) -> Array:
    """The gradient of the sum of the outputs at an input of zeros."""
    ops = c.backend.ops
    return ops.to_numpy(ops.grad(lambda x: ops.xp.sum(c.apply({}, x)))(ops.asarray(np.zeros((2, 3)))))


def check_maxout_ties_share_the_gradient(subject: Subject) -> None:
    """Maxout units whose pieces start equal would all learn on one backend, and only the first piece on another."""
    c = case(subject.open(), layers.Maxout(2, 4), (3,))
    ops = c.backend.ops
    params, _ = c.network.init({name: np.zeros_like(array) for name, array in c.arrays.items()})
    gradient = c.network.export(ops.grad(lambda p: ops.xp.sum(c.apply(p, ops.asarray(c.x))))(params))
    agree(
        gradient["maxout0/bias"],
        np.full(8, 5 / 4),
        "maxout: gradient in the bias where all 4 pieces tie",
        rtol=1e-12,
        cause="argmax instead of max.",
    )


def check_names_and_layout(subject: Subject) -> None:
    """A checkpoint of one backend could not be opened by another: names, shapes or layout differ."""
    for c in cases(subject):
        params, _ = c.network.init(c.arrays)
        exported = c.network.export(params)
        want = {name: array.astype(c.backend.dtype) for name, array in c.arrays.items()}
        bit_equal(
            exported, want, f"{c.what}: exported parameters", cause="a kernel left in the framework's own layout."
        )
        for name, array in exported.items():
            require(array.flags.c_contiguous, f"{c.what}: {name} is exported F-ordered; safetensors stores it wrongly.")
            array[...] = 7
        again = c.network.export(params)
        bit_equal(
            again, want, f"{c.what}: parameters after what was exported changed", cause="export returns a view of them."
        )


def check_export_restore_export(subject: Subject) -> None:
    """A run that was saved and loaded would go on from other numbers."""
    for c in cases(subject):
        first = c.network.export(c.network.init(c.arrays)[0])
        bit_equal(c.network.export(c.network.restore(first)), first, f"{c.what}: export, restore, export")


def check_native_module(subject: Subject) -> None:
    """`trainer.generator.native`, the door to everything else in the framework, would be another network."""
    for c in cases(subject, "float64"):
        ops, (params, buffers) = c.backend.ops, c.network.init(c.arrays)
        x, y = ops.asarray(c.x), c.labels()
        want = ops.to_numpy(c.apply(params, x))
        native = c.network.with_params(params, buffers)
        got = ops.to_numpy(native(x) if y is None else native(x, y))
        agree(
            got,
            want,
            f"{c.what}: the native module",
            rtol=1e-12,
            cause="it holds other parameters, or is in training mode.",
        )


CHECKS: tuple[Check, ...] = (
    check_layer_values,
    check_layer_gradients,
    check_corners,
    check_maxout_ties_share_the_gradient,
    check_names_and_layout,
    check_export_restore_export,
    check_native_module,
)
