"""What a game remembers of its data, with and without the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gankit.data.dataset import Scaling

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class DataSpec:
    """What a game remembers of its data.

    shape: of one example. num_classes: of the labels in a conditional game. scaling: to and from the user's units.
    """

    shape: tuple[int, ...]
    num_classes: int | None
    scaling: Scaling

    @property
    def bounded(self) -> bool:
        """Whether examples have a known least and greatest value."""
        return self.scaling.low is not None

    @property
    def value_range(self) -> tuple[float, float] | None:
        """The least and greatest value of the user's units; None when unbounded."""
        low, high = self.scaling.low, self.scaling.high
        return None if low is None or high is None else (low, high)

    def to_plain(self) -> dict[str, Any]:
        """What of it goes into a checkpoint's header; the arrays go into the file."""
        s = self.scaling
        return {
            "shape": list(self.shape),
            "num_classes": self.num_classes,
            "low": s.low,
            "high": s.high,
            "dtype": s.dtype,
        }

    @classmethod
    def from_checkpoint(cls, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> DataSpec:
        """The inverse of `to_plain`, with the arrays of the file."""
        plain = meta["data"]
        scaling = Scaling(arrays["data/offset"], arrays["data/scale"], plain["low"], plain["high"], plain["dtype"])
        return cls(tuple(plain["shape"]), plain["num_classes"], scaling)
