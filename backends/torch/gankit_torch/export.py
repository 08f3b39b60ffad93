"""A generator as a file of PyTorch's or as ONNX: `gankit export --to torch`, `--to onnx`."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from gankit.errors import ConfigError
from gankit.interfaces import Backend
from gankit.interfaces.exporting import Function, Written

Numbers = np.ndarray[Any, Any]
OLDEST = (2, 6)
"""The first torch whose exporter writes every G. Everything else works with torch 2.5."""


class Exported(nn.Module):
    """The function with its weights, which keep their names in the file."""

    def __init__(self, function: Function, weights: Mapping[str, Tensor], names: Sequence[str]) -> None:
        super().__init__()
        self.weights = nn.ParameterDict({name: nn.Parameter(w, requires_grad=False) for name, w in weights.items()})
        self._function, self._names = function, names

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._function(dict(self.weights.items()), dict(zip(self._names, inputs, strict=True)))


class Program:
    """`torch.export`: a graph and its weights, for any number of rows."""

    suffix, integers, opens_with = ".pt2", "int64", "torch"

    def write(
        self, backend: Backend, function: Function, weights: Mapping[str, Tensor], inputs: Mapping[str, Numbers]
    ) -> Written:
        file = io.BytesIO()
        with silent():
            torch.export.save(traced(function, weights, inputs), file)
            file.seek(0)
            module = torch.export.load(file).module()  # type: ignore[arg-type]
        return Written(file.getvalue(), lambda arrays: module(*map(torch.from_numpy, arrays)).numpy())

    def snippet(self, file: str, inputs: Sequence[str]) -> tuple[str, str, str]:
        tensors = ", ".join(f"torch.from_numpy({name})" for name in inputs)
        return (
            "import torch",
            f"generator = torch.export.load({json.dumps(file)}).module()",
            f"generator({tensors}).numpy()",
        )


class Onnx:
    """ONNX, by PyTorch's own exporter."""

    suffix, integers, opens_with = ".onnx", "int64", "onnxruntime"

    def write(
        self, backend: Backend, function: Function, weights: Mapping[str, Tensor], inputs: Mapping[str, Numbers]
    ) -> Written:
        content = model(function, weights, inputs).SerializeToString()
        return Written(content, running(content, list(inputs)))

    def snippet(self, file: str, inputs: Sequence[str]) -> tuple[str, str, str]:
        table = ", ".join(f'"{name}": {name}' for name in inputs)
        opened = f"generator = onnxruntime.InferenceSession({json.dumps(file)})"
        return "import onnxruntime", opened, f"generator.run(None, {{{table}}})[0]"


def model(function: Function, weights: Mapping[str, Tensor], inputs: Mapping[str, Numbers]) -> Any:
    """The onnx.ModelProto."""
    if missing := [name for name in ("onnx", "onnxscript") if find_spec(name) is None]:
        raise ConfigError(f"Writing ONNX needs {' and '.join(missing)}. To get it: pip install 'gankit[onnx]'")
    with silent():
        program = torch.onnx.export(
            traced(function, weights, inputs),
            dynamo=True,
            verbose=False,
            input_names=list(inputs),
            output_names=["examples"],
        )
    assert program is not None
    proto = program.model_proto
    values = (*proto.graph.input, *proto.graph.output, *proto.graph.value_info)
    rows = proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param  # s77 or the like, as torch calls it
    for value in values:
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = axis.dim_param.replace(rows, "n")
    return proto


def traced(function: Function, weights: Mapping[str, Tensor], inputs: Mapping[str, Numbers]) -> ExportedProgram:
    """The graph of the function, for any number of rows. Raises ConfigError for a torch that would write wrong ones."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < OLDEST:  # its exporter loses track of some weights
        raise ConfigError(
            f"Export needs torch {'.'.join(map(str, OLDEST))} or newer, and this is {torch.__version__}. To get it: "
            "pip install -U torch"
        )
    rows = torch.export.Dim("n", min=1, max=2**31 - 1)  # older torch guards against more
    examples = tuple(map(torch.from_numpy, inputs.values()))
    module = Exported(function, weights, list(inputs)).eval()
    with torch.no_grad():
        shapes = {"inputs": tuple({0: rows} for _ in examples)}
        program = torch.export.export(module, examples, dynamic_shapes=shapes, strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine, which are nobody's business
    return program


def running(content: bytes, names: Sequence[str]) -> Callable[[Sequence[Numbers]], Numbers] | None:
    """The model in onnxruntime; None where that is not installed."""
    if find_spec("onnxruntime") is None:
        return None
    session = import_module("onnxruntime").InferenceSession(content)  # of an extra, not of the backend's own
    return lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0]  # type: ignore[no-any-return]


@contextmanager
def silent() -> Iterator[None]:
    """Without what torch's exporters tell of themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
