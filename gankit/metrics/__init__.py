"""Numbers about a game that can be trusted: each carries its protocol, and is the same on every backend."""

from gankit.metrics.base import Evidence, Extractor, Measurement, Metric, NotMeasurable

__all__ = ["Evidence", "Extractor", "Measurement", "Metric", "NotMeasurable"]
