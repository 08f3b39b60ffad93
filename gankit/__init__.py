"""gankit: the adversarial game written once, every array framework a plugin.

gan = gankit.build(backend="jax")
gan.fit(steps=2000)
gan.sample(64)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gankit.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DeviceError,
    GankitError,
    PluginError,
    ShapeError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from gankit import data
    from gankit import figures as figures
    from gankit.building import build, load
    from gankit.config import Config
    from gankit.data.dataset import Dataset
    from gankit.data.images import grid
    from gankit.exporting import export
    from gankit.exporting.push import push
    from gankit.metrics.evaluation import evaluate
    from gankit.networks.native import Native
    from gankit.play.completing import complete
    from gankit.plug.hookspecs import PLUGIN_API, Entry, hookimpl
    from gankit.plug.listing import plugins, recipes

__version__ = "0.1.0"

__all__ = [
    "PLUGIN_API",
    "CheckpointError",
    "Config",
    "ConfigError",
    "DataError",
    "Dataset",
    "DeviceError",
    "Entry",
    "GankitError",
    "Native",
    "PluginError",
    "ShapeError",
    "UnknownNameError",
    "build",
    "complete",
    "data",
    "evaluate",
    "export",
    "grid",
    "hookimpl",
    "load",
    "plugins",
    "push",
    "recipes",
]

# Names are found when they are first used, so that `import gankit` (and every `--help`) stays quick.
_HOMES = {
    "build": "gankit.building",
    "load": "gankit.building",
    "Config": "gankit.config",
    "Dataset": "gankit.data.dataset",
    "Entry": "gankit.plug.hookspecs",
    "PLUGIN_API": "gankit.plug.hookspecs",
    "hookimpl": "gankit.plug.hookspecs",
    "export": "gankit.exporting",
    "push": "gankit.exporting.push",
    "grid": "gankit.data.images",
    "Native": "gankit.networks.native",
    "evaluate": "gankit.metrics.evaluation",
    "complete": "gankit.play.completing",
    "plugins": "gankit.plug.listing",
    "recipes": "gankit.plug.listing",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("data", "figures"):  # packages: gankit.data.folder(...), gankit.figures.samples(...)
        return import_module(f"gankit.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'gankit' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "figures"])
