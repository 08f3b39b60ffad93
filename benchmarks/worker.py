"""One contender in a process of its own: says what it took to start, then plays as many iterations as it is told.

    python -m benchmarks.worker CONTENDER WORKLOAD DATA.npz [CORES]

Answers on stdout, a line of JSON each: first {"import", "build", "first", "parameters", "share", "start": losses}, then
{"seconds", "losses"} for each number of iterations on stdin, and {"peak_mb"} at the end of stdin.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings

import numpy as np

from benchmarks.contenders import CONTENDERS
from benchmarks.loop import Setup
from benchmarks.workloads import WORKLOADS


def main(name: str, workload_name: str, data: str, cores: str = "0") -> None:
    if int(cores):  # before any framework counts them
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(cores) :])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    warnings.simplefilter("ignore")

    def answer(**values: object) -> None:
        print(json.dumps(values), file=answers, flush=True)

    contender, workload = CONTENDERS[name], WORKLOADS[workload_name]
    with np.load(data) as arrays:
        setup = Setup(workload_name, workload.batch, dict(arrays), {**workload.sizes, "samples": workload.samples})
    marks = [time.perf_counter()]
    try:
        make = contender.game(workload)
        marks.append(time.perf_counter())
        loop = make(setup)
        marks.append(time.perf_counter())
        losses = loop.play(1)
        marks.append(time.perf_counter())
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}".split("\n")[0])
        raise
    taken = dict(zip(("import", "build", "first"), np.diff(marks).tolist(), strict=True))
    answer(**taken, parameters=loop.parameters, share=loop.share, start=dict(losses))
    for line in sys.stdin:
        start = time.perf_counter()
        losses = loop.play(int(line))
        answer(seconds=time.perf_counter() - start, losses=dict(losses))
    answer(peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
