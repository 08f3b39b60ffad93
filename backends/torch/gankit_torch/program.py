"""A function out of a tape: its operations one after the other, as few as are needed."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable
from itertools import count
from typing import Any

from gankit_torch.tape import Tape

_VARIABLE = re.compile(r"\bv\d+\b")
_serial = count()


def program(tape: Tape, parameters: str, out: Any) -> Callable[..., Any]:
    """The function of these parameters that returns anew what `out` was when the tape was written.

    Memory is let go after its last use.
    """
    result = tape.text(out)
    constants = tape.constants
    needed = {*_VARIABLE.findall(result)}
    calls = []
    for call in reversed(tape.calls):
        if call.changes or (not needed.isdisjoint(call.targets) and not constants.keys() >= set(call.targets)):
            calls.append(call)
            needed |= call.reads
    calls.reverse()

    last = {name: i for i, call in enumerate(calls) for name in (*call.reads, *call.targets)}
    stays = {*_VARIABLE.findall(result), *constants, *tape.inputs, "_"}
    lines = [f"{name} = {expression}" for name, expression in tape.inputs.items() if name in needed]
    for i, call in enumerate(calls):
        targets = ", ".join(call.targets)
        lines.append(f"{targets} = {call.text}" if call.alone else f"[{targets}] = {call.text}")
        if over := sorted(name for name in {*call.reads, *call.targets} - stays if last[name] == i):
            lines.append(f"del {', '.join(over)}")
    source = f"def replay({parameters}):\n" + "".join(f"    {line}\n" for line in (*lines, f"return {result}"))

    file = f"<gankit_torch: recorded operations {next(_serial)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # for tracebacks
    names = tape.globals | {name: constants[name] for name in needed & constants.keys()}
    exec(compile(source, file, "exec"), names)
    return names["replay"]
