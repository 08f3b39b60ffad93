"""The JAX backend: a device, a dtype, and the pieces that work on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from flax import nnx

from gankit.errors import ConfigError, DeviceError
from gankit.interfaces import OptimizerSpec
from gankit.layers import Placed
from gankit_jax.layers import Stack
from gankit_jax.network import JaxNetwork
from gankit_jax.ops import JaxOps
from gankit_jax.optimizers import JaxOptimizer, optimizer


class JaxBackend:
    """JAX on one device.

    device: "auto" (JAX's own first choice), a platform ("cpu", "cuda", "tpu"), or one of its devices ("cuda:1").
    dtype: "float32" or "float64", of parameters and arithmetic; float64 enables x64 for the whole process.
    precision: "full", or "bfloat16" in dense layers and convolutions; parameters and outputs of networks stay float32.
    """

    name = "jax"

    def __init__(self, *, device: str = "auto", dtype: str = "float32", precision: str = "full") -> None:
        self._device = find_device(device)
        self.dtype, self.precision = dtype, precision
        if dtype == "float64":
            jax.config.update("jax_enable_x64", True)
        self.ops = JaxOps(self._device, dtype, precision)

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def versions(self) -> Mapping[str, str]:
        return {package: version(package) for package in ("jax", "flax", "optax")}

    def network(self, placed: Sequence[Placed]) -> JaxNetwork:
        # The shapes only: the numbers come from core's initialisers.
        abstract = nnx.eval_shape(lambda: Stack(placed, self.ops, nnx.Rngs(0)))
        return JaxNetwork(abstract, self.ops, mixes_samples=any(place.layer.mixes_samples for place in placed))

    def wrap(self, module: Any) -> tuple[JaxNetwork, dict[str, np.ndarray[Any, Any]]]:
        if not isinstance(module, nnx.Module):
            raise ConfigError(
                f"The jax backend cannot run {type(module).__module__}.{type(module).__qualname__}: it takes a "
                "flax.nnx.Module, a registered name, or a table such as {'name': 'mlp'}."
            )
        # Whether examples influence each other cannot be seen from outside, and two passes are right either way.
        network = JaxNetwork(nnx.clone(module), self.ops, mixes_samples=True)
        return network, network.held(module)

    def optimizer(self, spec: OptimizerSpec) -> JaxOptimizer:
        return optimizer(spec)


def find_device(name: str) -> jax.Device:
    """The JAX device of that name; raises DeviceError listing those that are here."""
    if name == "auto":
        return jax.devices()[0]
    platform, _, index = name.partition(":")
    try:
        return jax.devices(platform)[int(index or 0)]
    except (RuntimeError, IndexError, ValueError) as error:
        platforms = dict.fromkeys(["cpu", jax.default_backend()])
        here = [f"'{d.platform}:{d.id}'" for platform in platforms for d in jax.devices(platform)]
        raise DeviceError(f"JAX has no device {name!r} here. Possible: 'auto', {', '.join(here)}.") from error
