"""A function out of a tape: its operations one after the other, as few as are needed."""

from __future__ import annotations

import linecache
import re
import weakref
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from gankit_torch.tape import Call, Tape

_VARIABLE = re.compile(r"\bv\d+\b")
_serial = count()


def program(tape: Tape, parameters: str, out: Any) -> Callable[..., Any]:
    """The function of these parameters that returns anew what `out` was when the tape was written."""
    result = tape.text(out)
    return function(tape, parameters, result, needed(tape, result))


def function(tape: Tape, parameters: str, result: str, calls: Sequence[Call]) -> Callable[..., Any]:
    """The function that makes these calls, and returns a result over the tape's variables.

    parameters: the tape's arguments, or variables that are given in their place.

    Memory is let go after its last use, or taken by the next result.
    """
    constants = tape.constants
    returned, given = variables(result), variables(parameters)
    reads = {name for call in calls for name in call.reads} | returned
    lines = [f"{name} = {expression}" for name, expression in tape.inputs.items() if name in reads - given]

    stays = {*returned, *constants, *tape.inputs, *given, "_"}
    last = {name: i for i, call in enumerate(calls) for name in (*call.reads, *call.targets)}
    memory, ends = dict(tape.memory), {}  # the last use of each memory
    for name, at in memory.items():
        ends[at] = max(ends.get(at, -1), len(calls) if name in stays else last.get(name, -1))
    for i, call in enumerate(calls):
        over = call.over is not None and ends[memory[call.over]] == i
        if over:  # from here on it is the result's memory
            after = memory[call.targets[0]]
            ends[memory[call.over]] = ends[after]
            memory |= {name: memory[call.over] for name, at in memory.items() if at == after}
        targets = ", ".join(call.targets)
        lines.append(f"{targets if call.alone else f'[{targets}]'} = {call.in_place if over else call.text}")
        if done := sorted(name for name in {*call.reads, *call.targets} - stays if last[name] == i):
            lines.append(f"del {', '.join(done)}")
    source = f"def replay({parameters}):\n" + "".join(f"    {line}\n" for line in (*lines, f"return {result}"))

    file = f"<gankit_torch: recorded operations {next(_serial)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # for tracebacks
    names = tape.globals | {name: constants[name] for name in reads & constants.keys()}
    exec(compile(source, file, "exec"), names)
    replay: Callable[..., Any] = names["replay"]
    weakref.finalize(replay, linecache.cache.pop, file, None)
    return replay


def needed(tape: Tape, result: str) -> list[Call]:
    """The calls that a result depends on, in their order."""
    reads, constants, calls = variables(result), tape.constants.keys(), []
    for call in reversed(tape.calls):
        if call.changes or not (reads.isdisjoint(call.targets) or constants >= set(call.targets)):
            calls.append(call)
            reads |= call.reads
    return calls[::-1]


def draws(tape: Tape, calls: Sequence[Call]) -> dict[str, list[Call]] | None:
    """The variables that random numbers are drawn into, and the calls that do so; None unless these can all come first.

    They can where they depend on the key alone, and where nobody reads the memory before, or changes it later.
    """
    found = {}
    for name in [name for call in calls if _draws(call) for name in call.targets]:
        views = {view for view, at in tape.memory.items() if at == tape.memory[name]}
        touching = [call for call in calls if not views.isdisjoint({*call.reads, *call.targets})]
        making, later = touching[:1], touching[1:]
        if not _draws(making[0]):  # but into new memory
            making, later = touching[:2], touching[2:]
        alone = not any(call.reads - {name} for call in making)
        if not alone or any(call.changes and not views.isdisjoint(call.targets) for call in later):
            return None
        found[name] = making
    return found


def variables(text: str) -> set[str]:
    """Those that are in a piece of Python."""
    return {*_VARIABLE.findall(text)}


def _draws(call: Call) -> bool:
    return "generator(" in call.text
