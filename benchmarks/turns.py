"""The processes of a workload, and the rounds in which they take turns.

Machines drift, by a factor of two between minutes here, so every contender plays in every round, in turn, and is
compared with the others within the round.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS

HERE = Path(__file__).parent.parent
# Start-up is timed cold: a compiled program that an earlier run has left would be another thing. Contenders that start
# together are not timed while they start, and may take what is there.
COLD = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


class Worker:
    """A contender's process.

    start: what it took to play an iteration; waits until it has. together: don't wait yet when it is made, so that
    others can start meanwhile. Raises Unable where it waits.
    """

    def __init__(
        self, name: str, workload: str, data: Path, errors: Path, cores: int, *, together: bool = False
    ) -> None:
        self.name, self._errors = name, errors
        environment = {**os.environ, **({} if together else COLD), **CONTENDERS[name].environment}
        with errors.open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", name, workload, str(data), str(cores)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=HERE,
                env=environment,
            )
        if not together:
            _ = self.start

    @cached_property
    def start(self) -> dict[str, Any]:
        return self._answer()

    def play(self, iterations: int) -> dict[str, Any]:
        """Play so many, and return the seconds they took and the losses after them."""
        print(iterations, file=self._process.stdin, flush=True)
        return self._answer()

    def end(self) -> dict[str, Any]:
        """Its peak memory; the process is over."""
        self._process.stdin.close()
        last = self._answer()
        self._process.wait()
        return last

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": (self._errors.read_text().strip() or "died").split("\n")[-1]}
        if "error" in answer:
            self.kill()
            raise Unable(answer["error"])
        return answer


class Unable(Exception):
    """A contender that does not run here, and why."""


def play(
    workload: str,
    names: Sequence[str],
    data: Path,
    *,
    rounds: int,
    seconds: float,
    cores: int,
    say: Callable[[str], None],
    together: bool = False,
) -> dict[str, Any]:
    """{contender: its record} of one workload: start-up, it/s in each round, losses, peak memory; or its error.

    seconds: about how long a turn is; each contender plays as many whole iterations as fit, at least one.
    cores: that a contender may use; 0 is all there are.
    together: start all at once: sooner done, but their start-up times are then those of a busy machine.
    """
    records: dict[str, dict[str, Any]] = {}
    workers: dict[str, Worker] = {}

    def started(name: str) -> Worker:
        return Worker(name, workload, data, data.with_name(f"{name}.stderr"), cores, together=together)

    try:
        if together:
            for name in names:
                workers[name] = started(name)
        for name in names:
            try:
                workers[name] = workers.get(name) or started(name)
                records[name] = {**workers[name].start, "it_per_s": []}
            except Unable as reason:
                workers.pop(name, None)
                records[name] = {"error": str(reason)}
                say(f"{workload}: {name} does not run: {reason}")
        turns = {name: _iterations(worker, seconds) for name, worker in workers.items()}
        for i in range(rounds):
            for name in list(workers)[:: 1 if i % 2 == 0 else -1]:  # there and back, so that drift favours nobody
                answer = workers[name].play(turns[name])
                records[name]["it_per_s"].append(turns[name] * records[name]["share"] / answer["seconds"])
                records[name]["losses"] = answer["losses"]
            say(f"{workload}: round {i + 1} of {rounds}")
        for name in list(workers):
            records[name] |= workers.pop(name).end()
    finally:
        for worker in workers.values():
            worker.kill()
    return records


def _iterations(worker: Worker, seconds: float) -> int:
    """How many iterations fill a turn, at the speed that is reached once all is compiled and captured."""
    count = 1
    for _ in range(8):
        taken = worker.play(count)["seconds"]
        wanted = max(1, min(100_000, math.floor(count * seconds / taken)))
        if taken >= 0.5 * seconds:
            return wanted
        count = min(wanted, 10 * count)
    return count
