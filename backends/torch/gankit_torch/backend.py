"""The PyTorch backend: a device, a dtype, and the pieces that work on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from gankit.errors import ConfigError, DeviceError
from gankit.interfaces import OptimizerSpec
from gankit.layers import Placed
from gankit.parts.optimizers import Portable
from gankit.plug.capabilities import BFLOAT16, DATA_PARALLEL, EVERY_LAYER, FLOAT64, OWN_MODULES, TF32
from gankit_torch.layers import Stack
from gankit_torch.network import TorchNetwork, WrappedNetwork
from gankit_torch.ops import TorchOps
from gankit_torch.optimizers import TorchOptimizer, optimizer
from gankit_torch.workers import joined, own_gpu


class TorchBackend:
    """PyTorch on one device, or on one for each worker of `torchrun`.

    device: "auto" (CUDA where there is one, else the CPU), or a torch device: "cpu", "cuda", "cuda:1", "mps", ... To
        workers of torchrun "auto" and "cuda" are each one's own GPU.
    dtype: "float32" or "float64", of parameters and arithmetic.
    precision: "full"; "tf32", which lets CUDA's matrix products and convolutions drop 13 of float32's 23 bits, and does
        nothing elsewhere; "bfloat16" for autocast inside networks: parameters and what leaves a network stay float32.
    """

    name = "torch"
    started_together: ClassVar[bool] = True
    exports: ClassVar[Mapping[str, str]] = {"torch": "gankit_torch.export:Program", "onnx": "gankit_torch.export:Onnx"}

    def __init__(self, *, device: str = "auto", dtype: str = "float32", precision: str = "full") -> None:
        workers = None if device == "meta" else joined()
        gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self._device = own_gpu() if workers is not None and gpu else find_device(device)
        self.dtype, self.precision = dtype, precision
        self.ops = TorchOps(self._device, getattr(torch, dtype), precision == "tf32", workers)

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def capabilities(self) -> frozenset[str]:
        wide = frozenset() if self._device.type == "mps" else {FLOAT64}  # Metal has no float64
        several = {DATA_PARALLEL} if torch.distributed.is_available() else frozenset()
        return EVERY_LAYER | {BFLOAT16, TF32, OWN_MODULES} | wide | several

    @property
    def versions(self) -> Mapping[str, str]:
        return {"torch": torch.__version__}

    def network(self, placed: Sequence[Placed]) -> TorchNetwork:
        mixes_samples = any(place.layer.mixes_samples for place in placed)
        return TorchNetwork(Stack(placed, self.ops), self.ops, self.precision, mixes_samples=mixes_samples)

    def wrap(self, module: Any) -> tuple[TorchNetwork, dict[str, np.ndarray[Any, Any]]]:
        if not isinstance(module, torch.nn.Module):
            raise ConfigError(
                f"The torch backend cannot run {type(module).__module__}.{type(module).__qualname__}: it takes a "
                "torch.nn.Module, a registered name, or a table such as {'name': 'mlp'}."
            )
        module.to(self._device, self.ops.dtype)
        network = WrappedNetwork(module, self.ops, self.precision)
        return network, network.held()

    def optimizer(self, spec: OptimizerSpec) -> TorchOptimizer | Portable:
        return optimizer(spec, self._device, self.ops)


def find_device(name: str) -> torch.device:
    """The torch device of that name, after making sure that it can hold a number."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = ["'auto'", "'cpu'", *(f"'cuda:{i}'" for i in range(torch.cuda.device_count()))]
        reason = str(error).partition("\n")[0]
        raise DeviceError(f"torch has no device {name!r} here ({reason}). Possible: {', '.join(here)}.") from error
    return device
