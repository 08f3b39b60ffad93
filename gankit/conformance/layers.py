"""Every layer record against its NumPy reference, in evaluation and in training: outputs and buffers."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from gankit.arrays import Array
from gankit.conformance.cases import Case, cases
from gankit.conformance.compare import agree_by_name, bit_equal, epsilon, require
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject


def check_layer_values(subject: Subject) -> None:
    """A network would compute something else on this backend, and a checkpoint from another backend would give
    different samples."""
    cause = "a kernel in another layout, or (for maxout) the pieces in another order."
    for c in cases(subject, every=True):
        outputs_agree(c, c.computed()[0], c.reference()[0], c.what, cause)


def check_layer_values_in_training(subject: Subject) -> None:
    """Training would normalise with different numbers than other backends, and leave different running statistics."""
    for c in cases(subject):
        if not c.moves:
            continue
        (got, got_moved), (want, want_moved) = c.computed(train=True), c.reference(train=True)
        what = f"{c.what}, in training"
        outputs_agree(c, got, want, what, "the running statistics instead of the batch's, or the divisor n - 1.")
        tolerance = 50 * epsilon(c.backend.dtype)
        cause = "momentum the other way round, the divisor n, or no power iteration."
        agree_by_name(got_moved, want_moved, f"{what}: buffers after it", atol=tolerance, cause=cause)


def outputs_agree(c: Case, got: dict[str, Array], want: dict[str, Array], what: str, cause: str) -> None:
    """Raise AssertionError unless the outputs agree, in the backend's dtype, to rounding."""
    agree_by_name(got, want, what, atol=50 * epsilon(c.backend.dtype), cause=cause)
    for name, array in got.items():
        require(array.dtype == c.backend.dtype, f"{what} returned {name} in {array.dtype}.")


def check_buffers_given_stay_as_they_were(subject: Subject) -> None:
    """A pass would change buffers that the step still needs: D's statistics in G's phase, or those of a penalty's
    pass."""
    for c in cases(subject, "float64"):
        for train in (False, True) if c.moves else ():
            params, given = c.start()
            before = c.network.export(given)
            _, after = c.apply(params, given, c.backend.ops.asarray(c.x), train=train)
            what = f"{c.what}, {'in training' if train else 'in evaluation'}"
            bit_equal(c.network.export(given), before, f"{what}: the buffers given", cause="moved in place.")
            if not train:
                bit_equal(c.network.export(after), before, f"{what}: the buffers returned", cause="moved.")


def check_mixing_is_said(subject: Subject) -> None:
    """Real and fake examples would be normalised together wherever batch norm stands inside of a block."""
    for c in cases(subject, "float64", every=True):
        mixing = [type(record).__name__ for record in c.row if record.mixes_samples]
        said = c.network.mixes_samples
        require(said or not mixing, f"{c.what}: mixes_samples is False, and {', '.join(mixing)} mixes examples.")


def check_a_refused_pass_leaves_no_trace(subject: Subject) -> None:
    """One batch of the wrong shape in a notebook, and every later pass would be of another network."""
    for c in cases(subject, "float64"):
        if not c.moves:
            continue
        params, given = c.start()
        before = c.network.export(params), c.network.export(given)
        wrong = c.backend.ops.asarray(np.concatenate([c.x] * 2, axis=-1))  # twice as many channels
        with suppress(Exception):  # whatever the framework raises; one that computes later raises nothing
            c.apply(params, given, wrong, train=True)
        cause = "a pass that failed half-way, and what it had changed was not put back."
        what = f"{c.what}, after a pass that was refused"
        bit_equal(c.network.export(params), before[0], f"{what}: parameters", cause=cause)
        bit_equal(c.network.export(given), before[1], f"{what}: buffers", cause=cause)
        outputs_agree(c, c.computed()[0], c.reference()[0], what, cause)


CHECKS: tuple[Check, ...] = (
    check_layer_values,
    check_layer_values_in_training,
    check_buffers_given_stay_as_they_were,
    check_mixing_is_said,
    check_a_refused_pass_leaves_no_trace,
)
