"""How a backend writes a generator to a file that opens without gankit.

A backend's class declares what it can write in `exports`, which maps targets to exporters, such as
`{"onnx": "my_backend.export:Onnx"}`. An exporter is imported on first use and created without arguments. The core
defines what the file computes: see `gankit.exporting`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gankit.interfaces.backend import Backend
from gankit.interfaces.values import Array, Tensors

Numbers = np.ndarray[Any, Any]
Function = Callable[[Tensors, Mapping[str, Array]], Array]
"""(weights, inputs) to examples: what `gan.sample` computes, with the backend's `ops`."""


@dataclass(frozen=True)
class Written:
    """What an exporter wrote.

    content: the bytes of the file.
    run: opens these bytes and maps inputs, in their order, to examples; None if the package that opens them is missing.
    """

    content: bytes
    run: Callable[[Sequence[Numbers]], Numbers] | None


class Exporter(Protocol):
    """One file format.

    suffix: the end of the file name, ".onnx". integers: the dtype of classes. opens_with: the package that opens it.
    """

    suffix: str
    integers: str
    opens_with: str

    def write(self, backend: Backend, function: Function, weights: Tensors, inputs: Mapping[str, Numbers]) -> Written:
        """Write the function with these weights, for any number of rows.

        weights: on the backend, by canonical name. inputs: a few rows of each, z first, by valid Python names.
        Raises ConfigError, with what to install, if a package is missing.
        """

    def snippet(self, file: str, inputs: Sequence[str]) -> tuple[str, str, str]:
        """Python that opens the file: (imports, the line that makes `generator`, the expression that calls it with
        NumPy arrays of these names and is one)."""
