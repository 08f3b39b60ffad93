"""What importing a stranger's code has done to the process: said, and undone.

A plugin that empties `sys.path` or replaces a function of NumPy breaks whatever is used after it, which is then called
broken in its place.
"""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

NUMPYS = ("numpy", "numpy.random", "numpy.linalg", "numpy.fft")
MOST = 3
"""Names that are told of each kind."""


@dataclass(frozen=True)
class Before:
    """The process before an import, as far as others live off it."""

    path: tuple[str, ...]
    finders: tuple[Any, ...]
    folder: str | None
    modules: dict[str, ModuleType]
    functions: dict[str, dict[str, Any]]
    errors: dict[str, Any] | None

    @classmethod
    def now(cls) -> Before:
        """As it is. NumPy is looked at where it is imported."""
        modules = {name: module for name, module in sys.modules.items() if "." not in name or name in NUMPYS}
        spaces = {"builtins": builtins, **{name: sys.modules[name] for name in NUMPYS if name in sys.modules}}
        functions = {
            name: {key: value for key, value in vars(space).items() if callable(value) and key != "_"}
            for name, space in spaces.items()
        }
        numpy: Any = sys.modules.get("numpy")
        errors = None if numpy is None else dict(numpy.geterr())
        return cls(tuple(sys.path), tuple(sys.meta_path), _folder(), modules, functions, errors)

    def undo(self) -> list[str]:
        """Bring back what is gone or another, and say what it was, a few words for each."""
        said = []
        if lost := [part for part in self.path if part not in sys.path]:
            said.append("empties sys.path" if not sys.path else f"takes {_few(lost)} off sys.path")
            sys.path[:] = [*self.path, *(part for part in sys.path if part not in self.path)]
        if any(finder not in sys.meta_path for finder in self.finders):
            said.append("takes finders off sys.meta_path")
            sys.meta_path[:] = [*self.finders, *(f for f in sys.meta_path if f not in self.finders)]
        if self.folder is not None and _folder() != self.folder:
            said.append("changes the working directory")
            os.chdir(self.folder)
        if gone := [name for name, module in self.modules.items() if sys.modules.get(name, module) is not module]:
            said.append(f"replaces {_few(gone)} in sys.modules")
        if lost := [name for name in self.modules if name not in sys.modules]:
            said.append(f"takes {_few(lost)} out of sys.modules")
        sys.modules.update({name: self.modules[name] for name in (*gone, *lost)})
        for name, functions in self.functions.items():
            space = builtins if name == "builtins" else self.modules[name]
            found = vars(space)
            if others := [key for key, value in functions.items() if found.get(key) is not value]:
                said.append(f"replaces {_few([f'{name}.{key}' for key in others])}")
                found.update({key: functions[key] for key in others})
        numpy: Any = self.modules.get("numpy")
        if self.errors is not None and dict(numpy.geterr()) != self.errors:
            changed = {key: value for key, value in numpy.geterr().items() if value != self.errors[key]}
            said.append(f"calls numpy.seterr({', '.join(f'{key}={value!r}' for key, value in changed.items())})")
            numpy.seterr(**self.errors)
        return said


@contextmanager
def unharmed(harm: list[str]) -> Iterator[None]:
    """Undo what the block does to the process, and add to `harm` what that was."""
    before = Before.now()
    try:
        yield
    finally:
        harm += before.undo()


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
