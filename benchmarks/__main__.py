"""Time gankit against hand-written loops and other toolkits, or compare two such runs.

python -m benchmarks run gan-2014 dcgan --json after.json
python -m benchmarks run toy --only gankit-torch torch --rounds 9
python -m benchmarks compare before.json after.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import contenders, parzen, report, turns
from benchmarks.workloads import WORKLOADS, Workload

PACKAGES = (
    *("gankit", "torch", "jax", "jaxlib", "flax", "optax", "numpy"),
    *("torchgan", "pytorch-lightning", "vegans", "torch-mimicry", "keras", "scikit-learn"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="time workloads")
    possible = ", ".join(WORKLOADS)
    run.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {possible}; default: all")
    run.add_argument("--only", nargs="+", choices=contenders.CONTENDERS, metavar="CONTENDER", help="only these")
    run.add_argument("--rounds", type=int, default=5)
    run.add_argument("--seconds", type=float, default=3.0, help="about how long one turn is")
    run.add_argument("--cores", type=int, default=0, help="that each may use; 1 on a shared machine; default: all")
    run.add_argument("--json", type=Path, help="write the results to this file")
    run.set_defaults(do=time_all)
    compare = commands.add_parser("compare", help="compare two files of results")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    compare.set_defaults(do=compare_two)
    options = parser.parse_args()
    unknown = [name for name in getattr(options, "workloads", []) if name not in WORKLOADS]
    if unknown:
        parser.error(f"no workload {unknown[0]!r}; possible: {possible}")
    options.do(options)


def compare_two(options: argparse.Namespace) -> None:
    before, after = (json.loads(path.read_text()) for path in (options.before, options.after))
    print(report.comparison(before, after))


def time_all(options: argparse.Namespace) -> None:
    result: dict[str, Any] = {
        "environment": environment(),
        "rounds": options.rounds,
        "cores": options.cores,
        "workloads": {},
    }
    for name in options.workloads or WORKLOADS:
        names = [c for c in contenders.of(WORKLOADS[name]) if not options.only or c in options.only]
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data.npz"
            write_data(WORKLOADS[name], data)
            load = os.getloadavg()[0]
            records = turns.play(
                name,
                names,
                data,
                rounds=options.rounds,
                seconds=options.seconds,
                cores=options.cores,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )
        result["workloads"][name] = {"load": [load, os.getloadavg()[0]], "contenders": records}
        print(report.table(name, result["workloads"][name]), flush=True)
        if options.json:  # after each workload, so that what was timed is kept whatever comes
            options.json.write_text(json.dumps(result, indent=1) + "\n")


def write_data(workload: Workload, path: Path) -> None:
    """The examples, in a file that hand-written loops read without gankit."""
    from gankit.data import open_data

    if workload.name == "parzen":
        np.savez(path, **parzen.digits())
        return
    data = open_data(workload.data)
    np.savez(path, x=data.x, labels=data.labels)


def environment() -> dict[str, Any]:
    """What the numbers were made on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"commit": commit, "cores": cores, "machine": platform.machine(), "versions": versions}


if __name__ == "__main__":
    main()
