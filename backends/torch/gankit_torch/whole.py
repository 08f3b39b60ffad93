"""A whole iteration as one CUDA graph: both players' phases, their optimizers, the moving average.

Launched one by one from Python, even the few operations around the phases' own graphs take the host longer than a small
game takes the GPU. So once a step has been played a few times it is captured whole. The minibatches and numbers of many
steps lie on the device, and a counter there says which of them is next: to play a step is one launch. Numbers drawn
inside networks are drawn before, and handed to the graph, as for the phases.

A form of step (which numbers are 0, and those that optimizers take as plain numbers) has a graph of its own. The first
replays of each are computed the plain way too, and must agree. What stands against a graph of the whole is said once,
and then the phases have their own (`graphs.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from gankit.interfaces import Batch, State, Terms
from gankit.trees import leaves, tree_map
from gankit_torch.graphs import PROOFS, Graphed, Graphs, agree, clones, first_line
from gankit_torch.keys import Trail, fold_in

StepFunction = Callable[..., tuple[State, Terms]]
WARM = 2
"""Plain steps of a form before it is captured: the first records the phases, the second shows what they draw."""
AGAIN = 5000
"""Steps of a form after which its graph is put to the proof once more."""
FORMS = 8
"""Graphs that a game may have, one for each form of step: each keeps the memory of a step."""
PATIENCE = 40
"""Steps after which the phases get graphs of their own, if no form was met often enough for one of the whole."""


class Number(float):
    """A number that changes from step to step, and where it lies on the device."""

    tensor: Tensor

    @classmethod
    def at(cls, value: float, tensor: Tensor) -> Number:
        number = cls(value)
        number.tensor = tensor
        return number


class Draws:
    """What the phases of one step draw, in their order.

    Without `given` they draw, and it is noted who drew from which key; with it they take what was drawn before.
    """

    def __init__(self, given: Sequence[Sequence[Tensor]] | None = None) -> None:
        self._given = None if given is None else iter(given)
        self.noted: list[tuple[Graphed, tuple[int, ...]]] = []
        self.whole = True
        """Whether every phase was a replay whose draws can come first."""

    def __call__(self, phase: Graphed, key: Trail) -> Sequence[Tensor]:
        self.noted.append((phase, key.path))
        return phase.draw(key) if self._given is None else next(self._given)


class Whole:
    """The steps of one game on one device, each by one graph as soon as there is one.

    phases: what captures, and by which the phases know that they are inside a step. key: of a step, from its two words.
    """

    def __init__(self, step: StepFunction, phases: Graphs, key: Callable[[Any], int], dtype: torch.dtype) -> None:
        self._step, self._phases, self._key = step, phases, key
        self._seen: dict[Any, int] = {}
        self._noted: dict[Any, list[tuple[Graphed, tuple[int, ...]]]] = {}
        self._graphs: dict[Any, _StepGraph] = {}
        self._held: _Held | None = None
        self._steps, self._left = 0, FORMS
        # lr as an array is a float32, which is not enough for float64.
        self.possible = dtype == torch.float32 and phases.possible
        phases.wait = self.possible

    def run(self, state: State, chunk: Chunk, shared: Sequence[Tensor], capacity: int) -> tuple[State, Terms]:
        terms: Terms = {}
        by_graph = False
        chunk.arrive()
        fits = self._held is None or self._held.fits(chunk)
        if not fits:
            self._phases.wait = False  # minibatches of another size
        for i in range(len(chunk)):
            graph = self._ready(state, chunk, i, shared, capacity) if self.possible and fits else None
            if graph is None:
                state, terms = self._plain(state, chunk, i, shared)
            else:
                assert self._held is not None
                state, terms = self._played(graph, state, chunk, i, shared)
            by_graph = graph is not None
        if by_graph and self._held is not None:
            state, terms = with_own_memory(state), tree_map(torch.clone, terms)
        return state, terms

    def _form(self, numbers: Mapping[str, float]) -> Any:
        return tuple(value != 0 if _is_array(name) else value for name, value in numbers.items())

    def _plain(self, state: State, chunk: Chunk, i: int, shared: Sequence[Tensor]) -> tuple[State, Terms]:
        """Operation by operation; notes what is drawn."""
        batch, form = chunk.batch(i), self._form(chunk.numbers[i])
        self._steps += 1
        if not self.possible or form in self._graphs:
            return self._step(state, batch, *shared)
        seen = self._seen[form] = self._seen.get(form, 0) + 1
        if self._left == 0 or (self._steps > PATIENCE and not self._graphs):  # forms come and go
            self._give_up()
            return self._step(state, batch, *shared)
        if seen < WARM or len(self._seen) > 4 * FORMS:
            return self._step(state, batch, *shared)
        draws = self._phases.inside = Draws()
        try:
            out = self._step(state, batch._replace(key=(Trail.start(self._key(batch.key)), 0)), *shared)
        finally:
            self._phases.inside = None
        if draws.whole:
            self._noted[form] = draws.noted
        return out

    def _ready(self, state: State, chunk: Chunk, i: int, shared: Sequence[Tensor], capacity: int) -> _StepGraph | None:
        """The graph of the i-th step of a chunk, captured now if it is time."""
        form = self._form(chunk.numbers[i])
        graph = self._graphs.get(form)
        if graph is not None and not graph.reads(shared):
            self._graphs.clear()  # another data set lies on the device
            graph = None
        if graph is not None or form not in self._noted or self._left == 0 or not self._phases.room():
            return graph
        if self._held is None:
            self._held = _Held(state, chunk, capacity)
        self._left -= 1
        try:
            self._held.take(state, chunk, i)
            graph = _StepGraph(self._step, self._held, chunk, i, self._noted[form], shared, self._phases, self._key)
        except Exception as error:
            self._fail(f"a step could not be captured whole ({first_line(error)})")
            return None
        self._graphs[form] = graph
        return graph

    def _played(
        self, graph: _StepGraph, state: State, chunk: Chunk, i: int, shared: Sequence[Tensor]
    ) -> tuple[State, Terms]:
        held = self._held
        assert held is not None
        held.take(state, chunk, i)
        graph.played += 1
        if graph.played > PROOFS and graph.played % AGAIN:
            return held.state, graph(chunk, i)
        before, copy = (tree_map(torch.clone, held.state) for _ in range(2))
        terms = graph(chunk, i)
        want_state, want_terms = self._step(copy, chunk.batch(i), *shared)
        if agree([terms], [want_terms]) and _moved_alike(before, held.state, want_state):
            return held.state, terms
        self._fail("a step computed other numbers whole than its operations do one by one")
        return want_state, want_terms

    def _give_up(self) -> None:
        self.possible = self._phases.wait = False
        self._graphs.clear()
        self._noted.clear()

    def _fail(self, reason: str) -> None:
        self._give_up()
        warnings.warn(
            f"The torch backend launches each player's phase by itself, not whole steps as CUDA graphs: {reason}. Its "
            "numbers are right. GANKIT_WITHOUT=whole asks for that, and for no warning.",
            stacklevel=2,
        )


class Chunk:
    """Many steps on the device: minibatches by their leaves, each leading with an axis of steps, and host numbers."""

    def __init__(self, batches: Batch, asarray: Callable[[Any], Tensor], dtype: torch.dtype) -> None:
        draws = (batches.discriminator, batches.generator)
        self.draws = tuple(draw.each(asarray) for draw in draws)
        self.names = [*batches.numbers]
        columns = [batches.numbers[name].tolist() for name in self.names]
        self.numbers = [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]
        self.keys = list(zip(*(words.tolist() for words in batches.key), strict=True))
        self.values = asarray(torch.tensor(list(zip(*columns, strict=True)), dtype=dtype))
        self.sent: Any = None
        """After which all has arrived, where another stream than the game's sends it."""

    def __len__(self) -> int:
        return len(self.keys)

    def batch(self, i: int) -> Batch:
        d, g = (draw.each(lambda x: x[i]) for draw in self.draws)
        return Batch(d, g, self.numbers[i], self.keys[i])

    def arrive(self) -> None:
        """Let the game's stream wait for what was sent by another."""
        if self.sent is not None:
            stream = torch.cuda.current_stream()
            stream.wait_event(self.sent)
            for x in self.arrays():
                x.record_stream(stream)
            self.sent = None

    def arrays(self) -> list[Tensor]:
        """All that lies on the device."""
        return [x for draw in self.draws for x in draw.arrays()] + [self.values]


class _Held:
    """The memory that graphs read and write: the state, the chunk, and the counter of its steps."""

    def __init__(self, state: State, chunk: Chunk, capacity: int) -> None:
        self.state = with_own_memory(state)
        self._chunk = [x.new_zeros((max(capacity, len(chunk)), *x.shape[1:])) for x in chunk.arrays()]
        self._layout = chunk
        self.at = torch.zeros(1, dtype=torch.int64, device=self._chunk[-1].device)
        self._of: Chunk | None = None
        self._next = 0

    def take(self, state: State, chunk: Chunk, i: int) -> None:
        """Hold this state and this chunk, and stand before its i-th step."""
        if state is not self.state:
            pairs = [(x, y) for x, y in zip(leaves(self.state), leaves(state), strict=True) if x is not y]
            _copy(pairs)
        if self._of is not chunk:
            for buffer, x in zip(self._chunk, chunk.arrays(), strict=True):
                buffer[: len(x)].copy_(x)
            self._of, self._next = chunk, -1
        if self._next != i:
            self.at.fill_(i)
            self._next = i

    def advance(self) -> None:
        self._next += 1

    def batch(self, numbers: Mapping[str, float], key: Any) -> Batch:
        """The next step's, as tensors that a graph reads anew."""
        rows = iter([x.index_select(0, self.at)[0] for x in self._chunk])
        d, g = (draw.each(lambda _: next(rows)) for draw in self._layout.draws)
        values = next(rows)
        told = {
            name: Number.at(value, values[j]) if value and _is_array(name) else value
            for j, (name, value) in enumerate(numbers.items())
        }
        return Batch(d, g, told, (key, 0))

    def fits(self, chunk: Chunk) -> bool:
        """Whether a chunk is of the form that this one has."""
        own = [(x.shape[1:], x.dtype) for x in self._chunk]
        return own == [(x.shape[1:], x.dtype) for x in chunk.arrays()] and len(chunk) <= len(self._chunk[0])


def with_own_memory(state: State) -> State:
    """The state, with copies of all but what is changed in place anyway: parameters, slots, the average."""
    kept = {id(x) for player in state.players.values() for x in leaves((player.params, player.slots))}
    kept |= {id(x) for x in leaves(state.averages)}
    return tree_map(lambda x: x if id(x) in kept else x.clone(), state)


class _StepGraph:
    """One form of step."""

    def __init__(
        self,
        step: StepFunction,
        held: _Held,
        chunk: Chunk,
        i: int,
        noted: Sequence[tuple[Graphed, tuple[int, ...]]],
        shared: Sequence[Tensor],
        phases: Graphs,
        key: Callable[[Any], int],
    ) -> None:
        self._held, self._noted, self._key, self.played = held, noted, key, 0
        self._drawn = [[x.clone() for x in drawn] for drawn in self._draw(chunk.keys[i])]
        numbers = chunk.numbers[i]

        def whole() -> Terms:
            phases.inside = Draws(self._drawn)
            try:
                batch = held.batch(numbers, Trail.start(0))
                after, terms = step(held.state, batch, *shared)
            finally:
                phases.inside = None
            _copy([(x, y) for x, y in zip(leaves(held.state), leaves(after), strict=True) if x is not y])
            held.at.add_(1)
            return terms

        # To capture is to play, once or twice, what is then taken back.
        before, at = tree_map(torch.clone, held.state), held.at.clone()
        try:
            self._replay, self._terms = phases.capture(whole)
        finally:
            _copy([*zip(leaves(held.state), leaves(before), strict=True)])
            held.at.copy_(at)
        self._kept, self._shared = whole, shared

    def reads(self, shared: Sequence[Tensor]) -> bool:
        """Whether these arrays are those that the graph has the addresses of."""
        return all(x is y for x, y in zip(shared, self._shared, strict=True))

    def __call__(self, chunk: Chunk, i: int) -> Terms:
        """The terms lie in the graph's memory, until its next replay."""
        if any(self._drawn):
            new = [x for drawn in self._draw(chunk.keys[i]) for x in drawn]
            torch._foreach_copy_([x for drawn in self._drawn for x in drawn], new)
        self._replay()
        self._held.advance()
        terms: Terms = self._terms
        return terms

    def _draw(self, words: Any) -> list[Sequence[Tensor]]:
        key = self._key(words)
        return [phase.draw(reduce(fold_in, path, key)) for phase, path in self._noted]


def _is_array(name: str) -> bool:
    """Whether a number reaches the device as an array; Adam's betas are part of torch's fused launch."""
    return name.rpartition("/")[2] not in ("b1", "b2")


def _copy(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    if pairs:
        torch._foreach_copy_([x for x, _ in pairs], clones([y for _, y in pairs]))


def _moved_alike(before: State, after: State, want: State) -> bool:
    """Whether each part of a state has moved as it should, to a twentieth of the way it went.

    Not number by number: where a gradient is 0 but for rounding, Adam takes its whole step to either side.
    """
    for old, new, wanted in zip(*map(_parts, (before, after, want)), strict=True):
        moved, apart, size = (_norm(pairs) for pairs in ((wanted, old), (new, wanted), (wanted, None)))
        if not apart <= 0.05 * moved + 1e-5 * size:
            return False
    return True


def _parts(state: State) -> list[list[Tensor]]:
    """Parameters, buffers and each slot of each player, the averages, what each term remembers."""
    players = [part for p in state.players.values() for part in (p.params, p.buffers, *p.slots.values())]
    return [[*leaves(part)] for part in (*players, *state.averages.values(), *state.memory.values())]


def _norm(pair: tuple[list[Tensor], list[Tensor] | None]) -> float:
    """Of a part of a state, or of the difference of two; what is not finite in both of them counts for nothing."""
    first, second = pair
    total = 0.0
    for i, x in enumerate(first):
        y = torch.zeros_like(x) if second is None else second[i]
        same = ~torch.isfinite(x) & (~torch.isfinite(y) if second is not None else True)
        total += float(torch.where(same, torch.zeros_like(x), x - y).double().square().sum())
    return total**0.5
