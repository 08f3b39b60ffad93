"""A function as the plain list of its operations: recorded once, and replayed from then on.

What a player's phase does is the same at every step: the same operations on other numbers. The first time they are
written down below autograd, where forward and backward are one sequence. From then on no module is called, no graph is
built and walked, and what depends on nothing is not computed again. The same goes for a network outside training. The
numbers are those of autograd, bit for bit; `GANKIT_WITHOUT=recorded` leaves everything to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gankit.interfaces import Draw, State
from gankit_torch.graphs import Graphed, Graphs, first_line, graphed
from gankit_torch.keys import Trail
from gankit_torch.program import program
from gankit_torch.tape import Tape, Unrecordable

Phase = Callable[[State, Draw, Mapping[str, Any], int], Any]
MOST_GRAPHS = 8
"""Forms of a function's arguments that may have a graph: each keeps the memory of a step."""


class Recorded:
    """A pure function of (state, draw, numbers, key), recorded once for each form of its arguments.

    The form is the shapes of the draw, and which of the numbers that it reads are 0: a penalty of weight 0 has no
    operations. graphs: what replays on a GPU are launched by, where they are wanted.
    """

    def __init__(self, f: Phase, dtype: torch.dtype, graphs: Graphs | None = None) -> None:
        self._f, self._dtype, self._graphs = f, dtype, graphs
        self._replays: dict[Any, Phase] = {}
        self._numbers: tuple[str, ...] = ()  # that f has read so far
        self.possible = True

    def __call__(self, state: State, draw: Draw, numbers: Mapping[str, Any], key: int) -> Any:
        replay = self._replays.get(self._form(draw, numbers)) if self.possible else None
        if self._graphs is not None and self._graphs.inside is not None and not isinstance(replay, Graphed):
            self._graphs.inside.whole = False
        if not self.possible:
            return self._f(state, draw, numbers, key)
        if replay is None:
            return self._record(state, draw, numbers, key)
        return replay(state, draw, {name: self._number(numbers[name]) for name in self._numbers}, key)

    def _form(self, draw: Draw, numbers: Mapping[str, Any]) -> Any:
        shapes = [(x.shape, x.dtype) for x in draw.arrays()]
        return *shapes, draw.real is None, *[numbers[name] != 0 for name in self._numbers]

    def _number(self, value: Any) -> Any:
        """As f is given it: what is not 0 is an array, in whose place the next value can be put."""
        if not value:
            return 0.0
        # Inside a whole step it lies on the device already (`whole.Number`).
        return value.tensor if hasattr(value, "tensor") else torch.tensor(value, dtype=self._dtype)

    def _record(self, state: State, draw: Draw, numbers: Mapping[str, Any], key: int) -> Any:
        # What shares memory now need not share it the next time: the labels of the reals and of the fakes, say.
        own = _apart(draw).each(torch.clone)
        read, trail = _Read({name: self._number(value) for name, value in numbers.items()}), Trail.start(key)
        try:
            with Tape({"state": state, "draw": own, "numbers": read}, trail) as tape:
                out = self._f(state, own, read, trail)
            replay = self._replay_of(tape, out)
        except Exception as error:
            # It looks at numbers, or does what no tape has seen: then every step is as this one. If the fault is f's
            # own, this raises it.
            self.possible = False
            out = self._f(state, draw, numbers, key)
            tell(error)
            return out
        self._numbers = tuple(sorted({*self._numbers, *read.names}))
        self._replays[self._form(draw, numbers)] = replay
        return out

    def _replay_of(self, tape: Tape, out: Any) -> Phase:
        if self._graphs is not None and len(self._replays) < MOST_GRAPHS:
            replay = graphed(tape, out, self._graphs)
            if replay is not None:
                return replay
        return program(tape, "state, draw, numbers, key", out)


def _apart(draw: Draw) -> Draw:
    """The draw, in which conditions of reals and of fakes are two mappings, in further sources too."""
    others = {source: _apart(other) for source, other in draw.others.items()}
    return draw._replace(fake_given=dict(draw.fake_given), others=others)


class Replayed:
    """A pure function of arrays alone, in trees, recorded at its second call with arrays of one form: what is called
    once is not worth it. With other arguments it is called as it is."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self._f = f
        self._replays: dict[Any, Callable[..., Any] | None] = {}  # by the form of the arguments; None after one call
        self.possible = True

    def __call__(self, *arguments: Any) -> Any:
        form = _form(arguments) if self.possible else None
        if form is None:
            return self._f(*arguments)
        replay = self._replays.get(form)
        if replay is not None:
            return replay(arguments)
        if form not in self._replays:
            self._replays[form] = None
            return self._f(*arguments)
        try:
            with Tape({"arguments": arguments}, Trail.start(0)) as tape:
                out = self._f(*arguments)
            self._replays[form] = program(tape, "arguments", out)
        except Exception as error:
            self.possible = False  # as in `Recorded`
            out = self._f(*arguments)
            tell(error)
        return out


def tell(error: Exception) -> None:
    """Say why nothing is recorded, where that is not in the nature of what was to be: a loss that looks at numbers and
    a module with random numbers of its own are played as they are, and that is all there is to say. Python shows a
    warning of one text once."""
    if not isinstance(error, Unrecordable | LookupError):
        warnings.warn(
            f"The torch backend leaves this to autograd: its operations could not be recorded ({first_line(error)}). "
            "The numbers are right, and come more slowly. GANKIT_WITHOUT=recorded asks for that, and for no warning. "
            f"With torch {torch.__version__} that is worth an issue.",
            stacklevel=2,
        )


def _form(tree: Any) -> Any:
    """What two trees of arrays have in common that can take each other's place; None for those that hold more."""
    if isinstance(tree, Tensor):
        return tree.shape, tree.stride(), tree.dtype
    if tree is None:
        return ()
    if not isinstance(tree, dict | tuple | list):
        return None
    parts = [_form(x) for x in (tree.values() if isinstance(tree, dict) else tree)]
    return None if None in parts else (type(tree), tuple(tree) if isinstance(tree, dict) else (), *parts)


class _Read(dict[str, Any]):
    """A dict that remembers what was asked of it."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)
