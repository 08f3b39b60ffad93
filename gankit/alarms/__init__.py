"""Collapse and failure told early: a callback, on by default in `gankit train`, that never stops a run."""

from gankit.alarms.callback import Alarm, Alarms

__all__ = ["Alarm", "Alarms"]
