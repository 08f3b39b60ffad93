"""First and second derivatives of every layer record, in evaluation and in training.

What is differentiated is an energy of the outputs, E(params, x) = 1/2 sum of w * output^2 with random weights w.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.cases import Case, brief, case, cases
from gankit.conformance.compare import DTYPES, agree
from gankit.conformance.reference import along
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.plug.capabilities import needs

WITH_KERNELS = (
    (layers.Dense(3), (4,)),
    (layers.Conv(2, 3, 2), (4, 3, 2)),
    (layers.Conv(4, 3, groups=2), (3, 2, 2)),
    (layers.ConvTranspose(2), (2, 2, 3)),
    (layers.Conv1d(2, 3), (4, 2)),
)
"""Layers, and the shapes of what they are given."""
LARGE = ((layers.Dense(160), (192,), 160), (layers.Conv(64, 3), (8, 8, 32), 32))
"""Layers, the shapes of what they are given, and how many examples."""
X = "the input"
"""Its place among the parameters' names."""

Gradient = dict[str, Array]
"""By parameter, and in X."""


class Energy:
    """E of a case, in evaluation or in training, by the backend and by the reference."""

    def __init__(self, c: Case, train: bool = False) -> None:
        self.c, self.train = c, train
        rng = np.random.default_rng(8)
        self.w = {name: rng.normal(size=array.shape) for name, array in c.reference(train=train)[0].items()}
        self._params, self._buffers = c.start()
        ops = c.backend.ops
        self._first = ops.compile(lambda *at: ops.grad(self._energy)(at))
        self._both = ops.compile(lambda *at: (ops.grad(self._energy)(at), ops.grad(self._penalty)(at)))

    def _energy(self, at: tuple[Any, Any]) -> Any:
        """E at (params, x)."""
        ops, (params, x) = self.c.backend.ops, at
        out, _ = self.c.apply(params, self._buffers, x, train=self.train)
        return sum(ops.xp.sum(0.5 * ops.asarray(self.w[name]) * array * array) for name, array in out.items())

    def _penalty(self, at: tuple[Any, Any]) -> Any:
        """1/2 |dE/dx|^2 at (params, x): what R1 and its like add to D's objective."""
        ops, (params, x) = self.c.backend.ops, at
        in_x = ops.grad(lambda x: self._energy((params, x)))(x)
        return 0.5 * ops.xp.sum(in_x * in_x)

    def in_parameters(self) -> Gradient:
        """The gradient of E in the parameters alone, as the first layer of a network has it."""
        ops, c = self.c.backend.ops, self.c
        gradient = ops.compile(lambda params, x: ops.grad(lambda p: self._energy((p, x)))(params))
        return c.network.export(gradient(self._params, ops.asarray(c.x)))

    def consensus(self, arrays: Mapping[str, Array]) -> tuple[Gradient, Gradient]:
        """The gradient of E, and that of 1/2 |dE/dparams|^2, at these parameters."""
        ops = self.c.backend.ops
        params, _ = self.c.network.init(arrays)
        at = params, ops.asarray(self.c.x)

        def squared(at: tuple[Any, Any]) -> Any:
            in_params = ops.grad(lambda params: self._energy((params, at[1])))(at[0])
            return 0.5 * sum(ops.xp.sum(g * g) for g in in_params.values())

        return self._exported(self._first(*at)), self._exported(ops.compile(lambda *at: ops.grad(squared)(at))(*at))

    def gradient(self) -> Gradient:
        """That of E, by the backend."""
        return self._exported(self._first(self._params, self.c.backend.ops.asarray(self.c.x)))

    def gradients(self, x: Array) -> tuple[Gradient, Gradient]:
        """Those of E and of the penalty at x, by the backend."""
        first, second = self._both(self._params, self.c.backend.ops.asarray(x))
        return self._exported(first), self._exported(second)

    def _exported(self, gradient: tuple[Any, Any]) -> Gradient:
        return {**self.c.network.export(gradient[0]), X: self.c.backend.ops.to_numpy(gradient[1])}

    def at(self, name: str) -> Array:
        """Where the energy is, along one name."""
        return self.c.x if name == X else self.c.arrays[name]

    def by_reference(self, name: str) -> Callable[[Array], float]:
        """E in NumPy as a function of one array."""

        def energy(array: Array) -> float:
            x, arrays = (array, self.c.arrays) if name == X else (self.c.x, {**self.c.arrays, name: array})
            out, _ = self.c.reference(x, arrays, train=self.train)
            return float(sum((0.5 * self.w[name] * out[name] ** 2).sum() for name in out))

        return energy


def check_layer_gradients(subject: Subject) -> None:
    """Training would use a gradient that is not the network's."""
    for c in cases(subject, "float64"):
        for train in (False, True) if c.moves else (False,):
            energy, rng = Energy(c, train), np.random.default_rng(9)
            for name, gradient in energy.gradient().items():
                if train and holds_vectors(c, name):
                    continue
                what = f"{c.what}, {'training' if train else 'evaluation'}: gradient in {name}, along a direction"
                for _ in range(2):  # a dense direction feels an error in any entry
                    direction = np.asarray(rng.normal(size=gradient.shape))
                    want = along(energy.by_reference(name), energy.at(name), direction)
                    scale = max(1.0, float(np.abs(gradient).max()))
                    agree(np.asarray((gradient * direction).sum()), want, what, rtol=1e-7, atol=1e-7 * scale)


def holds_vectors(c: Case, name: str) -> bool:
    """Whether that kernel is divided by a singular value, whose moving vectors a training pass holds constant."""
    return name.replace("/layer/", "/") + "_u" in c.arrays


def check_second_derivatives(subject: Subject) -> None:
    """Gradient penalties (R1, R2, WGAN-GP) would train D towards something else, or not at all."""
    h = 1e-5
    for c in cases(subject, "float64"):
        for train in (False, True) if c.moves else (False,):
            energy = Energy(c, train)
            first, got = energy.gradients(c.x)
            # The gradient of 1/2 |dE/dx|^2 is the derivative of E's gradient along dE/dx: two more of those will do.
            length = float(np.linalg.norm(first[X])) or 1.0
            (above, _), (below, _) = (energy.gradients(c.x + sign * h / length * first[X]) for sign in (1.0, -1.0))
            for name, array in got.items():
                want = (above[name] - below[name]) * (length / (2 * h))
                what = f"{c.what}, {'training' if train else 'evaluation'}: gradient of a squared gradient in {name}"
                scale = max(1.0, float(np.abs(want).max()))
                agree(array, want, what, rtol=1e-6, atol=1e-7 * scale, cause="an inner gradient cut from the graph.")


def check_derivatives_of_squared_gradients_in_parameters(subject: Subject) -> None:
    """Consensus optimisation would go somewhere else: it descends the squared gradient in all weights."""
    h, backend = 1e-5, subject.open()
    for i, (layer, shape) in enumerate(WITH_KERNELS):
        if needs((layer,)) - subject.capabilities:
            continue
        c = case(backend, layer, shape, seed=i)
        energy = Energy(c)
        first, got = energy.consensus(c.arrays)
        own = {name: array for name, array in first.items() if name != X}
        length = float(np.sqrt(sum((g**2).sum() for g in own.values())))
        (above, _), (below, _) = (
            energy.consensus({n: a + sign * h / length * own[n] for n, a in c.arrays.items()}) for sign in (1.0, -1.0)
        )
        for name, array in got.items():
            want = (above[name] - below[name]) * (length / (2 * h))
            scale = max(1.0, float(np.abs(want).max()))
            what = f"{c.what}: gradient in {name} of the squared gradient in its parameters"
            agree(array, want, what, rtol=1e-6, atol=1e-7 * scale, cause="a gradient of a gradient that is cut.")


def check_large_layers(subject: Subject) -> None:
    """Layers of a size that is worth a faster way of computing would train otherwise than small ones."""
    for layer, shape, n in LARGE:
        if needs((layer,)) - subject.capabilities:
            continue
        found: dict[str, tuple[Gradient, ...]] = {}
        for dtype in DTYPES:
            c = case(subject.open(dtype), layer, shape)
            x = np.random.default_rng(6).normal(size=(n, *shape))
            arrays = {name: array / np.sqrt(array[..., 0].size) for name, array in c.arrays.items()}
            energy = Energy(c._replace(x=x, arrays=arrays))
            found[dtype] = (*energy.gradients(x), energy.in_parameters())
        for i, of in enumerate(("gradient", "gradient of a squared gradient", "gradient in the parameters alone")):
            got, want = (found[dtype][i] for dtype in DTYPES)
            for name, array in want.items():
                scale = float(np.abs(array).max()) or 1.0
                what = f"{brief(layer)} on {(n, *shape)}, float32 against float64: {of}, {name}"
                agree(got[name], array, what, rtol=1e-3, atol=1e-4 * scale, cause="a fast path for large arrays.")


def check_spectral_norm_holds_its_vectors(subject: Subject) -> None:
    """The gradient in training would pass through the power iteration, which gives a different and slower
    regulariser."""
    c = case(subject.open(), layers.SpectralNorm(layers.Dense(4, bias=None)), (3,))
    energy = Energy(c, train=True)
    kernel, u = c.arrays["spectralnorm0/layer/kernel"], c.arrays["spectralnorm0/kernel_u"]
    v = kernel @ u / np.linalg.norm(kernel @ u)
    u = v @ kernel / np.linalg.norm(v @ kernel)
    sigma = v @ kernel @ u
    in_divided = c.x.T @ (energy.w["output"] * (c.x @ kernel / sigma))
    # Miyato et al. 2018, eq. 12: what W and the gradient in W / sigma have in common is taken away along v u^T.
    want = (in_divided - (in_divided * kernel / sigma).sum() * np.outer(v, u)) / sigma
    got = energy.gradient()["spectralnorm0/layer/kernel"]
    agree(got, want, "SpectralNorm(Dense(4)): gradient in the kernel in training", rtol=1e-9, atol=1e-9)


CHECKS: tuple[Check, ...] = (
    check_layer_gradients,
    check_second_derivatives,
    check_derivatives_of_squared_gradients_in_parameters,
    check_large_layers,
    check_spectral_norm_holds_its_vectors,
)
