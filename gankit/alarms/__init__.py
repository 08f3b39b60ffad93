"""Early warnings of collapse and failure: a callback, on by default in `gankit train`, that never stops a run."""

from gankit.alarms.callback import Alarm, Alarms

__all__ = ["Alarm", "Alarms"]
