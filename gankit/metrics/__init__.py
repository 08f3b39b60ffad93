"""Metrics that you can trust: each number carries its protocol, and is the same on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gankit.metrics.base import Evidence, Extractor, Measurement, Metric, NotMeasurable

if TYPE_CHECKING:
    from gankit.metrics.best import Evaluate

__all__ = ["Evaluate", "Evidence", "Extractor", "Measurement", "Metric", "NotMeasurable"]


def __getattr__(name: str) -> Any:
    if name != "Evaluate":
        raise AttributeError(f"module 'gankit.metrics' has no attribute {name!r}")
    from gankit.metrics.best import Evaluate  # here, so that a plugin of a metric brings little in

    return Evaluate
