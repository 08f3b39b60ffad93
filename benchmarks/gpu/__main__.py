"""Check and time on a GPU all that a GPU is for. Each stage is a process with a time limit of its own, and writes its
JSON as it goes, so that a run cut short still says something.

bash benchmarks/gpu/run.sh
bash benchmarks/gpu/run.sh --only graphs speed --out results
bash benchmarks/gpu/run.sh --device cpu --quick
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stages import STAGES, Options, Stage, write

HERE = Path(__file__).parent
POLL = 0.2
"""Seconds between looks at the processes."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bash benchmarks/gpu/run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="small games and few steps: does everything still run?")
    parser.add_argument("--only", nargs="+", choices=STAGES, metavar="STAGE", help=f"of {', '.join(STAGES)}")
    parser.add_argument("--skip", nargs="+", choices=STAGES, metavar="STAGE", default=[])
    parser.add_argument("--out", type=Path, help="the folder of the JSON files; default: benchmarks/gpu/results/NOW")
    parser.add_argument("--at-once", type=int, help="how many of the stages that time nothing run at the same time")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    out = given.out or HERE / "results" / time.strftime("%Y-%m-%d-%H%M")
    options = Options(device=given.device, quick=given.quick, out=out.resolve())
    if given.stage:
        STAGES[given.stage].play(options)
        return
    if given.device == "cuda":
        require_cuda()
    options.out.mkdir(parents=True, exist_ok=True)
    write(options.out / "environment.json", environment(options))
    chosen = [STAGES[name] for name in given.only or STAGES if name not in given.skip]
    at_once = given.at_once or max(1, cores() // 2)
    results = run([stage for stage in chosen if stage.beside_others], options, at_once)
    results |= run([stage for stage in chosen if not stage.beside_others], options, 1)
    print("\n".join(f"{name:<14} {said}" for name, said in results.items()), flush=True)
    sys.exit(any(not said.startswith("ok") for said in results.values()))


def run(stages: list[Stage], options: Options, at_once: int) -> dict[str, str]:
    """{stage: how it ended}, the stages in their order, so many of them at the same time."""
    waiting, running, ended = list(stages), dict[str, tuple[Any, Stage, float]](), dict[str, str]()
    while waiting or running:
        while waiting and len(running) < at_once:
            stage = waiting.pop(0)
            running[stage.name] = (start(stage, options), stage, time.monotonic())
        time.sleep(POLL)
        for name, (process, stage, begun) in list(running.items()):
            took = time.monotonic() - begun
            late = took > stage.limit(options)
            if process.poll() is None and not late:
                continue
            if late:
                kill(process)
            ended[name] = how_it_ended(options.out / f"{name}.json", process.returncode, took, late)
            print(f"{name}: {ended[name]}", file=sys.stderr, flush=True)
            del running[name]
    return {stage.name: ended[stage.name] for stage in stages}


def start(stage: Stage, options: Options) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--stage", stage.name, "--device", options.device]
    command += ["--out", str(options.out), *(["--quick"] if options.quick else [])]
    few = {"OMP_NUM_THREADS": "2"} if stage.beside_others else {}
    with (options.out / f"{stage.name}.log").open("wb") as log:
        # A group of its own, so that a stage past its limit ends with the processes that it started.
        return subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **few}
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, 9)
    process.wait()


def how_it_ended(file: Path, code: int, took: float, late: bool) -> str:
    """One line, which is also added to the stage's JSON; it begins with "ok" where nothing was found wrong."""
    found = json.loads(file.read_text()) if file.is_file() else {}
    wrong = found.get("wrong", [])
    if late:
        said = f"CUT after {took:.0f} s"
    elif code or not found:
        said = f"FAILED (exit code {code}) after {took:.0f} s, see {file.with_suffix('.log').name}"
    elif wrong:
        said = f"{len(wrong)} WRONG after {took:.0f} s: {wrong[0]}"
    else:
        said = f"ok in {took:.0f} s"
    write(file, {"ended": said, "seconds": round(took, 1), **found})
    return said


def environment(options: Options) -> dict[str, Any]:
    """What the numbers were made on."""
    from benchmarks.__main__ import environment

    carried, found = HERE / "carried" / "commit", environment()
    if not found["commit"] and carried.is_file():
        found["commit"] = carried.read_text().strip()
    cards = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    card = subprocess.run(cards, capture_output=True, text=True).stdout.strip() if options.device == "cuda" else "none"
    return {**found, "card": card, "device": options.device, "quick": options.quick, "python": sys.version.split()[0]}


def require_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        sys.exit("run.sh: torch sees no GPU here. `--device cpu --quick` goes the same road without one.")


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    main()
