"""A Parzen window of 10,000 centres on 10,000 digits: gankit beside the bare distance product and scikit-learn.

    python -m benchmarks.parzen [--rounds 5] [--cores 1] [--json FILE]

A process for each framework and one for scikit-learn; in every round each does each of its jobs, in turn, there and
back, and ratios are taken within a round. scikit-learn would take minutes, so it scores a few queries and its time is
scaled; what it answers is compared with gankit's float64 as well, since in 784 dimensions it is wrong (scikit-learn
#25799).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

HERE = Path(__file__).parent.parent
N, ROWS, FEW = 10_000, 1000, 20
SIGMAS = tuple(np.logspace(-1, 0, 10).tolist())
SIGMA = SIGMAS[2]  # the one that suits digits
JOBS = {"torch": ("product", "one", "ten"), "jax": ("product", "one", "ten"), "scikit-learn": ("few",)}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Queries and centres, (N, 784) float32 in [0, 1]."""
    from gankit.data import open_data

    return tuple(  # type: ignore[return-value]
        (open_data("mnist", split=split).x[:N].reshape(N, -1) / 255).astype(np.float32) for split in ("test", "train")
    )


def jobs(name: str) -> dict[str, Callable[[], Any]]:
    """What this process can be told to do."""
    queries, centres = digits()
    if name == "scikit-learn":
        from sklearn.neighbors import KernelDensity

        density = KernelDensity(bandwidth=SIGMA).fit(centres)  # its tree is built once, and not timed
        return {"few": lambda: density.score_samples(queries[:FEW])}
    from gankit.building import open_backend
    from gankit.metrics.parzen import log_likelihoods
    from gankit.metrics.points import Points

    backend, x, c = open_backend(name, "cpu", "float32"), Points(queries), Points(centres)
    return {
        "product": (torch_product if name == "torch" else jax_product)(queries, centres),
        "one": lambda: log_likelihoods(backend, x, c, (SIGMA,))[:FEW, 0],
        "ten": lambda: log_likelihoods(backend, x, c, SIGMAS)[:FEW, 2],
    }


def torch_product(queries: np.ndarray, centres: np.ndarray) -> Callable[[], None]:
    """All inner products, in blocks that stay in the cache, by the fastest product there is."""
    import torch

    from benchmarks.torch_loops.common import product

    a, b = (torch.from_numpy(x).split(ROWS) for x in (queries, centres))

    @torch.no_grad()
    def run() -> None:
        for y in b:
            for x in a:
                product(x, y.T)

    return run


def jax_product(queries: np.ndarray, centres: np.ndarray) -> Callable[[], None]:
    import jax

    multiply = jax.jit(lambda x, y: x @ y)
    a = [jax.numpy.asarray(x) for x in np.split(queries, N // ROWS)]
    b = [jax.numpy.asarray(np.ascontiguousarray(y.T)) for y in np.split(centres, N // ROWS)]

    def run() -> None:
        for y in b:
            for x in a:
                out = multiply(x, y)
        out.block_until_ready()

    return run


def work(name: str, cores: str) -> None:
    """A process of its own: a job a line on stdin, {"seconds", "cpu", "answer"} a line on stdout."""
    if int(cores):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(cores) :])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    known = jobs(name)
    for line in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        out = known[line.strip()]()
        taken = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        print(json.dumps({**taken, "answer": None if out is None else out.tolist()}), file=answers, flush=True)


class Worker:
    def __init__(self, name: str, cores: int) -> None:
        command = [sys.executable, "-m", "benchmarks.parzen", "--work", name, "--cores", str(cores)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=HERE)

    def do(self, job: str) -> dict[str, Any]:
        print(job, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def exact(queries: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The direct log-sum-exp over squared differences, in float64."""
    centres = centres.astype(np.float64)
    squared = np.array([np.square(centres - x).sum(axis=1) for x in queries[:FEW].astype(np.float64)])
    heights = np.log(N) + 784 * np.log(SIGMA * np.sqrt(2 * np.pi))
    return np.logaddexp.reduce(-squared / (2 * SIGMA**2), axis=1) - heights


def measure(rounds: int, cores: int) -> dict[str, Any]:
    """{framework: {job: [{"seconds", "cpu"}, ...], "error": the greatest, in nats, against the direct sum}}."""
    direct = exact(*digits())
    workers = {name: Worker(name, cores) for name in JOBS}
    out: dict[str, Any] = {name: {job: [] for job in JOBS[name]} for name in JOBS}
    turns = [(name, job) for name in JOBS for job in JOBS[name]]
    for name, job in turns:  # compiles, and answers
        answer = workers[name].do(job)["answer"]
        if answer is not None:
            out[name].setdefault("error", {})[job] = float(np.abs(np.array(answer) - direct).max())
    for i in range(rounds):
        for name, job in turns[:: 1 if i % 2 == 0 else -1]:
            taken = workers[name].do(job)
            out[name][job].append({key: taken[key] for key in ("seconds", "cpu")})
        print(f"round {i + 1} of {rounds}", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.end()
    return out


def table(results: dict[str, Any], clock: str) -> str:
    """Medians, and medians of ratios within a round."""

    def times(name: str, job: str) -> list[float]:
        return [taken[clock] for taken in results[name][job]]

    def ratio(over: list[float], under: list[float]) -> str:
        return f"{median(a / b for a, b in zip(over, under, strict=True)):.2f}"

    scaled = [seconds * N / FEW for seconds in times("scikit-learn", "few")]
    rows = [("", "product", "one sigma", "of product", "ten sigmas", "of one", "scikit-learn, of one", "off by, nats")]
    for name in ("torch", "jax"):
        product, one, ten = (times(name, job) for job in JOBS[name])
        seconds = [f"{median(each):.2f} s" for each in (product, one, ten)]
        off = f"{max(results[name]['error'].values()):.1g}"
        rows.append(
            (name, seconds[0], seconds[1], ratio(one, product), seconds[2], ratio(ten, one), ratio(scaled, one), off)
        )
    rows.append(
        (
            "scikit-learn",
            "",
            f"{median(scaled):.0f} s",
            "",
            "",
            "",
            "",
            f"{results['scikit-learn']['error']['few']:.3g}",
        )
    )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parzen", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=0, help="that each may use; 0: all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, str(options.cores))
        return
    results = measure(options.rounds, options.cores)
    for clock in ("seconds", "cpu"):
        print(f"{clock}\n{table(results, clock)}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
