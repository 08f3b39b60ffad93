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
        """Whether real and fake must go through in passes of their own (batch norm)."""

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """The canonical shape of each parameter, and of each buffer, by canonical name."""

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Tensors, Tensors]:
        """(params, buffers) on the device from canonical float64 arrays."""

    def apply(
        self, params: Tensors, buffers: Tensors, x: Array, given: Given, *, train: bool, key: Key | None
    ) -> tuple[Any, Tensors]:
        """(output, new buffers). The key feeds dropout, and is needed only in training.

        given: the conditions of the examples; each layer takes the one that it names (`Layer.condition`).

        Running statistics move in training only, and the buffers that were given stay as they are.
        """

    def with_params(self, params: Tensors, buffers: Tensors) -> Any:
        """The native module holding these numbers."""

    def canonical(self, tensors: Tensors) -> Tensors:
        """Tensors of this network (or slots shaped like them) seen in the canonical layout, on the device."""

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

        "again/lr" is what lr is for D's updates after the first in an iteration with k > 1, where it is another.
        """


class Optimizer(Protocol):
    """A native optimizer seen as a pure function, which consumes the slots and parameters it is given."""

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        """Fresh slots after so many updates: the names of the spec's `slots`, each a dict shaped like params, and
        whatever count of updates the native optimizer keeps."""

    def updates(self, slots: Mapping[str, Any]) -> int:
        """How many updates these slots have seen; 0 where the optimizer does not count them."""

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Tensors]:
        """One step downhill: (new slots, new params)."""


class Backend(Protocol):
    """An array framework, made as `Backend(device="auto", dtype="float32", precision="full")`. Holds no mathematics of
    the game. One whose devices can share a minibatch in one process takes `devices` too, a number or "all".

    A backend that does not pass a check of the suite, and cannot, says so: `known_failures`, a mapping of the check's
    name to the reason.
    """

    @property
    def name(self) -> str: ...

    @property
    def ops(self) -> Ops: ...

    @property
    def device(self) -> str:
        """The device in the framework's words, for messages and env.json."""

    @property
    def dtype(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do on this device, of the names in `gankit.plug.capabilities`."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The framework's packages and their versions."""

    def network(self, placed: Sequence[Placed]) -> Network:
        """A native network from layer records."""

    def wrap(self, module: Any) -> tuple[Network, dict[str, np.ndarray[Any, Any]]]:
        """A module of this framework as a network, and the numbers it holds; raises ConfigError for anything else."""

    def optimizer(self, spec: OptimizerSpec) -> Optimizer:
        """The native optimizer for a spec; raises ConfigError when there is none."""
