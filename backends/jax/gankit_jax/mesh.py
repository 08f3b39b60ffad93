"""Several devices, of one host or of many, that share each minibatch.

One program is compiled for all of them: rows of the minibatch lie on every device, parameters on each, and what mixes
rows is a sum over devices, which the compiler writes. So a mean over a batch is the mean over the whole batch already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from gankit.errors import ConfigError, DeviceError
from gankit.interfaces import Batch
from gankit.play.sharing import lane
from gankit.play.workers import packed, part_major, unpacked

AXIS = "rows"


class Devices:
    """The devices of a game, and where on them things lie; see `gankit.interfaces.Workers`.

    Every process has on the host, and reads, those rows of a minibatch that are its devices'.
    """

    cut = 1

    def __init__(self, devices: Sequence[jax.Device]) -> None:
        self.rank, self.count, self.shares = jax.process_index(), jax.process_count(), len(devices)
        self.hosts = self.count
        self._own = [d for d in devices if d.process_index == self.rank]
        self.first, self.lanes = self._own[0], len(self._own)
        # Devices of one process beside each other, as are the rows that it reads.
        devices = sorted(devices, key=lambda d: d.process_index)
        self._mesh = Mesh(np.array(devices), (AXIS,))
        self.everywhere = NamedSharding(self._mesh, PartitionSpec())

    def __str__(self) -> str:
        return f"{self.shares} of {self.first.platform}"

    def put(self, x: np.ndarray[Any, Any]) -> Array:
        """A host array on all devices."""
        return put(x, self.everywhere)

    def shared_out(self, x: np.ndarray[Any, Any], axis: int) -> Array:
        """This process's rows, which lie along that axis, shared out among its devices; an array of all rows."""
        place = NamedSharding(self._mesh, PartitionSpec(*[None] * axis, AXIS))
        if self.count > 1:
            return jax.make_array_from_process_local_data(place, x)
        return jax.device_put(x, place if x.shape[axis] % self.shares == 0 else self.everywhere)

    def staged(self, batches: Batch) -> Batch:
        """Batches of several steps, each minibatch's rows shared out."""
        d, g = (
            draw.each(lambda x, axis=axis: self.shared_out(x, axis))
            for draw, axis in ((batches.discriminator, 2), (batches.generator, 1))
        )
        numbers = {name: self.put(x) for name, x in batches.numbers.items()}
        return Batch(d, g, numbers, (self.put(batches.key[0]), self.put(batches.key[1])))

    @property
    def alone_on(self) -> jax.Device | None:
        """The device that is to compute by itself; None where nobody says."""
        one = lane()
        return None if one is None else self._own[one]

    def alone(self, tree: Any) -> Any:
        """What lies on all devices, on one of this process: for what that computes by itself."""
        one = self.alone_on or self.first

        def own(x: Any) -> Any:
            if not (isinstance(x, Array) and x.sharding == self.everywhere):
                return x
            return next(shard.data for shard in x.addressable_shards if shard.device == one)

        return jax.tree.map(own, tree)

    def rows(self, x: np.ndarray[Any, Any], axis: int, parts: int) -> np.ndarray[Any, Any]:
        if self.count == 1:
            return x
        # Whatever the parts: what is computed is meant for all rows, in their order.
        if x.shape[axis] % self.shares:
            raise ConfigError(f"{x.shape[axis]} examples cannot be shared by {self.shares} devices.")
        return part_major(x, axis, 1, self.rank, self.count)

    # ---- what several processes of torch have to do, and the compiler does here

    @contextmanager
    def dealing(self, rows: int) -> Iterator[None]:
        yield

    def mean(self, x: Array) -> Array:
        return x

    def gathered(self, x: Array) -> Array:
        return x

    def own(self, x: Array) -> Array:
        return x

    def averaged(self, tree: Any) -> Any:
        return tree

    # ---- between two steps

    def highest(self, numbers: Sequence[int]) -> list[int]:
        if self.count == 1:
            return list(numbers)
        every = multihost_utils.process_allgather(np.array(numbers, np.int32))
        return [int(x) for x in np.asarray(every).reshape(self.count, -1).max(axis=0)]

    def everybody(self, text: str) -> list[str]:
        return [said.decode() for said in self._told(text.encode())]

    def collected(self, x: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        return [x] if self.count == 1 else [unpacked(said) for said in self._told(packed(x))]

    def _told(self, said: bytes) -> list[bytes]:
        """The bytes of each process."""
        if self.count == 1:
            return [said]
        lengths = self.highest([len(said) if rank == self.rank else 0 for rank in range(self.count)])
        padded = np.zeros(max(1, *lengths), np.uint8)
        padded[: len(said)] = np.frombuffer(said, np.uint8)
        every = np.asarray(multihost_utils.process_allgather(padded)).reshape(self.count, -1)
        return [row[:n].tobytes() for row, n in zip(every, lengths, strict=True)]


def put(x: np.ndarray[Any, Any], place: Sharding) -> Array:
    """A host array where it belongs. Of several hosts each puts down its part: `device_put` would have all of them
    compare their arrays first, which needs all of them there."""
    if place.is_fully_addressable:
        return jax.device_put(x, place)
    return jax.make_array_from_callback(x.shape, place, lambda part: x[part])


def shared_by(devices: int | str, platform: str) -> Devices:
    """So many devices of a platform, or "all" of them, on every host; raises DeviceError where there are fewer."""
    here = jax.devices() if platform == "auto" else jax.devices(platform)
    count = len(here) if devices == "all" else int(devices)
    if count > len(here) or (jax.process_count() > 1 and count < len(here)):
        hint = "With several hosts it is 'all'." if jax.process_count() > 1 else ""
        if here[0].platform == "cpu":
            hint += f" A CPU counts as {count} with XLA_FLAGS=--xla_force_host_platform_device_count={count}."
        raise DeviceError(f"devices={devices!r}: JAX has {len(here)} of {here[0].platform!r} here. {hint}".strip())
    return Devices(here[:count])


def join_hosts() -> None:
    """Where the environment says that several hosts play, meet them; before the first look at a device."""
    if jax.distributed.is_initialized():
        return
    # Which would take SIGTERM for itself: what signals ask for is agreed on between two steps, as everywhere.
    if hasattr(jax.config, "jax_enable_preemption_service"):
        jax.config.update("jax_enable_preemption_service", False)
    told = {name: os.environ.get(name) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")}
    if os.environ.get("JAX_COORDINATOR_ADDRESS") and all(told.values()):
        count, rank = (int(str(value)) for value in told.values())
        jax.distributed.initialize(num_processes=count, process_id=rank)
    elif _more_than_one("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE") or "," in os.environ.get(
        "TPU_WORKER_HOSTNAMES", ""
    ):
        jax.distributed.initialize()  # JAX finds the rest by itself


def _more_than_one(*names: str) -> bool:
    return any((value := os.environ.get(name, "")).isdecimal() and int(value) > 1 for name in names)
