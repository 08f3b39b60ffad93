"""CUDA graphs: the recorded operations of a player's phase, launched all at once.

Launched one by one from Python, the operations of a small game keep a GPU waiting. A graph is captured at the third
replay of a phase, does the same to the same addresses, and is believed only once it has agreed with the plain replay
at three steps. Whatever stands against a graph, the plain replay goes on. `GANKIT_WITHOUT=graphs` captures none.

A graph keeps the memory of its step. So there are none where much of the device's is in use: the operations of such a
game are long enough to be launched meanwhile.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gankit.interfaces import Draw, State
from gankit.trees import leaves, tree_map
from gankit_torch.program import draws, function, needed, variables
from gankit_torch.tape import Tape

Capture = Callable[[Callable[[], Any]], tuple[Callable[[], Any], Any]]
"""Of a function: (what does its work once more, on the memory that it read; its results, whose memory that fills)."""

WARM = 3
"""Calls before a graph, which show what stays where it is."""
CAPTURES = 4
"""Graphs that one phase may have, one after the other, as its tensors move."""
PROOFS = 3
"""Replays of each graph that the plain one is computed beside."""


class Graphs:
    """What the phases on one device have in common: how to capture, whether there is room, and `possible`, which ends
    with the first graph that fails."""

    def __init__(self, device: torch.device, capture: Capture, room: Callable[[], bool] = lambda: True) -> None:
        self.device, self.capture, self.room, self.possible = device, capture, room, True
        self.wait = False
        """Whether whole steps may yet have graphs; then the phases have none of their own."""
        self.inside: Any = None
        """While a whole step is looked at or captured: what takes, or gives, what its phases draw."""

    def fail(self, reason: str) -> None:
        """Let no graph be used any more, and say so once."""
        if self.possible:
            self.possible = False
            warnings.warn(
                f"The torch backend plays this game without CUDA graphs: {reason}. Its numbers are right, and its "
                "operations are launched one by one. GANKIT_WITHOUT=graphs asks for that, and for no warning.",
                stacklevel=2,
            )


def graphs_on(device: torch.device) -> Graphs | None:
    """Those of CUDA; no other device has any."""
    return Graphs(device, partial(captured, device), partial(room, device)) if device.type == "cuda" else None


def captured(device: torch.device, f: Callable[[], Any]) -> tuple[Callable[[], Any], Any]:
    """A `Capture` as CUDA does it; the results are there after the first replay."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        stream, before = torch.cuda.Stream(), torch.cuda.current_stream()
        torch.cuda.synchronize()
        try:
            with torch.cuda.stream(stream):
                f()  # the first launch of a kernel may load it, which a capture does not allow
            # Of this thread alone: another one puts the next examples on the device meanwhile.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                out = f()
        finally:
            torch.cuda.set_stream(before)  # where a capture ends in an error, torch stays on the graph's
    return graph.replay, out


def room(device: torch.device) -> bool:
    """Whether torch uses no more than a quarter of the device, so that twice that is little still."""
    return 4 * torch.cuda.memory_reserved(device) <= torch.cuda.get_device_properties(device).total_memory


def graphed(tape: Tape, out: Any, graphs: Graphs) -> Graphed | None:
    """The replay of (state, draw, numbers, key) that a tape has written down, by graphs.

    Random numbers, as of dropout, are drawn before and given to the graph, which would draw the same ones for ever.
    None where they depend on what is computed, or where workers tell each other something meanwhile.
    """
    if tape.tells:
        return None
    result = tape.text(out)
    calls = needed(tape, result)
    drawn = draws(tape, calls)
    if drawn is None:
        return None
    first = [call for making in drawn.values() for call in making]
    reads = variables(result).union(*(call.reads for call in calls))
    inputs = {name: expression for name, expression in tape.inputs.items() if name in reads}
    given = ", ".join([*inputs, *drawn])
    read = function(tape, "state, draw, numbers, key", _tuple(inputs), [])
    draw = function(tape, "key", _tuple(drawn), first)
    compute = function(tape, given, result, [call for call in calls if call not in first])
    return Graphed(read, draw, compute, [*inputs.values()], graphs)


def _tuple(names: Any) -> str:
    return f"({''.join(f'{name}, ' for name in names)})"


class Graphed:
    """A phase of (state, draw, numbers, key), by a graph as soon as one is captured and as long as it fits.

    read: the arguments to the tensors that are read; draw: the key to those that are drawn; compute: all of these to
        (gradient, what else moves, terms).
    expressions: by which the tensors that are read come from the arguments.

    The gradient lies in the graph's memory, until its next replay: the optimizer uses it up. All else becomes part of
    the state, is held by whoever logs, or comes back as an input, and so is copied out.
    """

    def __init__(
        self,
        read: Callable[..., Any],
        draw: Callable[..., Any],
        compute: Callable[..., Any],
        expressions: Sequence[str],
        graphs: Graphs,
    ) -> None:
        self._read, self.draw, self._compute, self._graphs, self._left = read, draw, compute, graphs, CAPTURES
        self._numbers = {i for i, x in enumerate(expressions) if x.startswith("numbers[")}
        # Parameters do, unless a constraint replaces them. What a penalty remembers may for a while, and then not.
        self._could_stay = {i for i, x in enumerate(expressions) if x.startswith("state.players[")}
        self._observe()

    def _observe(self) -> None:
        """From the start: without a graph, and without an opinion on what stays."""
        self._graph: _Graph | None = None
        self._calls, self._seen, self._stay, self._proofs = 0, None, self._could_stay, PROOFS

    def __call__(self, state: State, draw: Draw, numbers: Mapping[str, Any], key: int) -> Any:
        if self._graphs.inside is not None:
            return self._compute(*self._read(state, draw, numbers, key), *self._graphs.inside(self, key))
        given = (*self._read(state, draw, numbers, key), *self.draw(key))
        if self._graph is not None and not (self._graphs.possible and self._graph.fits(given)):
            self._observe()
        if self._graph is None and self._left and self._graphs.possible and not self._graphs.wait:
            self._look(given)
        if self._graph is None:
            return self._compute(*given)
        return self._proved(given) if self._proofs else self._graph(given)

    def _look(self, given: Sequence[Tensor]) -> None:
        """At what is where it was at the call before; after some calls that is enough for a graph."""
        seen, self._seen, self._calls = self._seen, given, self._calls + 1
        if seen is not None:
            self._stay = {i for i in self._stay if given[i] is seen[i]}
        if self._calls < WARM:
            return
        self._seen, self._left = None, self._left - 1
        if not self._graphs.room():
            self._left = 0
            return
        try:
            self._graph = _Graph(self._compute, given, self._stay, self._numbers, self._graphs)
        except Exception as error:
            self._graphs.fail(f"one could not be captured ({first_line(error)})")

    def _proved(self, given: Sequence[Tensor]) -> Any:
        """What the graph computes, if the plain replay computes it too; else what that does, from now on."""
        self._proofs -= 1
        own = [x.clone() for x in given]
        out, want = self._graph(given), self._compute(*own)
        # The inputs too: a phase is pure, and one that is not would change copies in a graph.
        if agree(out, want) and agree([given], [own], share=0.0):
            return out
        self._graph, self._left = None, 0
        for x, y in zip(given, own, strict=True):
            x.copy_(y)
        self._graphs.fail("one computed other numbers than its operations do one by one")
        return want


class _Graph:
    """One graph, and the memory that it reads: of the tensors that stay their own, of others a copy."""

    def __init__(
        self, compute: Callable[..., Any], given: Sequence[Tensor], stay: set[int], numbers: set[int], graphs: Graphs
    ) -> None:
        self._stay = [(i, given[i], given[i].data_ptr()) for i in stay]
        # Read on the host, a number would be part of the graph.
        own = [
            x if i in stay else torch.empty_like(x, device=graphs.device if i in numbers else None)
            for i, x in enumerate(given)
        ]
        self._copied = [(i, own[i]) for i in range(len(own)) if i not in stay | numbers]
        self._filled = [(i, own[i]) for i in numbers]
        self._values: list[float | None] = [None] * len(numbers)
        self._load(given)
        self._replay, self._out = graphs.capture(partial(compute, *own))
        self._kept = (compute, own)  # constants and inputs, whose addresses the graph has

    def fits(self, given: Sequence[Tensor]) -> bool:
        """Whether all that stayed is still where it was."""
        return all(given[i] is x and x.data_ptr() == at for i, x, at in self._stay)

    def __call__(self, given: Sequence[Tensor]) -> Any:
        self._load(given)
        self._replay()
        gradient, *others = self._out
        copies = iter(clones([x for x in leaves(others) if isinstance(x, Tensor)]))
        return gradient, *(tree_map(lambda x: next(copies) if isinstance(x, Tensor) else x, part) for part in others)

    def _load(self, given: Sequence[Tensor]) -> None:
        if self._copied:
            torch._foreach_copy_([x for _, x in self._copied], [given[i] for i, _ in self._copied])
        values = [given[i].item() for i, _ in self._filled]  # from the host, where nobody waits for them
        for (_, x), value, last in zip(self._filled, values, self._values, strict=True):
            if value != last:
                x.fill_(value)
        self._values = values


def clones(tensors: list[Tensor]) -> list[Tensor]:
    """The same numbers in new memory, in one launch where torch can."""
    new = [torch.empty_like(x) for x in tensors]
    if new:
        torch._foreach_copy_(new, tensors)
    return new


def agree(out: Any, want: Any, share: float = 1e-3) -> bool:
    """Whether the numbers of two trees are equal up to the order of sums, in which atomic operations are free: to a
    share of the largest number of a tensor, or a hundredth of it of the largest one in the same part of the tree, for
    sums that are 0."""
    for part, wanted in zip(out, want, strict=True):
        pairs = [(x.double(), y.double()) for x, y in zip(leaves(part), leaves(wanted), strict=True)]
        largest = [float(y.nan_to_num(0.0, 0.0, 0.0).abs().max()) if y.numel() else 0.0 for _, y in pairs]
        for (x, y), own in zip(pairs, largest, strict=True):
            if not torch.allclose(x, y, rtol=0.0, atol=share * (own + 0.01 * max(largest)), equal_nan=True):
                return False
    return True


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
