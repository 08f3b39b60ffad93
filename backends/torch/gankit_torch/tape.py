"""Writes down the operations that run below autograd."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from gankit.trees import leaves
from gankit_torch.keys import Trail, fold_in, generator

SMALL = 2**16
"""Numbers in a constant that is worth its memory."""
LOOKS_AT_NUMBERS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
SHAPE_ONLY = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}
"""Operations that read no number of what they are given."""
IN_PLACE = {
    *("relu", "leaky_relu", "sigmoid", "tanh", "neg", "exp", "sqrt", "round"),
    *("clamp", "clamp_min", "mul", "add", "sub", "div"),
}
"""Operations number by number, whose results may take the place of their first argument: `relu_` for `relu`."""
GRAD_INPUT = {f"{name}_backward" for name in ("threshold", "leaky_relu", "sigmoid", "tanh", "softplus")}
"""And those that have an argument of that name for it."""


_here = threading.local()


def recording() -> bool:
    """Whether a tape is being written, on this thread."""
    return getattr(_here, "recording", False)


class Unrecordable(Exception):
    """What is done depends on more than the shapes of the inputs."""


@dataclass(frozen=True)
class Call:
    """One operation.

    text: it in Python, over variables and globals; reads: those variables.
    targets: the variables that take what it returns, "_" for what is no tensor; alone: whether it returns one thing.
    changes: whether it changes an argument, and so is needed even if nobody reads what it returns.
    depends: the variables whose numbers decide what it returns; None where chance does, or it is too large to keep.
    over: the variable whose memory the result can take, once nobody else needs that; in_place: the text that does so.
    """

    text: str
    reads: frozenset[str]
    targets: tuple[str, ...]
    alone: bool
    changes: bool
    depends: frozenset[str] | None
    over: str | None
    in_place: str


class Place(NamedTuple):
    """Memory as a tensor sees it: two tensors of one place hold the same numbers."""

    storage: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


class Tape(TorchDispatchMode):
    """While it is active, every operation becomes a call over variables.

    A variable is a place in memory, not a tensor: autograd hands out several of these for one place. So a view that is
    there already costs nothing, and `detach` never does.

    arguments: in which the inputs are, by name. No two of their tensors may share memory.
    trail: the key of all that is drawn.

    calls: in their order; globals: what their text refers to beside variables; inputs: the expressions of those
    variables that were given; memory: of each variable, a number that all views of one memory have; tells: whether
    workers tell each other something in between.
    """

    def __init__(self, arguments: Mapping[str, Any], trail: Trail) -> None:
        super().__init__()
        self._trail = trail
        self._variables: dict[int, dict[Place, str]] = {}  # by storage
        # As long as somebody looks weakly at a storage, no other one gets its address, though its memory is free.
        self._storages: list[StorageWeakRef] = []
        self._found: dict[str, Tensor] = {}  # tensors from elsewhere
        self._kept: dict[str, Tensor] = {}  # and others that may be constants
        self._changed: set[str] = set()
        self._count = 0
        self.calls: list[Call] = []
        self.globals: dict[str, Any] = {"fold_in": fold_in, "generator": generator}
        self.inputs: dict[str, str] = {}
        self.memory: dict[str, int] = {}
        self.tells = False
        for name, tree in arguments.items():
            for expression, x in _tensors(name, tree):
                if self._find(x):
                    raise Unrecordable("Two arguments are one, and the next time they may be two.")
                self.inputs[self._new(x)] = expression

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled, and to be kept from it would import all that compiles: two seconds."""
        return False

    def __enter__(self) -> Tape:
        _here.recording = True
        return super().__enter__()  # type: ignore[no-any-return]

    def __exit__(self, *raised: Any) -> None:
        _here.recording = False
        super().__exit__(*raised)

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if LOOKS_AT_NUMBERS.intersection(function.tags):
            raise Unrecordable(f"{function} looks at numbers.")
        self.tells |= function.namespace == "gankit"
        given = [x for x in leaves((args, kwargs)) if isinstance(x, Tensor)]
        reads, storages = frozenset(map(self.variable, given)), {_storage(x) for x in given}
        arguments = [self.text(x) for x in args] + [f"{name}={self.text(x)}" for name, x in kwargs.items()]
        out = function(*args, **kwargs)
        if torch.Tag.inplace_view in function.tags:  # `squeeze_` makes its argument what `squeeze` returns
            view = getattr(torch.ops.aten, function.overloadpacket.__name__.removesuffix("_"))
            function = getattr(view, function._overloadname)
        results = list(out) if isinstance(out, list | tuple) else [out]
        returned = [x for x in results if isinstance(x, Tensor)]
        changes = _changes_an_argument(function)
        if changes:
            self._change(storages)
        elif returned and all(_storage(x) in storages and self._find(x) for x in returned):
            return out  # views that have their variables
        targets = tuple(self._find(x) or self._new(x) if isinstance(x, Tensor) else "_" for x in results)
        depends = None
        if torch.Tag.nondeterministic_seeded not in function.tags and sum(x.numel() for x in returned) <= SMALL:
            depends = frozenset() if function.overloadpacket.__name__ in SHAPE_ONLY else reads
            if depends <= self._found.keys() | self._kept.keys():
                self._kept |= {name: x for name, x in zip(targets, results, strict=True) if name != "_"}
        text = f"{self._function(function)}({', '.join(arguments)})"
        over, in_place = self._over(function, args, out, arguments)
        alone = not isinstance(out, list | tuple)
        self.calls.append(Call(text, reads, targets, alone, changes, depends, over, in_place))
        return out

    def _over(self, function: Any, args: Any, out: Any, arguments: list[str]) -> tuple[str | None, str]:
        """(the variable that the result can be written over, how), if there is one."""
        packet = function.overloadpacket
        name, aten = packet.__name__, torch.ops.aten
        if name not in IN_PLACE | GRAD_INPUT or not _alike(args[0], out) or packet is not getattr(aten, name):
            return None, ""
        first = arguments[0]
        others = {
            self.memory[self.variable(x)] for x in args[1:] if isinstance(x, Tensor) and self.variable(x) != first
        }
        if self.memory[first] in others:
            return None, ""
        if name in GRAD_INPUT:
            return first, f"{self._function(packet.grad_input)}({', '.join([*arguments, f'grad_input={first}'])})"
        twin = getattr(getattr(aten, f"{name}_"), function._overloadname)
        return first, f"{self._function(twin)}({', '.join(arguments)})"

    def _function(self, function: Any) -> str:
        """`_op` is torch's own way in, without a function of Python's around it."""
        return self._global(function.overloadpacket.__name__, getattr(function, "_op", function))

    @property
    def constants(self) -> dict[str, Tensor]:
        """The variables that depend on no input, and are never changed."""
        constants = dict(self._found)
        for call in self.calls:
            if call.depends is not None and call.depends <= constants.keys() and not call.changes:
                constants |= {name: self._kept[name] for name in call.targets if name not in self._changed}
        return constants

    def variable(self, x: Tensor) -> str:
        """Where x is kept. A tensor from elsewhere is a constant."""
        name = self._find(x)
        if name is None:
            name = self._new(x)
            self._found[name] = x
        return name

    def text(self, x: Any) -> str:
        """What is passed or returned, in Python."""
        if isinstance(x, Tensor):
            return self.variable(x)
        if x is None or isinstance(x, bool | int | str):
            return repr(x)
        if isinstance(x, dict):
            return f"{{{', '.join(f'{key!r}: {self.text(value)}' for key, value in x.items())}}}"
        if isinstance(x, tuple) and hasattr(x, "_fields"):
            return f"{self._global(type(x).__name__, type(x))}({', '.join(map(self.text, x))})"
        if isinstance(x, tuple | list):
            return f"({''.join(f'{self.text(part)}, ' for part in x)})"
        if isinstance(x, torch.Generator):
            key = reduce("fold_in({}, {})".format, self._trail.path_of(x), "key")
            return f"generator({key}, {self._global('device', x.device)})"
        return self._global(type(x).__name__, x)

    def _find(self, x: Tensor) -> str | None:
        return self._variables.get(_storage(x), {}).get(_place(x))

    def _new(self, x: Tensor) -> str:
        self._count += 1
        if _storage(x) not in self._variables:
            self._storages.append(StorageWeakRef(x.untyped_storage()))
        views = self._variables.setdefault(_storage(x), {})
        name = f"v{self._count}"
        self.memory[name] = next((self.memory[view] for view in views.values()), self._count)
        views[_place(x)] = name
        return name

    def _change(self, storages: set[int]) -> None:
        changed = {name for storage in storages for name in self._variables[storage].values()}
        if changed & self._found.keys():
            raise Unrecordable("A tensor from elsewhere is changed in place.")
        self._changed |= changed

    def _global(self, name: str, value: Any) -> str:
        name = f"{name}_{len(self.globals)}"
        self.globals[name] = value
        return name


def _tensors(expression: str, tree: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a tree, with the expression that reaches it."""
    if isinstance(tree, Tensor):
        yield expression, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _tensors(f"{expression}[{key!r}]", value)
    elif isinstance(tree, tuple) and hasattr(tree, "_fields"):
        for field, value in zip(tree._fields, tree, strict=True):
            yield from _tensors(f"{expression}.{field}", value)
    elif isinstance(tree, tuple | list):
        for i, value in enumerate(tree):
            yield from _tensors(f"{expression}[{i}]", value)


def _storage(x: Tensor) -> int:
    return x.untyped_storage()._cdata


def _place(x: Tensor) -> Place:
    return Place(_storage(x), x.storage_offset(), tuple(x.shape), tuple(x.stride()), x.dtype)


def _alike(x: Any, y: Any) -> bool:
    """Whether both are tensors of one form, down to the order of their numbers in memory."""
    both = isinstance(x, Tensor) and isinstance(y, Tensor)
    return both and (x.shape, x.stride(), x.dtype) == (y.shape, y.stride(), y.dtype)


def _changes_an_argument(function: Any) -> bool:
    """Batch norm moves its running statistics, and torch's own description of it does not say so."""
    name = function.overloadpacket.__name__
    return bool(function._schema.is_mutable) or ("batch_norm" in name and "backward" not in name)
