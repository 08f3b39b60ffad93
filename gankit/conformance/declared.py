"""What a backend can do and does not say: games would be refused that it could play."""

from __future__ import annotations

from gankit.conformance.cases import drawn
from gankit.conformance.compare import agree_by_name, require
from gankit.conformance.examples import EXAMPLES
from gankit.conformance.promises import undoubted
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import Backend
from gankit.layers import (
    AsCondition,
    Dense,
    Flatten,
    KeepKnown,
    Layers,
    PixelShuffle,
    Relu,
    Reshape,
    Sigmoid,
    Tanh,
    output_range,
)
from gankit.plug.capabilities import ALL, BFLOAT16, needs


def check_layers_that_work_are_declared(subject: Subject) -> None:
    """gankit would refuse a game although the backend has every layer that it needs."""
    backend = Undoubted(subject.make("float32"))
    for i, example in enumerate(EXAMPLES):
        undeclared = needs(example.row) - subject.capabilities
        if not undeclared:
            continue
        try:
            c = drawn(backend, example, i)  # type: ignore[arg-type]
            agree_by_name(c.computed()[0], c.reference()[0], c.what, atol=1e-4)
        except Exception:  # whatever it raises: the layer does not work, and is rightly not declared
            continue
        raise AssertionError(f"{c.what} works, and {', '.join(sorted(undeclared))} is not among the capabilities.")


def check_bfloat16_that_works_is_declared(subject: Subject) -> None:
    """gankit would refuse `precision="bfloat16"` although the backend can compute in it."""
    if BFLOAT16 in subject.capabilities:
        return
    try:
        backend = undoubted(subject, "float32", "bfloat16")
        c = drawn(Undoubted(backend), EXAMPLES[0])  # type: ignore[arg-type]
        (got, _), (want, _) = c.computed(), c.reference()
        agree_by_name(got, want, c.what, atol=0.05)
        exact = all(abs(got[name] - want[name]).max() < 1e-5 for name in want)
    except Exception:  # whatever it raises: bfloat16 does not work, and is rightly not declared
        return
    if not exact:
        raise AssertionError(f"precision='bfloat16' works, and {BFLOAT16!r} is not among the capabilities.")


def check_the_range_of_g_is_seen_through_its_last_layers(subject: Subject) -> None:
    """Data would be scaled to numbers that G cannot reach, because a layer stands behind its last activation."""
    behind: tuple[Layers, ...] = ((), (Flatten(),), (Reshape((2, 2, 1)),), (PixelShuffle(2),), (KeepKnown(),))
    for activation, want in ((Tanh(), "symmetric"), (Sigmoid(), "unit"), (Relu(), "free")):
        for last in behind:
            row: Layers = (Dense(4), activation, *last)
            for g in (row, (AsCondition(row),)):
                got = output_range(g)
                require(got == want, f"A G that ends in {row[1:]} is said to reach {got!r}; it is {want!r}.")


class Undoubted:
    """A backend that is believed to have everything."""

    def __init__(self, backend: Backend) -> None:
        self._backend, self.capabilities = backend, ALL

    def __getattr__(self, name: str) -> object:
        return getattr(self._backend, name)


CHECKS: tuple[Check, ...] = (
    check_layers_that_work_are_declared,
    check_bfloat16_that_works_is_declared,
    check_the_range_of_g_is_seen_through_its_last_layers,
)
