"""The MLX backend: a device, a dtype, and the pieces that work on them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from gankit.errors import ConfigError, DeviceError
from gankit.interfaces import OptimizerSpec
from gankit.layers import Placed
from gankit.plug.capabilities import EVERY_LAYER, FLOAT64, OWN_MODULES
from gankit_mlx.layers import Stack
from gankit_mlx.network import MlxNetwork, WrappedNetwork
from gankit_mlx.ops import MlxOps
from gankit_mlx.optimizers import Restorable, optimizer

# Products in float32 would otherwise drop 13 of its 23 bits on newer GPUs. MLX reads it once, at the first product.
os.environ.setdefault("MLX_ENABLE_TF32", "0")


class MlxBackend:
    """MLX on one device.

    device: "auto" (the GPU where there is one, and for float64 the CPU), "cpu", "gpu", or "gpu:1".
    dtype: "float32" or, on the CPU, "float64", of parameters and arithmetic.
    precision: "full".
    """

    name = "mlx"

    def __init__(self, *, device: str = "auto", dtype: str = "float32", precision: str = "full") -> None:
        self.device, found = find_device(device, dtype)
        self.dtype, self.precision = dtype, precision
        self.ops = MlxOps(found, dtype)
        if dtype == "float64" and self.ops.on_cpu:
            # Arithmetic outside of our own calls goes to MLX's default device, and GPUs refuse float64.
            mx.set_default_device(found)

    @property
    def capabilities(self) -> frozenset[str]:
        return EVERY_LAYER | {OWN_MODULES} | ({FLOAT64} if self.ops.on_cpu else frozenset())

    @property
    def versions(self) -> Mapping[str, str]:
        return {"mlx": version("mlx")}

    def network(self, placed: Sequence[Placed]) -> MlxNetwork:
        mixes_samples = any(place.layer.mixes_samples for place in placed)
        return MlxNetwork(Stack(placed, self.ops), self.ops, mixes_samples=mixes_samples)

    def wrap(self, module: Any) -> tuple[MlxNetwork, dict[str, np.ndarray[Any, Any]]]:
        if not isinstance(module, nn.Module):
            raise ConfigError(
                f"The mlx backend cannot run {type(module).__module__}.{type(module).__qualname__}: it takes an "
                "mlx.nn.Module, a registered name, or a table such as {'name': 'mlp'}."
            )
        network = WrappedNetwork(module, self.ops)
        return network, network.held()

    def optimizer(self, spec: OptimizerSpec) -> Restorable:
        return optimizer(spec, self.ops)


def find_device(name: str, dtype: str) -> tuple[str, mx.Device]:
    """The MLX device of that name, with its whole name; raises DeviceError listing those that are here."""
    here = {f"{kind.name}:{i}": mx.Device(kind, i) for kind in (mx.gpu, mx.cpu) for i in range(mx.device_count(kind))}
    if name == "auto":
        whole = "cpu:0" if dtype == "float64" else next(iter(here))
    else:
        whole = name if ":" in name else f"{name}:0"
    if whole not in here:
        raise DeviceError(f"MLX has no device {name!r} here. Possible: 'auto', {', '.join(map(repr, here))}.")
    return whole, here[whole]
