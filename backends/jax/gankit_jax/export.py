"""A generator as StableHLO: `gankit export --to stablehlo`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax import Array, export

from gankit.interfaces import Backend
from gankit.interfaces.exporting import Function, Written
from gankit_jax.ops import enable_x64

PLATFORMS = ("cpu", "cuda", "tpu")
"""On which the file runs."""


class StableHlo:
    """`jax.export`, serialized."""

    suffix, integers, opens_with = ".stablehlo", "int32", "jax"

    def write(
        self,
        backend: Backend,
        function: Function,
        weights: Mapping[str, Array],
        inputs: Mapping[str, np.ndarray[Any, Any]],
    ) -> Written:
        (rows,) = export.symbolic_shape("n")
        shapes = [jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype) for x in inputs.values()]

        def of_inputs(*arrays: Array) -> Array:
            return function(dict(weights), dict(zip(inputs, arrays, strict=True)))

        with enable_x64(backend.dtype == "float64"), jax.default_matmul_precision("float32"), without_paths():
            content = bytes(export.export(jax.jit(of_inputs), platforms=PLATFORMS)(*shapes).serialize())
            call = export.deserialize(bytearray(content)).call
        return Written(content, lambda arrays: np.asarray(call(*arrays)))

    def snippet(self, file: str, inputs: Sequence[str]) -> tuple[str, str, str]:
        opened = f'generator = export.deserialize(open({json.dumps(file)}, "rb").read())'
        return "from jax import export", opened, f"np.asarray(generator.call({', '.join(inputs)}))"


@contextmanager
def without_paths() -> Iterator[None]:
    """Inside, programs don't say which files of this machine they were made by, which is nobody's business."""
    before = jax.config.jax_traceback_in_locations_limit
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        yield
    finally:
        jax.config.update("jax_traceback_in_locations_limit", before)
