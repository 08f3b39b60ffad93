"""The functions of `Ops` that move, index, average and draw arrays."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import DTYPES, agree, epsilon, require
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject

MANY = 20_000
"""Draws whose moments are judged, at five standard errors."""


def words(a: int, b: int) -> tuple[Any, Any]:
    """Two 32-bit words, as the streams hand them out."""
    return np.uint32(a), np.uint32(b)


def check_one_hot(subject: Subject) -> None:
    """Labels would reach the networks as the wrong class, or as integers that cannot be multiplied with floats."""
    labels = np.array([2, 0, 3, 3, 1, 2], np.int32)
    for dtype in subject.dtypes:
        ops = subject.open(dtype).ops
        for shape in ((6,), (2, 3), (1, 3, 2)):  # of single examples, of D's k minibatches, of maps of classes
            own = labels.reshape(shape)
            got = ops.to_numpy(ops.one_hot(ops.asarray(own), 4))
            cause = "the classes are not the last axis."
            agree(got, np.eye(4)[own], f"one_hot of labels of shape {shape}", rtol=0, cause=cause)
            require(got.dtype == dtype, f"one_hot is {got.dtype} on a {dtype} backend.")


def check_take(subject: Subject) -> None:
    """Batches are rows of the data set. Examples would be mixed up, or have the wrong shape."""
    x = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
    ops = subject.open().ops
    for indices in (np.array([4, 0, 4], np.int32), np.array([[1, 2], [4, 0], [3, 3]], np.int32)):
        got = ops.to_numpy(ops.take(ops.asarray(x), ops.asarray(indices)))
        agree(
            got,
            x[indices],
            f"take with {indices.ndim}-D indices",
            rtol=0,
            cause="the axes of the indices are flattened.",
        )
        require(got.dtype == np.uint8, f"take made {got.dtype} of uint8.")


def check_average(subject: Subject) -> None:
    """Samples come from the moving average of G. It would follow too fast, too slowly, or not at all."""
    mean, new = np.array([1.0, -2.0, 0.0]), np.array([3.0, 5.0, 1.0])
    ops = subject.open().ops
    for decay in (0.0, 0.1, 0.999, 1.0):
        kept = ops.asarray(new)
        got = ops.average({"a": ops.asarray(mean)}, {"a": kept}, decay)
        want = decay * mean + (1 - decay) * new
        agree(
            ops.to_numpy(got["a"]),
            want,
            f"average with decay {decay}",
            rtol=1e-12,
            atol=1e-15,
            cause="decay and 1 - decay swapped.",
        )
        agree(ops.to_numpy(kept), new, f"the new tensors after average with decay {decay}", rtol=0)


def check_trees_go_by_name(subject: Subject) -> None:
    """A checkpoint lists its arrays in another order than a new network: kernels would be averaged with biases."""
    ops = subject.open().ops
    a, b = np.array([1.0, 2.0]), np.array([-3.0, 5.0])
    here = {"a": ops.asarray(a), "b": ops.asarray(b)}
    there = {"b": ops.asarray(10 * b), "a": ops.asarray(10 * a)}
    added = ops.tree_map(lambda x, y: x + y, here, there)
    mean = ops.average({name: ops.copy(x) for name, x in here.items()}, there, 0.5)
    for name, array in (("a", a), ("b", b)):
        cause = "the leaves are paired by their place, and the dicts are in another order."
        agree(ops.to_numpy(added[name]), 11 * array, f"tree_map of x + y: {name}", rtol=1e-12, cause=cause)
        agree(ops.to_numpy(mean[name]), 5.5 * array, f"average with decay 0.5: {name}", rtol=1e-12, cause=cause)


def check_numbers_keep_their_digits(subject: Subject) -> None:
    """A rate or a slope written as a number would be rounded to float32: float64 runs would part from each other."""
    ops, x = subject.open().ops, np.array([0.5, -1.5, 3.0])
    t, xp = ops.asarray(x), ops.xp
    for what, got, want in (
        ("0.1 * x", 0.1 * t, 0.1 * x),
        ("x + 0.1", t + 0.1, x + 0.1),
        ("0.1 / x", 0.1 / t, 0.1 / x),
        ("x ** 1.1", xp.abs(t) ** 1.1, np.abs(x) ** 1.1),
        ("where(x > 0, x, 0.1 * x)", xp.where(t > 0, t, 0.1 * t), np.where(x > 0, x, 0.1 * x)),
        ("full_like(x, 0.1)", xp.full_like(t, 0.1), np.full_like(x, 0.1)),
        ("asarray(0.1)", ops.asarray(0.1), 0.1),
        ("when(0.1, ...)", ops.when(0.1, lambda: 0.1 * xp.sum(t)), 0.1 * x.sum()),
        ("average with decay 0.1", ops.average({"": ops.copy(t)}, {"": 0.0 * t}, 0.1)[""], 0.1 * x),
    ):
        agree(ops.to_numpy(got), want, f"{what} in float64", rtol=4 * epsilon("float64"), cause="0.1 in float32.")


def check_variances_take_a_correction(subject: Subject) -> None:
    """A loss with a variance in it would divide by n on one backend, where its author asked for n - 1."""
    x = np.array([[1.0, 2.0, 4.0], [0.0, -3.0, 5.0]])
    ops = subject.open().ops
    for name, correction in (("var", 0), ("var", 1), ("std", 0), ("std", 1)):
        got = getattr(ops.xp, name)(ops.asarray(x), axis=1, correction=correction)
        want = getattr(np, name)(x, axis=1, ddof=correction)
        agree(ops.to_numpy(got), want, f"{name}(x, axis=1, correction={correction})", rtol=1e-12)


def check_tree_map(subject: Subject) -> None:
    """A network's tensors would be lost or exchanged inside the step."""
    ops = subject.open().ops
    tree = {"b": (ops.asarray(np.ones(2)), None), "a": {"c": ops.asarray(np.zeros(()))}}
    other = {"b": (ops.asarray(np.zeros(2)), None), "a": {"c": ops.asarray(np.ones(()))}}
    got = ops.tree_map(lambda x, y: x + 2.0 * y, tree, other)
    agree(ops.to_numpy(got["b"][0]), np.ones(2), "tree_map over a tuple", rtol=0)
    agree(ops.to_numpy(got["a"]["c"]), 2.0, "tree_map over a dict", rtol=0)
    require(got["b"][1] is None, "tree_map turned None into a leaf.")


def check_keys_repeat(subject: Subject) -> None:
    """A resumed run would draw different dropout masks than the uninterrupted one."""
    for dtype in subject.dtypes:
        first, second = subject.open(dtype).ops, subject.open(dtype).ops
        for draw in ("uniform", "normal"):
            a, b, c = (
                ops.to_numpy(getattr(ops, draw)(ops.fold_in(ops.key(words(7, 2**32 - 1)), 3), (50,)))
                for ops in (first, first, second)
            )
            require(
                a.tobytes() == b.tobytes() == c.tobytes(),
                f"{draw} gives other numbers for the same key: it keeps a state.",
            )


def check_keys_are_independent(subject: Subject) -> None:
    """Dropout would drop the same units at every step, in every layer, or for both players."""
    ops = subject.open().ops
    base = ops.key(words(1, 2))
    keys = {
        "key(1, 2)": base,
        "key(2, 2)": ops.key(words(2, 2)),
        "key(1, 3)": ops.key(words(1, 3)),
        "key(2, 1)": ops.key(words(2, 1)),
        "fold_in(key(1, 2), 0)": ops.fold_in(base, 0),
        "fold_in(key(1, 2), 1)": ops.fold_in(base, 1),
        "fold_in(fold_in(key(1, 2), 0), 0)": ops.fold_in(ops.fold_in(base, 0), 0),
        "fold_in(key(2, 2), 0)": ops.fold_in(ops.key(words(2, 2)), 0),
    }
    draws = {name: ops.to_numpy(ops.normal(key, (MANY,))) for name, key in keys.items()}
    for (a, x), (b, y) in combinations(draws.items(), 2):
        correlation = abs(float(np.corrcoef(x, y)[0, 1]))
        require(
            correlation < 5 / np.sqrt(MANY),
            f"Draws from {a} and {b} correlate by {correlation:.3f}. Likely cause: a word or an index is ignored.",
        )


def check_uniform(subject: Subject) -> None:
    """Penalties that interpolate between real and fake, and every mask, would be drawn from another distribution."""
    for dtype in subject.dtypes:
        ops = subject.open(dtype).ops
        x = ops.to_numpy(ops.uniform(ops.fold_in(ops.key(words(3, 4)), 0), (MANY // 4, 4)))
        require(x.shape == (MANY // 4, 4) and x.dtype == dtype, f"uniform is {x.dtype}{x.shape} on a {dtype} backend.")
        require(bool(x.min() >= 0 and x.max() < 1), f"uniform runs from {x.min()} to {x.max()}, outside [0, 1).")
        moments(x, (1 / 2, 1 / 3, 1 / 5), "uniform")


def check_normal(subject: Subject) -> None:
    """Noise inside networks and penalties would have a different variance than their papers say."""
    for dtype in subject.dtypes:
        ops = subject.open(dtype).ops
        x = ops.to_numpy(ops.normal(ops.fold_in(ops.key(words(3, 4)), 0), (MANY // 4, 4)))
        require(x.shape == (MANY // 4, 4) and x.dtype == dtype, f"normal is {x.dtype}{x.shape} on a {dtype} backend.")
        moments(x, (0.0, 1.0, 3.0), "normal")


def moments(x: Array, want: tuple[float, float, float], what: str) -> None:
    """The first, second and fourth raw moment, each within five standard errors."""
    for power, value in zip((1, 2, 4), want, strict=True):
        sample = x.astype(np.float64) ** power
        agree(sample.mean(), value, f"{what}: mean of x^{power}", rtol=0, atol=5 * sample.std() / np.sqrt(x.size))


def check_dtype_is_kept(subject: Subject) -> None:
    """A float32 run would silently become float64, at half the speed, or a float64 run would lose half its digits."""
    for dtype in DTYPES:
        for name, array in floats(subject.open(dtype).ops).items():
            require(
                array.dtype == dtype, f"{name} is {array.dtype} on a {dtype} backend. Likely cause: a constant's dtype."
            )


def floats(ops: Any) -> dict[str, Array]:
    """What every function returns whose result is of the backend's float dtype."""
    x, y = ops.asarray(np.array([[0.5, -1.5]])), ops.asarray(np.array([1], np.int32))
    results = {
        "asarray": x,
        "softplus": ops.softplus(x),
        "log_sigmoid": ops.log_sigmoid(x),
        "sigmoid": ops.sigmoid(x),
        "relu": ops.relu(x),
        "log_softmax": ops.log_softmax(x),
        "one_hot": ops.one_hot(y, 3),
        "to_float": ops.to_float(y),
        "take": ops.take(x, y * 0),
        "grad": ops.grad(lambda x: ops.xp.sum(ops.softplus(x)))(x),
        "when on": ops.when(1.0, lambda: ops.xp.sum(x)),
        "when off": ops.when(0.0, lambda: ops.xp.sum(x)),
        "average": ops.average({"a": ops.asarray(np.ones(2))}, {"a": ops.asarray(np.zeros(2))}, 0.9)["a"],
        "copy": ops.copy(x),
        "arithmetic with Python numbers": 1.0 + 0.5 * x / 3 - 2,
        "mean": ops.xp.mean(x),
    }
    return {name: ops.to_numpy(array) for name, array in results.items()}


def check_to_numpy(subject: Subject) -> None:
    """Checkpoints would contain scrambled arrays (safetensors needs C order), or arrays that training changes later."""
    for dtype in DTYPES:
        ops = subject.open(dtype).ops
        x = np.arange(6.0).reshape(2, 3)
        for name, tensor, want in (
            ("a matrix", ops.asarray(x), x),
            ("a transposed matrix", ops.asarray(x).T, x.T),
            ("a slice", ops.asarray(x)[:, 1], x[:, 1]),
            ("a 0-d array", ops.xp.sum(ops.asarray(x)), x.sum()),
        ):
            got = ops.to_numpy(tensor)
            require(type(got) is np.ndarray, f"to_numpy of {name} returned {type(got).__name__}.")
            agree(got, want, f"to_numpy of {name}", rtol=0, cause="np.ascontiguousarray, which turns 0-d into (1,).")
            flags = got.flags
            require(
                flags.c_contiguous and flags.owndata,
                f"to_numpy of {name} is a view, or not C-ordered: copy with order='C'.",
            )


def check_asarray_copies(subject: Subject) -> None:
    """If you change an array after passing it, the data set or the parameters in training would change too."""
    ops = subject.open().ops
    for dtype in ("float64", "float32", "uint8", "int32"):
        x = aligned(np.array([[1, 2], [3, 4]], dtype))
        tensor = ops.asarray(x)
        ops.to_numpy(tensor)  # waits for a transfer that may still be under way
        x[:] = 9
        agree(
            ops.to_numpy(tensor),
            [[1, 2], [3, 4]],
            f"asarray of {dtype} after the original changed",
            rtol=0,
            cause="shared memory.",
        )


def aligned(x: Array, boundary: int = 64) -> Array:
    """x at an address that frameworks can take over without copying; JAX on CPU does so at multiples of 64."""
    room = np.zeros(x.nbytes + boundary, np.uint8)
    first = -room.ctypes.data % boundary
    out = room[first : first + x.nbytes].view(x.dtype).reshape(x.shape)
    out[...] = x
    return out


def check_integers_keep_their_dtype(subject: Subject) -> None:
    """uint8 images would take four times the memory on the device, and labels would arrive as floats."""
    for dtype in DTYPES:
        ops = subject.open(dtype).ops
        for kind in ("uint8", "int32"):
            x = np.array([[0, 1], [200, 255]], kind)
            got = ops.to_numpy(ops.asarray(x))
            require(got.dtype == kind, f"asarray made {got.dtype} of {kind}.")
            agree(ops.to_numpy(ops.to_float(ops.asarray(x))), x, f"to_float of {kind}", rtol=epsilon(dtype))


def check_compile(subject: Subject) -> None:
    """Sampling and scoring use `compile`. Samples would not be those of the network."""
    ops = subject.open().ops
    f = ops.compile(lambda x, y: ops.sigmoid(x) if y is None else ops.sigmoid(x) + y)
    x = np.array([0.0, 1.0])
    for _ in range(2):
        agree(ops.to_numpy(f(ops.asarray(x), None)), 1 / (1 + np.exp(-x)), "a compiled function", rtol=1e-12)
        agree(
            ops.to_numpy(f(ops.asarray(x), ops.asarray(x))),
            x + 1 / (1 + np.exp(-x)),
            "the same with labels",
            rtol=1e-12,
        )


CHECKS: tuple[Check, ...] = (
    check_one_hot,
    check_take,
    check_average,
    check_tree_map,
    check_trees_go_by_name,
    check_numbers_keep_their_digits,
    check_variances_take_a_correction,
    check_keys_repeat,
    check_keys_are_independent,
    check_uniform,
    check_normal,
    check_dtype_is_kept,
    check_to_numpy,
    check_asarray_copies,
    check_integers_keep_their_dtype,
    check_compile,
)
