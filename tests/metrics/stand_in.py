"""A backend of NumPy, as little as metrics need, and evidence made from arrays: no framework at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.tiny import TinyOps
from gankit.data.dataset import Dataset, Scaling
from gankit.data.spec import DataSpec
from gankit.errors import DataError
from gankit.metrics import Evidence


class NumPyOps(TinyOps):
    def __init__(self, dtype: str) -> None:
        super().__init__(np)
        self.dtype = dtype

    def asarray(self, x: Any) -> Array:
        x = np.array(x, order="C")
        return x.astype(self.dtype) if x.dtype.kind == "f" else x

    def to_numpy(self, x: Array) -> Array:
        return np.array(x, order="C")

    def compile(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return f


class OneDense:
    """A network of one dense layer."""

    def __init__(self, ops: NumPyOps) -> None:
        self.ops = ops

    def init(self, arrays: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        return {name: self.ops.asarray(x) for name, x in arrays.items()}, {}

    def apply(self, params: Any, buffers: Any, x: Array, labels: None, *, train: bool, key: None) -> tuple[Array, Any]:
        return x @ params["dense0/kernel"] + params["dense0/bias"], buffers


class NumPyBackend:
    name, device, capabilities = "numpy", "cpu", frozenset[str]()

    def __init__(self, dtype: str = "float64") -> None:
        self.dtype, self.ops = dtype, NumPyOps(dtype)

    def network(self, placed: Any) -> OneDense:
        return OneDense(self.ops)


def evidence(
    samples: Array,
    splits: dict[str, Array | Dataset] | None = None,
    *,
    value_range: tuple[float, float] | None = None,
    backend: Any = None,
    **more: Any,
) -> Evidence:
    """What a metric is given, when G drew these samples and the data has these splits."""
    low, high = value_range or (None, None)
    spec = DataSpec(samples.shape[1:], None, Scaling(np.zeros(()), np.ones(()), low, high, samples.dtype.name))

    def split(name: str) -> Dataset:
        found = (splits or {}).get(name)
        if found is None:
            raise DataError(f"no split {name!r}")
        return found if isinstance(found, Dataset) else Dataset(found, value_range=value_range)

    return Evidence(backend or NumPyBackend(), spec, samples, more.pop("labels", None), split, **more)


class Identity:
    """An extractor whose features are the numbers of the example."""

    name, num_classes = "identity", None

    @staticmethod
    def look(x: Array) -> tuple[Array, None]:
        return x.reshape(len(x), -1), None


def looking() -> dict[str, Any]:
    """Settings of `evidence` for features that are the examples' own numbers."""
    return {"extractor": Identity(), "look": Identity.look}
