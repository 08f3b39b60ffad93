"""What a backend says that it can do, held to its word both ways: nothing promised that fails, nothing hidden."""

from __future__ import annotations

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, require
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.errors import CapabilityError, ConfigError
from gankit.interfaces import Backend, Network
from gankit.layers import Dense, LeakyRelu, place
from gankit.plug import registry
from gankit.plug.capabilities import ALL, FLOAT64, OWN_MODULES


def check_capabilities_exist(subject: Subject) -> None:
    """A misspelt capability has no effect, so gankit would refuse games that the backend can train."""
    unknown = sorted(subject.capabilities - ALL)
    require(
        isinstance(subject.capabilities, frozenset), "`capabilities` must be a frozenset: it is the backend's word."
    )
    require(not unknown, f"There is no capability {', '.join(map(repr, unknown))}. See gankit.plug.capabilities.")


def check_float64_is_declared_as_it_is(subject: Subject) -> None:
    """A float64 result would really be float32, or the backend's most exact arithmetic would not be available."""
    declared = FLOAT64 in subject.capabilities
    try:
        computes_in_float64(undoubted(subject, "float64"))
    except Exception:  # whatever it raises: it does not work, which is a failure where it is declared, else as said
        if declared:
            raise
        return
    require(declared, f"dtype='float64' works but is not declared: add {FLOAT64!r} to the capabilities.")


def undoubted(subject: Subject, *how: str) -> Backend:
    """The backend in that dtype, and precision, although it may not say that it has it."""
    try:
        return subject.make(*how)
    except CapabilityError:
        kind = registry.load("backends", subject.name)
        asked = dict(zip(("dtype", "precision"), how, strict=False))
        return kind(device=subject.device, **asked)  # type: ignore[operator, no-any-return]


def computes_in_float64(backend: Backend) -> None:
    """Raise AssertionError unless numbers keep 53 bits, from NumPy through a network and back."""
    x = np.array([[1 / 3, 1 + 2**-40, -2 / 3, 1e-30]])
    passed = backend.ops.to_numpy(backend.ops.asarray(x))
    require(passed.dtype == np.float64, f"dtype='float64': what was float64 comes back as {passed.dtype}.")
    agree(passed, x, "dtype='float64': numbers that pass through", rtol=0)
    network, arrays = small(backend)
    want = x @ arrays["dense0/kernel"] + arrays["dense0/bias"]
    want = np.where(want > 0, want, 0.2 * want)
    agree(output(backend, network, arrays, x), want, "dtype='float64': a dense layer", rtol=1e-13)


def small(backend: Backend) -> tuple[Network, dict[str, Array]]:
    """A dense layer, 4 -> 3, with a leaky relu; and its numbers."""
    rng = np.random.default_rng(7)
    arrays = {"dense0/kernel": rng.standard_normal((4, 3)), "dense0/bias": rng.standard_normal(3)}
    return backend.network(place((Dense(3), LeakyRelu(0.2)), (4,))), arrays


def output(backend: Backend, network: Network, arrays: dict[str, Array], x: Array) -> Array:
    """What a network makes of x in evaluation."""
    params, buffers = network.init(arrays)
    out, _ = network.apply(params, buffers, backend.ops.asarray(x), {}, train=False, key=None)
    return backend.ops.to_numpy(out)


def check_own_modules_are_declared_as_they_are(subject: Subject) -> None:
    """gankit would refuse a user's module that works, or accept one that does not."""
    backend = subject.make("float32")
    declared = OWN_MODULES in subject.capabilities
    try:
        works_with_its_own(backend)
    except Exception:  # whatever it raises: it does not work, which is a failure where it is declared, else as said
        if declared:
            raise
        return
    require(declared, f"`wrap` works but is not declared: add {OWN_MODULES!r} to the capabilities.")


def works_with_its_own(backend: Backend) -> None:
    """Raise AssertionError unless a native module, wrapped, computes what it computes as a network."""
    network, arrays = small(backend)
    x = np.random.default_rng(8).standard_normal((5, 4))
    wrapped, held = backend.wrap(network.with_params(*network.init(arrays)))
    want = output(backend, network, arrays, x)
    agree(output(backend, wrapped, held, x), want, "a native module that was wrapped", rtol=1e-6, atol=1e-6)


def check_foreign_modules_are_refused(subject: Subject) -> None:
    """A module of another framework would fail deep inside this one, with an error that does not name the mistake."""
    backend = subject.make("float32")
    for foreign in (object(), len, Dense(3)):
        what = type(foreign).__qualname__
        try:
            backend.wrap(foreign)
        except ConfigError as error:
            require(what in str(error), f"wrap({foreign!r}) does not say what it was given: {error}")
            continue
        except Exception as error:
            raise AssertionError(
                f"wrap({foreign!r}) raised {type(error).__name__}, not ConfigError: {error}"
            ) from error
        raise AssertionError(f"wrap({foreign!r}) is taken for a module of the framework.")


CHECKS: tuple[Check, ...] = (
    check_capabilities_exist,
    check_float64_is_declared_as_it_is,
    check_own_modules_are_declared_as_they_are,
    check_foreign_modules_are_refused,
)
