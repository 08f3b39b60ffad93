"""The functions of `Ops` that are mathematics: values and derivatives against float64 NumPy closed forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, epsilon, require
from gankit.conformance.oracle import sigmoid
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject

# Where implementations differ: exactly 0, thresholds at 20 and 40, where float32's exp overflows, and far out.
POINTS = np.array([0, 0.3, -0.7, 1, -1, 2.5, -3.1, 12, -12, 20.5, -20.5, 40, -40, 89, -89, 1e4, -1e4], np.float64)
RTOL = {"float32": 1e-5, "float64": 1e-12}
TINY = {"float32": 1e-37, "float64": 1e-300}
"""Below this a device may flush to zero."""


def elementwise(subject: Subject, name: str, closed: tuple[Callable[[Array], Array], ...], cause: str) -> None:
    """Compare ops.<name> with closed forms of its value, its derivative and its second derivative."""
    for dtype in subject.dtypes:
        ops = subject.open(dtype).ops
        f = getattr(ops, name)
        # Values to relative accuracy, tails included; a derivative may lose what is below epsilon.
        for order, (want, atol) in enumerate(
            zip(closed, (TINY[dtype], 4 * epsilon(dtype), 32 * epsilon(dtype)), strict=False)
        ):
            what = (
                f"{name} in {dtype}, {('value', 'first derivative', 'second derivative')[order]} at {POINTS.tolist()}"
            )
            agree(ops.to_numpy(f(ops.asarray(POINTS))), want(POINTS), what, rtol=RTOL[dtype], atol=atol, cause=cause)
            f = derivative(ops, f)


def derivative(ops: Any, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The derivative of an elementwise function."""
    gradient: Callable[[Any], Any] = ops.grad(lambda x: ops.xp.sum(f(x)))
    return gradient


def check_softplus(subject: Subject) -> None:
    """Every loss uses softplus. With a wrong value, or no derivative at a logit of 0, D never starts to learn."""
    closed = (lambda x: np.logaddexp(0, x), sigmoid, lambda x: sigmoid(x) * sigmoid(-x))
    elementwise(
        subject, "softplus", closed, "softplus by hand as max + log1p, or a threshold at 20; use the native one."
    )


def check_log_sigmoid(subject: Subject) -> None:
    """Losses with log D(x) would become infinite when D is certain, and the run would be lost."""
    closed = (lambda x: -np.logaddexp(0, -x), lambda x: sigmoid(-x), lambda x: -sigmoid(x) * sigmoid(-x))
    elementwise(subject, "log_sigmoid", closed, "sigmoid followed by log; it is -softplus(-x).")


def check_sigmoid(subject: Subject) -> None:
    """D(x) and D(G(z)) in the log, and every generator that ends in a sigmoid, would be wrong."""
    closed = (
        sigmoid,
        lambda x: sigmoid(x) * sigmoid(-x),
        lambda x: sigmoid(x) * sigmoid(-x) * (sigmoid(-x) - sigmoid(x)),
    )
    elementwise(subject, "sigmoid", closed, "exp(x) overflows to inf / inf.")


def check_relu(subject: Subject) -> None:
    """Zero-initialised units would have different gradients on every framework, so the same seed would not give the
    same run."""
    closed = (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float), np.zeros_like)
    elementwise(subject, "relu", closed, "maximum(x, 0), whose derivative at exactly 0 is 1/2 or 1; it must be 0.")


def check_log_softmax(subject: Subject) -> None:
    """The class head of a conditional game would train on wrong probabilities, or on NaN for large logits."""
    rows = np.array([[0.3, -1.2, 2.0], [0, 0, 0], [1e4, -1e4, 0], [89, 88, -89]], np.float64)
    w, v = np.array([1.0, -2.0, 0.5]), np.array([0.7, 0.1, -1.3])
    for x in (rows, rows[0], rows.reshape(2, 2, 3)):  # of a batch, of one example, of a sequence
        shifted = x - x.max(axis=-1, keepdims=True)
        value = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        p = np.exp(value)
        second = -w.sum() * (p * v - p * (p * v).sum(axis=-1, keepdims=True))
        for dtype in subject.dtypes:
            got = log_softmax_results(subject.open(dtype).ops, x, w, v)
            for (what, array), want in zip(got.items(), (value, w - p * w.sum(), second), strict=True):
                said = f"log_softmax of shape {x.shape} in {dtype}, {what}"
                cause = "softmax followed by log, or not over the last axis."
                agree(array, want, said, rtol=RTOL[dtype], atol=8 * epsilon(dtype), cause=cause)


def log_softmax_results(ops: Any, rows: Array, w: Array, v: Array) -> dict[str, Array]:
    """log_softmax(x), the gradient of w . log_softmax(x), and the gradient of v . that."""
    x, w_, v_ = ops.asarray(rows), ops.asarray(w), ops.asarray(v)
    first = ops.grad(lambda x: ops.xp.sum(ops.log_softmax(x) * w_))
    second = ops.grad(lambda x: ops.xp.sum(first(x) * v_))
    arrays = {"value": ops.log_softmax(x), "first derivative": first(x), "second derivative": second(x)}
    return {name: ops.to_numpy(array) for name, array in arrays.items()}


def check_grad_of_grad_of_a_cubic(subject: Subject) -> None:
    """Gradient penalties differentiate a gradient. Without this, no game with such a penalty trains."""
    ops = subject.open().ops
    x = np.array([-2.0, 0.0, 0.5, 3.0])
    first = derivative(ops, lambda x: x * x * x)
    second = derivative(ops, first)
    agree(ops.to_numpy(first(ops.asarray(x))), 3 * x**2, "derivative of x^3", rtol=1e-12)
    cause = "the inner gradient is cut from the graph (create_graph)."
    agree(ops.to_numpy(second(ops.asarray(x))), 6 * x, "second derivative of x^3", rtol=1e-12, cause=cause)


def check_gradients_may_be_nested_three_deep(subject: Subject) -> None:
    """Extra-gradient and consensus games differentiate a gradient penalty once more: their players would stand."""
    ops, x = subject.open().ops, np.array([-2.0, 0.0, 0.5, 3.0])
    s = sigmoid(x)
    for what, f, want in (
        ("x^4", lambda x: x * x * x * x, 24 * x),
        ("softplus(x)", ops.softplus, s * (1 - s) * (1 - 2 * s)),
    ):
        third = derivative(ops, derivative(ops, derivative(ops, f)))
        cause = "the second gradient is cut from the graph of the third."
        got = ops.to_numpy(third(ops.asarray(x)))
        agree(got, want, f"third derivative of {what}", rtol=1e-10, atol=1e-12, cause=cause)


def check_unused_inputs_have_gradient_zero(subject: Subject) -> None:
    """A network with a parameter that a phase does not use would crash, or leave a None among the gradients."""
    for dtype in subject.dtypes:
        ops = subject.open(dtype).ops
        used, unused = np.ones(3), np.ones((2, 2))
        gradient = gradient_of_the_used(ops, {"used": ops.asarray(used), "unused": ops.asarray(unused)})
        for name, want in (("used", 2 * used), ("unused", 0 * unused)):
            require(gradient[name] is not None, f"The gradient of the {name} input is None; it must be zeros.")
            agree(ops.to_numpy(gradient[name]), want, f"gradient of the {name} input", rtol=0)
        outer = ops.grad(partial(penalised, ops))(ops.asarray(used))
        agree(ops.to_numpy(outer), 8 * used, "gradient of an inner gradient that has an unused input", rtol=1e-6)


def penalised(ops: Any, w: Any) -> Any:
    """(2w)^2 by an inner gradient, and the squared gradient in an input that the inner function does not use."""
    xp, tree = ops.xp, {"used": ops.asarray(np.zeros(3)), "unused": ops.asarray(np.zeros((2, 2)))}
    inner = ops.grad(lambda t: xp.sum(2.0 * w * t["used"]))(tree)
    return xp.sum(inner["used"] ** 2) + xp.sum(inner["unused"] ** 2)


def gradient_of_the_used(ops: Any, tree: dict[str, Any]) -> Any:
    """The gradient of a function of one of two inputs."""
    return ops.grad(lambda t: ops.xp.sum(2.0 * t["used"]))(tree)


def check_value_and_grad_returns_aux(subject: Subject) -> None:
    """The step returns its terms and new buffers through `aux`. The log would show something else."""
    ops = subject.open().ops

    def f(tree: Any) -> tuple[Any, Any]:
        return ops.xp.sum(tree["a"] * tree["a"]), {"aux": 3.0 * tree["a"], "more": (tree["b"],)}

    a, b = np.array([1.0, -2.0]), np.array([5.0])
    (value, aux), gradient = ops.value_and_grad(f)({"a": ops.asarray(a), "b": ops.asarray(b)})
    agree(ops.to_numpy(value), 5.0, "value_and_grad: value", rtol=1e-12)
    agree(ops.to_numpy(aux["aux"]), 3 * a, "value_and_grad: aux", rtol=1e-12)
    agree(ops.to_numpy(aux["more"][0]), b, "value_and_grad: nested aux", rtol=1e-12)
    agree(ops.to_numpy(gradient["a"]), 2 * a, "value_and_grad: gradient", rtol=1e-12)


def check_nested_gradient_sees_outer_parameters(subject: Subject) -> None:
    """A gradient penalty that does not reach D's parameters appears in the log but has no effect."""
    ops = subject.open().ops
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(4,)), rng.normal(size=(5, 4))

    def penalty(params: Any) -> Any:  # D(x) = 1/2 (x . w)^2, so grad_x D = (x . w) w
        inner = ops.grad(lambda x: ops.xp.sum(0.5 * (x @ params["w"]) ** 2))(ops.asarray(x))
        return ops.xp.mean(ops.xp.sum(inner * inner, axis=1))

    s, n = x @ w, float(w @ w)
    want = (2 * s[:, None] * x * n + 2 * s[:, None] ** 2 * w).mean(axis=0)
    (value, _), gradient = ops.value_and_grad(lambda p: (penalty(p), None))({"w": ops.asarray(w)})
    agree(ops.to_numpy(value), (s**2 * n).mean(), "gradient penalty", rtol=1e-10)
    cause = "the inner gradient is a constant to the outer one."
    agree(ops.to_numpy(gradient["w"]), want, "gradient of a gradient penalty", rtol=1e-10, cause=cause)


def check_outer_gradient_passes_through_aux(subject: Subject) -> None:
    """D would not learn from scores that come with the gradients that R1 penalises, and the game would collapse."""
    ops = subject.open().ops
    w, x = np.array([1.0, -2.0]), np.array([[3.0, 1.0]])

    def objective(w: Any) -> Any:  # (x . w)^2 by way of aux, and w^2 by way of the slope
        (_, scores), slope = ops.value_and_grad(lambda x: (ops.xp.sum(x @ w), x @ w))(ops.asarray(x))
        return ops.xp.sum(scores * scores) + ops.xp.sum(slope * slope)

    gradient = ops.to_numpy(ops.grad(objective)(ops.asarray(w)))
    cause = "aux of an inner value_and_grad is a constant to the outer gradient."
    agree(gradient, 2 * (x @ w) * x[0] + 2 * w, "gradient through aux and slope", rtol=1e-12, cause=cause)


def check_stop_gradient(subject: Subject) -> None:
    """D's phase would differentiate through the fakes into G, which costs a second backward pass or gives a wrong
    gradient."""
    ops = subject.open().ops
    x = np.array([1.0, 2.0])
    gradient = ops.grad(lambda x: ops.xp.sum(ops.stop_gradient(x) * x))(ops.asarray(x))
    agree(ops.to_numpy(ops.stop_gradient(ops.asarray(x))), x, "stop_gradient: value", rtol=0)
    agree(
        ops.to_numpy(gradient),
        x,
        "gradient of stop_gradient(x) * x",
        rtol=0,
        cause="stop_gradient lets derivatives through.",
    )


def check_when(subject: Subject) -> None:
    """Lazy penalties would act at every step or never, or give NaN gradients while they are off."""
    for dtype in subject.dtypes:
        when(subject.open(dtype).ops)


def when(ops: Any) -> None:
    """Values and gradients of `ops.when`, with the number on and off."""
    x, xp = ops.asarray(np.array([2.0, 3.0])), ops.xp

    def weighted(number: float) -> Callable[[Any], Any]:
        return lambda x: 0.0 * xp.sum(x) + ops.when(number, lambda: number * xp.sum(x * x))

    def otherwise(number: float) -> Callable[[Any], Any]:
        return lambda x: ops.when(number, lambda: number * xp.sum(x * x), 5.0 * xp.sum(x))

    for f, said, number, value, gradient in (
        (weighted, "when(0, f)", 0.0, 0.0, [0.0, 0.0]),
        (weighted, "when(2, f)", 2.0, 26.0, [8.0, 12.0]),
        (otherwise, "when(0, f, otherwise)", 0.0, 25.0, [5.0, 5.0]),
        (otherwise, "when(2, f, otherwise)", 2.0, 26.0, [8.0, 12.0]),
    ):
        agree(ops.to_numpy(f(number)(x)), value, said, rtol=1e-6)
        agree(ops.to_numpy(ops.grad(f(number))(x)), gradient, f"gradient of {said}", rtol=1e-6)
    poisoned = ops.grad(lambda x: xp.sum(x) + ops.when(0.0, lambda: xp.sum(x / (0.0 * x))))(x)
    cause = "f is computed and multiplied by 0."
    agree(ops.to_numpy(poisoned), np.ones(2), "gradient around when(0, NaN)", rtol=1e-6, cause=cause)


CHECKS: tuple[Check, ...] = (
    check_softplus,
    check_log_sigmoid,
    check_sigmoid,
    check_relu,
    check_log_softmax,
    check_grad_of_grad_of_a_cubic,
    check_gradients_may_be_nested_three_deep,
    check_unused_inputs_have_gradient_zero,
    check_value_and_grad_returns_aux,
    check_nested_gradient_sees_outer_parameters,
    check_outer_gradient_passes_through_aux,
    check_stop_gradient,
    check_when,
)
