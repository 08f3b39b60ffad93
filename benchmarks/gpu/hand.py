"""Games written by hand for a GPU, as fast as we know how: the opponents.

PyTorch: stock modules in float32, fused optimizers, data and random numbers on the device; `eager` launches its
operations one by one, `graphed` captures whole iterations as CUDA graphs, `compiled` does so with both networks through
`torch.compile`. JAX: one jitted program that plays many steps, with XLA's own convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.loop import Setup

Play = Callable[[int], Mapping[str, float]]


def torch_game(
    family: str, batch: int, data: Mapping[str, np.ndarray], device: str, *, way: str, precision: str = "full"
) -> Play:
    """way: eager, graphed or compiled."""
    import torch

    from benchmarks.gpu import hand_torch

    torch.set_default_device(device)
    try:
        iteration, period = hand_torch.GAMES[family](batch, data, way == "compiled", precision)
        return hand_torch.eager(iteration) if way == "eager" else hand_torch.graphed(iteration, period)
    finally:
        torch.set_default_device(None)


def jax_game(family: str, batch: int, data: Mapping[str, np.ndarray]) -> Play:
    import jax

    from benchmarks.jax_loops import convolution, dcgan, gan_2014, modern, modern_small, toy
    from benchmarks.jax_loops.common import looped

    def grouped(x: Any, kernel: Any, pad: int, groups: int) -> Any:
        pads, layout = [(pad, pad)] * 2, convolution.LAYOUT
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), pads, dimension_numbers=layout, feature_group_count=groups
        )

    gan_2014.stepped = looped
    modern_small.conv, modern.grouped_conv = convolution.native_conv, grouped
    sizes = {"toy": {"hidden": 64, "latent": 8}, "modern": {"width": 64, "blocks": 2}}.get(family, {})
    setup = Setup(family, batch, data, sizes)
    with jax.default_matmul_precision("float32"):
        if family == "dcgan":
            return dcgan.game(setup, convolution.native_conv, convolution.native_conv_transpose, looped).play
        makers = {"toy": toy, "gan-2014": gan_2014, "modern": modern, "modern-small": modern_small}
        play = makers[family].best(setup).play

    def exact(n: int) -> Mapping[str, float]:
        with jax.default_matmul_precision("float32"):
            return play(n)

    return exact
