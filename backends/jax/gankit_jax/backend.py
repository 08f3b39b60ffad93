"""The JAX backend: a device, a dtype, and the pieces that work on them."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx
from platformdirs import user_cache_dir

from gankit.errors import ConfigError, DeviceError
from gankit.interfaces import OptimizerSpec
from gankit.layers import Placed
from gankit.parts.optimizers import Portable
from gankit.plug.capabilities import BFLOAT16, DATA_PARALLEL, EVERY_LAYER, FLOAT64, OWN_MODULES, TF32
from gankit_jax.layers import Stack
from gankit_jax.mesh import join_hosts, shared_by
from gankit_jax.network import JaxNetwork
from gankit_jax.ops import JaxOps
from gankit_jax.optimizers import JaxOptimizer, optimizer

CACHE_BYTES = 2 * 1024**3
"""Of compiled programs; those unused for longest go first. A program takes some 0.3 MB."""
CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
CPUS_WAIT = jax.__version_info__ < (0, 10)
"""Whether devices of a CPU that share a minibatch may wait for each other for ever, as with jax 0.7.1: XLA's threads
come to two reductions in another order on each."""
AREAS, MOST_AREAS = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
"""The areas of memory of this process, a line each, and how many Linux allows."""
GPU_FLAGS = {
    "--xla_gpu_deterministic_ops": "true",
    "--xla_gpu_enable_command_buffer": "+WHILE,+CONDITIONAL",
    "--xla_gpu_graph_min_graph_size": "1",
}


class JaxBackend:
    """JAX on one device, or on several that share each minibatch.

    device: "auto" (JAX's own first choice), a platform ("cpu", "cuda", "tpu"), or one of its devices ("cuda:1").
    dtype: "float32" or "float64", of parameters and arithmetic; float64 enables x64 for the whole process.
    precision: "full"; "tf32", which lets products on NVIDIA's devices drop 13 of float32's 23 bits, and does nothing on
        a CPU; "bfloat16" in dense layers and convolutions: parameters and outputs of networks stay float32.
    devices: how many devices of that platform play together, or "all", those of every host that the environment names.
    """

    name = "jax"
    exports: ClassVar[Mapping[str, str]] = {"stablehlo": "gankit_jax.export:StableHlo"}
    capabilities = EVERY_LAYER | {FLOAT64, BFLOAT16, TF32, OWN_MODULES, *(() if CPUS_WAIT else (DATA_PARALLEL,))}

    def __init__(
        self,
        *,
        device: str = "auto",
        dtype: str = "float32",
        precision: str = "full",
        devices: int | str | None = None,
    ) -> None:
        keep_programs()
        tell_xla()
        make_room()
        if devices is not None:
            join_hosts()
        self._device = find_device(device)
        workers = None if devices is None else shared_by(devices, device.partition(":")[0])
        if workers is not None:
            self._device = workers.first
            if CPUS_WAIT and workers.shares > 1 and self._device.platform == "cpu":
                raise DeviceError(
                    f"devices={devices!r}: with jax {jax.__version__} several devices of a CPU may wait for each other "
                    "for ever. Install jax 0.10 or newer, or leave devices out."
                )
        self.dtype, self.precision = dtype, precision
        if dtype == "float64":
            jax.config.update("jax_enable_x64", True)
        self.ops = JaxOps(self._device, dtype, precision, workers if workers and workers.shares > 1 else None)

    @property
    def device(self) -> str:
        return str(self.ops.workers or self._device)

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
        if self.precision == "bfloat16":
            raise ConfigError(
                f"precision={self.precision!r} does not reach into a flax module. Leave it at 'full', and give the "
                "module's own layers dtype=jnp.bfloat16."
            )
        # Whether examples influence each other cannot be seen from outside, and two passes are right either way.
        network = JaxNetwork(nnx.clone(module), self.ops, mixes_samples=True)
        return network, network.held(module)

    def optimizer(self, spec: OptimizerSpec) -> JaxOptimizer | Portable:
        return optimizer(spec, self.ops)


def tell_xla() -> None:
    """What XLA should do on NVIDIA's GPUs, where it is not told yet. It listens until the first look at a device.

    Sums in one order, and no trial of which kernel is fast, which finds another one in another process: else a resumed
    run is not the uninterrupted one. And the steps of the compiled loop as CUDA graphs, which on an H200 was 1.7 times
    as fast for `gan-2014`. Flags that are in XLA_FLAGS already stay as they are.
    """
    if jax.__version_info__ < (0, 10) or not any(map(find_spec, CUDA_PLUGINS)):
        return
    told = os.environ.get("XLA_FLAGS", "")
    new = [f"{name}={value}" for name, value in GPU_FLAGS.items() if name not in told]
    os.environ["XLA_FLAGS"] = " ".join([*told.split(), *new])


def keep_programs() -> None:
    """Let compiled programs outlive the process, in a cache folder of the user's, unless JAX was told of another.

    The same game starts in a quarter of the time when it is played again. `JAX_ENABLE_COMPILATION_CACHE=false` switches
    it off, `JAX_COMPILATION_CACHE_DIR` moves it.
    """
    if jax.config.jax_compilation_cache_dir is not None or not jax.config.jax_enable_compilation_cache:
        return
    folder = Path(user_cache_dir("gankit", appauthor=False)) / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a home that cannot be written to
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
        jax.config.update("jax_compilation_cache_max_size", CACHE_BYTES)


def make_room() -> None:
    """Let JAX forget its compiled programs, once they take half of the areas of memory that Linux allows a process.

    JAX keeps the programs of games that are gone, some 240 areas for a small one. At the limit, 65,530 by default, XLA
    crashes. A program that is still in use is compiled again, or comes from the cache folder.
    """
    try:
        most = int(MOST_AREAS.read_text())
        with AREAS.open("rb") as areas:
            taken = sum(1 for _ in areas)
    except OSError:  # not on Linux
        return
    if 2 * taken > most:
        gc.collect()
        jax.clear_caches()


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
