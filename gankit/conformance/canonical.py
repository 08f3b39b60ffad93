"""The arrays of networks under canonical names and in canonical layouts, and the native modules that hold them."""

from __future__ import annotations

from dataclasses import replace

from gankit.conformance.cases import by_name, cases
from gankit.conformance.compare import agree_by_name, bit_equal, require
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import beside
from gankit.layers import BatchNorm, Dropout


def check_names_and_layout(subject: Subject) -> None:
    """Another backend could not open a checkpoint of this one: names, shapes or layout differ."""
    for c in cases(subject):
        params, buffers = c.start()
        want = {name: array.astype(c.backend.dtype) for name, array in c.arrays.items()}
        own = c.network.shapes
        shapes = {name: array.shape for name, array in want.items()}
        require(own[0] | own[1] == shapes, f"{c.what}: shapes says {own[0] | own[1]}, expected {shapes}.")
        for tensors, names in ((params, own[0]), (buffers, own[1])):
            exported = c.network.export(tensors)
            expected = {name: want[name] for name in names}
            cause = "a kernel left in the framework's own layout."
            bit_equal(exported, expected, f"{c.what}: exported arrays", cause=cause)
            for name, array in exported.items():
                require(
                    array.flags.c_contiguous, f"{c.what}: {name} is exported F-ordered; safetensors stores it wrongly."
                )
                array[...] = 7
            again = c.network.export(tensors)
            what = f"{c.what}: arrays after what was exported changed"
            bit_equal(again, expected, what, cause="export returns a view of them.")


def check_export_restore_export(subject: Subject) -> None:
    """A run that is saved and loaded would continue from different numbers."""
    for c in cases(subject):
        params, buffers = c.start()
        first = c.network.export({**params, **buffers})
        bit_equal(c.network.export(c.network.restore(first)), first, f"{c.what}: export, restore, export")


def check_canonical_and_back(subject: Subject) -> None:
    """Constraints see parameters in the canonical layout. They would act on the wrong axis, or corrupt the
    parameters."""
    for c in cases(subject, "float64"):
        params, _ = c.start()
        seen = {name: c.backend.ops.to_numpy(array) for name, array in c.network.canonical(params).items()}
        want = {name: array for name, array in c.arrays.items() if name in params}
        bit_equal(seen, want, f"{c.what}: parameters seen in the canonical layout", cause="the framework's own axes.")
        back = c.network.export(c.network.own(c.network.canonical(params)))
        bit_equal(back, want, f"{c.what}: parameters to the canonical layout and back")


def check_native_module(subject: Subject) -> None:
    """`trainer.generator.native`, which users take to other tools of the framework, would be a different network."""
    for c in cases(replace(subject, quick=True), "float64"):  # what a layer computes is judged elsewhere
        ops, (params, buffers) = c.backend.ops, c.start()
        x, given = ops.asarray(c.x), c.given()
        want, _ = c.computed()
        if isinstance(c.row[0], BatchNorm | Dropout):
            c.apply(params, buffers, x, train=True)  # where it was left, nobody who asks for it can know
        native = c.network.with_params(params, buffers)
        for time in ("first", "second"):
            out = by_name(native(x, *beside(given)))
            got = {name: ops.to_numpy(array) for name, array in out.items()}
            cause = "it holds other parameters, is in training mode, or changes with every call."
            agree_by_name(got, want, f"{c.what}: the native module, {time} call", atol=1e-12, cause=cause)
        held = c.network.export(buffers)
        expected = {name: c.arrays[name] for name in held}
        bit_equal(held, expected, f"{c.what}: buffers after the native module ran", cause="it is in training mode.")


CHECKS: tuple[Check, ...] = (
    check_names_and_layout,
    check_export_restore_export,
    check_canonical_and_back,
    check_native_module,
)
