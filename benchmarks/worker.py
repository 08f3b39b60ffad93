"""One contender in a process of its own: says what it took to start, then plays as many iterations as it is told.

    python -m benchmarks.worker CONTENDER WORKLOAD DATA.npz [CORES]

GANKIT_BENCHMARK_DEVICE, "cpu" or "cuda", and GANKIT_BENCHMARK_PRECISION, "full", "tf32" or "bfloat16", say on what.

Answers on stdout, a line of JSON each: first {"import", "build", "first", "parameters", "share", "start": losses}, then
{"seconds", "losses"} for each number of iterations on stdin, and {"peak_mb"} at the end of stdin; on CUDA with
"peak_device_mb", of tensors.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.loop import Setup
from benchmarks.workloads import find


def main(name: str, workload_name: str, data: str, cores: str = "0") -> None:
    if int(cores):  # before any framework counts them
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(cores) :])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    warnings.simplefilter("ignore")

    def answer(**values: object) -> None:
        print(json.dumps(values), file=answers, flush=True)

    contender, workload = CONTENDERS[name], find(workload_name)
    device = os.environ.get("GANKIT_BENCHMARK_DEVICE", "cpu")
    precision = os.environ.get("GANKIT_BENCHMARK_PRECISION", "full")
    if device == "cpu":
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    else:  # contenders share the device, so none may take most of its memory at once
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with np.load(data) as arrays:
        sizes = {**workload.sizes, "samples": workload.samples}
        setup = Setup(workload_name, workload.batch, dict(arrays), sizes, workload.family, device, precision)
    marks = [time.perf_counter()]
    try:
        make = contender.game(workload)
        marks.append(time.perf_counter())
        with prepared(contender, device, precision):
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
    peak = {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    answer(**peak, **({} if device == "cpu" else peak_on_device(contender)))


def prepared(contender: Contender, device: str, precision: str) -> AbstractContextManager[object]:
    """Set what hand-written loops and peers leave to the process; within, torch makes tensors on the device.

    gankit's backends are told when they are built. Iterations name the device, for a default one slows every call.
    """
    if contender.kind not in ("hand", "peer"):
        return nullcontext()
    if contender.framework == "torch":
        import torch

        torch.set_float32_matmul_precision("highest" if precision == "full" else "high")
        torch.backends.cudnn.allow_tf32 = precision != "full"
        torch.backends.cudnn.benchmark = True
        return nullcontext() if device == "cpu" else torch.device(device)
    if contender.framework == "jax":
        import jax

        if device != "cpu" and jax.default_backend() == "cpu":
            raise ValueError("JAX finds no GPU")
        if precision == "bfloat16":
            raise ValueError("no loop by hand in bfloat16")
        jax.config.update("jax_default_matmul_precision", "float32" if precision == "full" else "tensorfloat32")
    return nullcontext()


def peak_on_device(contender: Contender) -> dict[str, float]:
    """The most that tensors took at once."""
    if contender.framework == "torch":
        import torch

        return {"peak_device_mb": torch.cuda.max_memory_allocated() / 2**20}
    if contender.framework == "jax":
        import jax

        stats = jax.devices()[0].memory_stats() or {}
        return {"peak_device_mb": stats["peak_bytes_in_use"] / 2**20} if "peak_bytes_in_use" in stats else {}
    return {}


if __name__ == "__main__":
    main(*sys.argv[1:])
