"""Named architectures: functions from a `GameSpec` to layer records, or to a framework's own module."""

from gankit.networks.native import Native
from gankit.networks.spec import GameSpec

__all__ = ["GameSpec", "Native"]
