"""A backend: networks and optimizers of a framework, seen as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from gankit.interfaces.ops import Ops
from gankit.interfaces.values import Array, Given, Key, Tensors

if TYPE_CHECKING:
    from gankit.layers import Placed


class Network(Protocol):
    """A native network seen as a pure function."""

    @property
    def native(self) -> Any:
        """The `torch.nn.Module` or `flax.nnx.Module`."""

    @property
    def mixes_samples(self) -> bool:
        """Whether real and fake need separate passes (batch norm)."""

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """The canonical shape of each parameter, and of each buffer, by canonical name."""

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Tensors, Tensors]:
        """(params, buffers) on the device, from canonical float64 arrays."""

    def apply(
        self, params: Tensors, buffers: Tensors, x: Array, given: Given, *, train: bool, key: Key | None
    ) -> tuple[Any, Tensors]:
        """(output, new buffers). The key is for dropout, and is needed only in training.

        given: the conditions of the examples. Each layer uses the one that it names (`Layer.condition`).

        Running statistics change only in training. The given buffers are not modified.
        """

    def with_params(self, params: Tensors, buffers: Tensors) -> Any:
        """The native module with these parameters and buffers."""

    def canonical(self, tensors: Tensors) -> Tensors:
        """Tensors of this network (or slots shaped like them) in the canonical layout, on the device."""

    def own(self, tensors: Tensors) -> Tensors:
        """The inverse of canonical."""

    def export(self, tensors: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        """Tensors of this network (or slots shaped like them) as canonical NumPy arrays."""

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tensors:
        """The inverse of export."""


class OptimizerSpec(Protocol):
    """An optimizer as plain data; see `gankit.parts.optimizers`."""

    name: ClassVar[str]
    slots: ClassVar[tuple[str, ...]]

    def numbers(self, steps: np.ndarray[Any, Any]) -> Mapping[str, np.ndarray[Any, Any]]:
        """The values that change over time, for each of these iterations.

        "again/lr" is the learning rate of D's later updates in an iteration with k > 1, if it differs from the first.
        """


class Optimizer(Protocol):
    """A native optimizer seen as a pure function. It consumes the slots and parameters that you pass."""

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        """New slots after so many updates: the spec's `slots` by name, each a dict shaped like params, and the count
        of updates, if the native optimizer keeps one."""

    def updates(self, slots: Mapping[str, Any]) -> int:
        """How many updates these slots have seen; 0 if the optimizer does not count them."""

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Tensors]:
        """One optimizer step: (new slots, new params)."""


class Backend(Protocol):
    """An array framework, created as `Backend(device="auto", dtype="float32", precision="full")`. Contains no GAN
    mathematics. If its devices can share a minibatch in one process, it takes `devices` too, a number or "all". If
    processes that torchrun starts can share one, its class says `started_together = True`.

    If a backend cannot pass a check of the suite, it says so in `known_failures`, which maps the name of the check to
    the reason.
    """

    @property
    def name(self) -> str: ...

    @property
    def ops(self) -> Ops: ...

    @property
    def device(self) -> str:
        """The framework's name of the device, for messages and env.json."""

    @property
    def dtype(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do on this device: names from `gankit.plug.capabilities`."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The framework's packages and their versions."""

    def network(self, placed: Sequence[Placed]) -> Network:
        """A native network from layers."""

    def wrap(self, module: Any) -> tuple[Network, dict[str, np.ndarray[Any, Any]]]:
        """A module of this framework as a network, and its values. Raises ConfigError for anything else."""

    def optimizer(self, spec: OptimizerSpec) -> Optimizer:
        """The native optimizer for a spec. Raises ConfigError if there is none."""
