"""How a backend writes a generator to a file that opens where there is no gankit.

A backend's class says what it can write by `exports`, a mapping of targets to exporters, such as
`{"onnx": "my_backend.export:Onnx"}`. Each is imported on its first use, and made without arguments. What the file
computes is core's: see `gankit.exporting`.
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
"""(weights, inputs) to examples: what `gan.sample` computes, over the backend's `ops`."""


@dataclass(frozen=True)
class Written:
    """What an exporter made.

    content: the file's bytes.
    run: the function of these bytes, inputs in their order to examples; None where what opens them is not installed.
    """

    content: bytes
    run: Callable[[Sequence[Numbers]], Numbers] | None


class Exporter(Protocol):
    """One format.

    suffix: of its files, ".onnx". integers: the dtype in which it takes classes. opens_with: the package to install.
    """

    suffix: str
    integers: str
    opens_with: str

    def write(self, backend: Backend, function: Function, weights: Tensors, inputs: Mapping[str, Numbers]) -> Written:
        """The function with these weights as a file, for any number of rows.

        weights: on the backend, by canonical name. inputs: a few rows of each, z first, by names that Python allows.
        Raises ConfigError, with what to install, where a package is missing.
        """

    def snippet(self, file: str, inputs: Sequence[str]) -> tuple[str, str, str]:
        """Python that opens the file: (imports, the line that makes `generator`, the expression that calls it with
        NumPy arrays of these names and is one)."""
