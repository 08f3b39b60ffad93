"""A function out of a tape: its operations one after the other, as few as are needed."""

from __future__ import annotations

import linecache
import re
import weakref
from collections.abc import Callable, Set
from itertools import count
from typing import Any

from gankit_torch.tape import Call, Tape

_VARIABLE = re.compile(r"\bv\d+\b")
_serial = count()


def program(tape: Tape, parameters: str, out: Any) -> Callable[..., Any]:
    """The function of these parameters that returns anew what `out` was when the tape was written.

    Memory is let go after its last use, or taken by the next result.
    """
    result = tape.text(out)
    constants = tape.constants
    returned = {*_VARIABLE.findall(result)}
    calls = _needed(tape, returned, constants.keys())
    reads = {name for call in calls for name in call.reads} | returned
    lines = [f"{name} = {expression}" for name, expression in tape.inputs.items() if name in reads]

    stays = {*returned, *constants, *tape.inputs, "_"}
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


def _needed(tape: Tape, returned: Set[str], constants: Set[str]) -> list[Call]:
    """The calls that something returned depends on, in their order."""
    needed, calls = set(returned), []
    for call in reversed(tape.calls):
        if call.changes or not (needed.isdisjoint(call.targets) or constants >= set(call.targets)):
            calls.append(call)
            needed |= call.reads
    return calls[::-1]
