"""Named architectures: functions from a `GameSpec` to layer records."""

from gankit.networks.spec import GameSpec

__all__ = ["GameSpec"]
