"""What any penalty is judged by: a small D whose gradients are known, and what the penalty makes of it.

value, gradient, memory = evaluate_penalty(ops, penalty, quadratic, {"a": a}, real, fake)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, epsilon
from gankit.conformance.reference import central_differences
from gankit.interfaces import LABEL, Backend, Draw, Moment, Scores, as_given
from gankit.parts.first_api import as_today

Judge = Callable[[Any, Mapping[str, Any], Any, Any], Any]
"""A D written once for every array namespace, NumPy too: (xp, params, examples, labels) to logits (n,)."""


@dataclass(frozen=True)
class Probe:
    """D as a penalty sees it. Its parameters are in reach, so that a penalty with the fault to look there can."""

    xp: Any
    d: Judge
    params: Mapping[str, Any]

    def __call__(self, x: Any, labels: Any = None) -> Scores:
        labels = as_given(labels).get(LABEL)
        return Scores(self.d(self.xp, self.params, x, labels), labels)


def evaluate_penalty(
    ops: Any,
    penalty: Any,
    d: Judge,
    params: Mapping[str, Array],
    real: Array,
    fake: Array,
    *,
    labels: tuple[Array, Array] | None = None,
    memory: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[Array, dict[str, Array], dict[str, Array]]:
    """(value, gradient in D's parameters, what the penalty now remembers), as NumPy.

    labels: of real and of fake examples, in a conditional game.
    memory: what a penalty that remembers something is called with; what it starts from by default.
    """
    x, g = ops.asarray(real), ops.asarray(fake)
    y_real, y_fake = (None, None) if labels is None else (ops.asarray(y) for y in labels)
    draw, key = Draw(x, named(y_real), x, named(y_fake)), ops.key((np.uint32(seed), np.uint32(0)))
    start: Mapping[str, float] = getattr(penalty, "memory", {}) if memory is None else memory
    held = {name: ops.asarray(np.asarray(float(number))) for name, number in start.items()}

    def objective(tensors: Any) -> tuple[Any, Any]:
        out = as_today("penalties", penalty)(seen_by(ops, Probe(ops.xp, d, tensors), draw, g, key, held))
        return out if held else (out, {})

    tensors = {name: ops.asarray(array) for name, array in params.items()}
    (value, remembered), gradient = ops.value_and_grad(objective)(tensors)
    return ops.to_numpy(value), _numpy(ops, gradient), _numpy(ops, remembered)


def named(labels: Any) -> dict[str, Any]:
    """Labels as the condition that they are; nothing where there are none."""
    return {} if labels is None else {LABEL: labels}


def seen_by(ops: Any, net: Any, draw: Draw, fake: Any, key: Any, memory: Mapping[str, Any]) -> Moment:
    """What a term is handed in a game of two players. net: the player that it looks at."""

    def by_role(role: str, x: Any, given: Any) -> Any:
        return net(x, given)

    return Moment(ops, draw, fake, net, net, by_role, by_role, {}, key, memory, {"": fake})


def quadratic(xp: Any, params: Mapping[str, Any], x: Any, labels: Any) -> Any:
    """D(x)_i = 1/2 sum_j a_ij x_ij^2, a shaped like the batch: its gradient at x is a * x."""
    return 0.5 * xp.sum(xp.reshape(params["a"] * x * x, (x.shape[0], -1)), axis=1)


def two_layers(xp: Any, params: Mapping[str, Any], x: Any, labels: Any) -> Any:
    """D(x) = tanh(x w) v, w (features, hidden) and v (hidden,)."""
    return xp.tanh(xp.reshape(x, (x.shape[0], -1)) @ params["w"]) @ params["v"]


def two_layers_gradient(params: Mapping[str, Array], x: Array) -> Array:
    """d D(x)_i / d x_i of `two_layers`, (n, features), in NumPy."""
    hidden = np.tanh(x.reshape(len(x), -1) @ params["w"])
    return np.asarray(((1 - hidden**2) * params["v"]) @ params["w"].T)


def points_of_norm_penalty(ops: Any, penalty: Any, real: Array, fake: Array, *, seed: int = 0) -> Array:
    """Where a penalty mean_i (||grad_x D(x_i)|| - 1)^2 asks for D's gradient, shaped like real.

    They are read off the gradient in the parameters of `quadratic`, so nothing is asked of how the penalty draws them.
    real, fake: above 1, so that squares give the points back.
    """
    n, a = len(real), np.full_like(real, 10.0)
    _, gradient, _ = evaluate_penalty(ops, penalty, quadratic, {"a": a}, real, fake, seed=seed)
    # The norms are r_i = ||a x_i||, and d/da_ij of the penalty is 2/n (r_i - 1) / r_i a_ij x_ij^2; summed over j this
    # gives r_i, and with it each x_ij.
    in_a = gradient["a"].reshape(n, -1).astype(np.float64)
    r = (1 + np.sqrt(1 + 20 * n * in_a.sum(axis=1, keepdims=True))) / 2
    return np.asarray(np.sqrt(in_a * n * r / (20 * (r - 1))).reshape(real.shape))


def norm_penalty(a: Array, x: Array, *, target: float = 1.0, one_sided: bool = False) -> tuple[float, Array]:
    """(value, gradient in a) of mean_i (||grad_x D(x_i)|| - target)^2 for `quadratic`, at these x; 0 where a is 0."""
    norms = np.sqrt(((a * x) ** 2).reshape(len(x), -1).sum(axis=1)).reshape(-1, *(1,) * (x.ndim - 1))
    excess = np.maximum(norms - target, 0) if one_sided else norms - target
    slope = np.divide(excess, norms, out=np.zeros_like(norms), where=norms > 0)
    return float((excess**2).mean()), 2 / len(x) * slope * a * x**2


def follows_norm_penalty(backend: Backend, penalty: Any, x: Array, **settings: Any) -> None:
    """A penalty on the norm of D's gradient is its closed form, second derivatives of D included.

    x: (5, ...) a batch of reals that are the fakes too, where the penalty must ask for D's gradient at x itself.
    settings: `target` and `one_sided` of `norm_penalty`.

    Raises AssertionError, naming the situation, unless it is so at ordinary and extreme logits and at exactly 0.
    """
    a = np.asarray(np.random.default_rng(4).normal(size=x.shape))
    eps = epsilon(backend.dtype)
    one_flat = np.array([1, 1, 0, 1, 1]).reshape(-1, *(1,) * (x.ndim - 1))
    situations: dict[str, Array] = {
        "ordinary logits": a,
        "logits of 1e4": 1e4 * a,
        "logits of exactly 0": 0 * a,
        "one example without a gradient": one_flat * a,
    }
    for situation, at in situations.items():
        value, gradient, _ = evaluate_penalty(backend.ops, penalty, quadratic, {"a": at}, x, x)
        want, in_a = norm_penalty(at, x, **settings)
        what = f"{penalty.name}, {situation}, {backend.dtype}"
        agree(value, want, f"{what}: value", rtol=64 * eps, atol=4 * eps)
        agree(gradient["a"], in_a, f"{what}: gradient in D's parameters", rtol=256 * eps, atol=4 * eps)
    if backend.dtype == "float64":
        _follows_central_differences(backend.ops, penalty, x, **settings)


def _follows_central_differences(
    ops: Any, penalty: Any, x: Array, target: float = 1.0, one_sided: bool = False
) -> None:
    """The same in the parameters of `two_layers`."""
    rng, features = np.random.default_rng(5), x[0].size
    params = {"w": rng.normal(size=(features, 3)), "v": rng.normal(size=3)}

    def value_at(changed: Mapping[str, Array]) -> float:
        excess = np.linalg.norm(two_layers_gradient(changed, x), axis=1) - target
        return float((np.maximum(excess, 0) ** 2 if one_sided else excess**2).mean())

    value, gradient, _ = evaluate_penalty(ops, penalty, two_layers, params, x, x)
    agree(value, value_at(params), f"{penalty.name}, two layers: value", rtol=1e-12, atol=1e-14)
    for name, array in params.items():
        want = central_differences(lambda changed, name=name: value_at({**params, name: changed}), array)  # type: ignore[misc]
        agree(gradient[name], want, f"{penalty.name}, two layers: gradient in {name}", rtol=1e-6, atol=1e-8)


def _numpy(ops: Any, tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {name: ops.to_numpy(tensor) for name, tensor in tensors.items()}
