"""The upper bound: the matrix products of one iteration and nothing else, convolutions as products of patches.

The list comes from gankit's own layer records, so it follows every change of a network. A dense layer of m examples is
one product forward, one for its weights' gradient, one for its input's; a convolution the same with a row for each
patch, a transposed one with a row for each pixel it reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.loop import Loop, Setup
from benchmarks.workloads import WORKLOADS
from gankit import building
from gankit.data import open_data
from gankit.layers import Conv, ConvTranspose, Dense, Maxout, Placed, Residual, place
from gankit.networks import GameSpec


class Product(NamedTuple):
    """(groups, rows, inner) @ (groups, inner, columns), `times` times an iteration."""

    groups: int
    rows: int
    inner: int
    columns: int
    times: float = 1.0

    @property
    def flops(self) -> float:
        return 2.0 * self.groups * self.rows * self.inner * self.columns * self.times


class Linear(NamedTuple):
    """A layer on one example as a product: rows x inner @ inner x columns, in groups."""

    groups: int
    rows: int
    inner: int
    columns: int

    def forward(self, m: int) -> Product:
        return Product(self.groups, m * self.rows, self.inner, self.columns)

    def to_weights(self, m: int) -> Product:
        return Product(self.groups, self.inner, m * self.rows, self.columns)

    def to_input(self, m: int) -> Product:
        return Product(self.groups, m * self.rows, self.columns, self.inner)


def linears(placed: tuple[Placed, ...]) -> Iterator[Linear]:
    """The layers of a network that are matrix products."""
    for at in placed:
        layer, inside, outside = at.layer, at.input_shape, at.output_shape
        if isinstance(layer, Residual):
            for branch in layer.branches.values():
                yield from linears(place(branch, inside))
        elif isinstance(layer, Dense):
            yield Linear(1, 1, inside[0], layer.features)
        elif isinstance(layer, Maxout):
            yield Linear(1, 1, inside[0], layer.units * layer.pieces)
        elif isinstance(layer, Conv):
            inner, columns = layer.size**2 * inside[2] // layer.groups, layer.features // layer.groups
            yield Linear(layer.groups, math.prod(outside[:2]), inner, columns)
        elif isinstance(layer, ConvTranspose):
            yield Linear(1, math.prod(inside[:2]), inside[2], layer.size**2 * layer.features)
        elif type(layer).__name__ == "ProjectionHead":
            yield Linear(1, 1, inside[0], 1)


def products(workload: str) -> list[Product]:
    """Of one iteration: D's phase on real and fake, G's phase, and what the penalties add."""
    work = WORKLOADS[workload]
    config, data = building.configure(**work.settings), open_data(work.data)
    classes = data.num_classes if config.conditional else None
    spec = GameSpec(data.shape, config.latent_dim, classes, data.value_range is not None)
    g, d = (
        list(linears(place(building.make(f"{role}s", getattr(config, role), spec), shape)))
        for role, shape in (("generator", (config.latent_dim,)), ("discriminator", data.shape))
    )
    m = config.batch_size
    if work.samples:
        return [layer.forward(work.samples) for layer in g]
    needs_real = building.make("losses", config.loss).generator_needs_real
    judged = 2 * m if needs_real else m  # real examples in G's phase go forward alone
    out = [layer.forward(m) for layer in g]
    out += [p for layer in d for p in (layer.forward(2 * m), layer.to_weights(2 * m))]
    out += [layer.to_input(2 * m) for layer in d[1:]]
    out += [layer.forward(m) for layer in g] + [layer.forward(judged) for layer in d]
    out += [layer.to_input(m) for layer in d] + [layer.to_weights(m) for layer in g]
    out += [layer.to_input(m) for layer in g[1:]]
    for penalty in config.penalties:
        every = int(penalty.settings.get("every", 1))
        # The gradient on the input, then that gradient's own derivative; the forward pass is the one above.
        once = [product for x in d for product in (x.to_input(m), x.forward(m), x.to_weights(m))]
        out += [p._replace(times=1 / every) for p in once]
    return out


def on_torch(setup: Setup) -> Loop:
    import torch

    from benchmarks.torch_loops.common import product as multiply

    def run(product: Product) -> Callable[[], Any]:
        a = torch.rand(product.groups, product.rows, product.inner)
        b = torch.rand(product.groups, product.inner, product.columns)
        if product.groups == 1:
            return lambda: multiply(a[0], b[0])
        return lambda: torch.bmm(a, b)

    return replayed(products(setup.workload), run, lambda: None)


def on_jax(setup: Setup) -> Loop:
    import jax
    import numpy as np

    multiply, rng, last = jax.jit(lambda a, b: a @ b), np.random.default_rng(0), {}

    def run(product: Product) -> Callable[[], Any]:
        a = jax.numpy.asarray(rng.random((product.groups, product.rows, product.inner), np.float32))
        b = jax.numpy.asarray(rng.random((product.groups, product.inner, product.columns), np.float32))
        if product.groups == 1:
            a, b = a[0], b[0]

        def once() -> None:
            last["out"] = multiply(a, b)

        return once

    return replayed(products(setup.workload), run, lambda: last["out"].block_until_ready())


def replayed(work: list[Product], run: Callable[[Product], Callable[[], Any]], wait: Callable[[], Any]) -> Loop:
    """All the products, iteration after iteration; those of every n-th iteration at every n-th."""
    runs = [(run(product), round(1 / product.times)) for product in work]
    done = 0

    def play(n: int) -> Mapping[str, float]:
        nonlocal done
        for done in range(done + 1, done + n + 1):  # noqa: B020
            for once, every in runs:
                if done % every == 0:
                    once()
        wait()
        return {"gflop": sum(product.flops for product in work) / 1e9}

    return Loop(play, ())
