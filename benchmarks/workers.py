"""How far several workers are from one, for every recipe, and how fast they are; prints tables.

    python -m benchmarks.workers --workers 4 --steps 200            # every recipe, float64, narrow networks
    python -m benchmarks.workers --workers 4 --backend jax          # of JAX: devices of one process
    python -m benchmarks.workers --workers 4 --backend jax --hosts 2    # of two processes, which meet over loopback
    python -m benchmarks.workers --workers 1 --nudge --steps 200    # one worker from itself, a parameter 1e-15 off
    python -m benchmarks.workers --speed --rounds 12                # `dcgan`: two workers of a thread, one of two

The recipes are those of the tests, a few channels wide, with dropout and augmentations.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.backends.workers import Log, free_port, together
from tests.recipe_games import GAMES, examples

SPEED: dict[str, Any] = {"recipe": "dcgan", "data": "mnist", "batch_size": 64}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", default="", help="recipes, or with --speed backends, with commas between them")
    parser.add_argument("--backend", choices=("torch", "jax"), default="torch")
    parser.add_argument("--hosts", type=int, default=1, help="processes of JAX, which share the workers out")
    parser.add_argument("--nudge", action="store_true", help="how far the game itself spreads a rounding error")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--rounds", type=int, default=12, help="of turns, of two seconds each")
    parser.add_argument("--out", help=argparse.SUPPRESS)  # of one worker
    parser.add_argument("--serve", help=argparse.SUPPRESS)  # of one process of a team
    asked = parser.parse_args()
    if asked.out:
        played(Path(asked.out), asked)
    elif asked.serve:
        serve(asked.serve)
    elif asked.speed:
        speeds(asked.rounds, asked.only)
    else:
        distances(asked)


def played(folder: Path, asked: argparse.Namespace) -> None:
    """By one worker: every array and logged term of every recipe, to a file each."""
    import gankit

    rank = os.environ.get("RANK", "0")
    if "JAX_NUM_PROCESSES" in os.environ:
        os.environ["JAX_PROCESS_ID"] = rank
    for recipe in chosen(asked.only):
        log, (data, settings) = Log(), GAMES[recipe]
        game = {"backend": asked.backend, "dtype": "float64", "batch_size": 8, **settings}
        if asked.backend == "jax":
            game["devices"] = "all"
        trainer: Any = gankit.build(recipe=recipe, data=examples(data), **game)
        if asked.nudge:
            params = trainer._state.players["generator"].params
            first = next(iter(params))
            params[first] = params[first] * (1 + 1e-15)
        trainer.fit(steps=asked.steps, callbacks=[log])
        arrays = {name: x for name, x in trainer._game.pack(trainer._state)[0].items() if not name.startswith("data/")}
        arrays |= {f"log/{term}": np.array([line[term] for line in log.lines]) for term in log.lines[0]}
        np.savez(folder / f"part-{rank}.npz", **arrays)
        (folder / f"part-{rank}.npz").rename(folder / f"{recipe}-{rank}.npz")


def chosen(only: str) -> list[str]:
    return [recipe for recipe in GAMES if not only or recipe in only.split(",")]


def distances(asked: argparse.Namespace) -> None:
    """One row a recipe, as soon as it is played: the greatest difference of any number, and of which."""
    # As `gankit` sets it for itself.
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}
    with TemporaryDirectory() as one, TemporaryDirectory() as many:
        module = ["benchmarks.workers", "--backend", asked.backend, "--steps", str(asked.steps), "--only", asked.only]
        subprocess.run([sys.executable, "-m", *module, "--out", one], check=True)
        module += [*(["--nudge"] if asked.nudge else []), "--out", many]
        who, ranks = f"{asked.workers} workers", asked.workers
        if asked.backend == "jax":
            devices = asked.workers // asked.hosts
            os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
            who, ranks = f"{devices} devices", asked.hosts
            if ranks > 1:
                os.environ |= {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{free_port()}", "JAX_NUM_PROCESSES": str(ranks)}
                who = f"{ranks} processes of {who}"
        processes = together(module, ranks)
        who = f"{who}, nudged," if asked.nudge else who
        print(f"| recipe | {who} from one, after {asked.steps} steps | in |\n|---|---|---|", flush=True)
        for recipe in chosen(asked.only):
            files = [Path(many) / f"{recipe}-{rank}.npz" for rank in range(ranks)]
            while not all(file.exists() for file in files):
                for process in processes:
                    if process.poll():
                        sys.exit(process.communicate()[1])
                time.sleep(0.2)
            apart: dict[str, float] = {}
            with np.load(Path(one) / f"{recipe}-0.npz") as want:
                for file in files:
                    with np.load(file) as got:
                        for name in want.files:
                            own = float(np.abs(got[name] - want[name]).max(initial=0.0))
                            apart[name] = max(apart.get(name, 0.0), own)
            worst = max(apart, key=apart.__getitem__)
            print(f"| `{recipe}` | {apart[worst]:.1e} | {worst} |", flush=True)


class Team:
    """The processes of one contender, which wait to be told to play."""

    def __init__(self, backend: str, processes: int, threads: int, **told: str) -> None:
        # As `gankit` sets it for itself. XLA takes as many threads as it may use cores.
        shared = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"}
        port, pipes = str(free_port()), {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-m", "benchmarks.workers", "--serve", backend]
        self._processes = []
        for rank in range(processes):
            place = {"RANK": rank, "WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            if backend == "jax":
                place = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": processes}
                place = {**place, "JAX_PROCESS_ID": rank, "CORE": rank} if processes > 1 else {}
            env = {**shared, **{name: str(value) for name, value in place.items()}, **told}
            self._processes.append(subprocess.Popen([*command], env=env, **pipes))  # type: ignore[call-overload]

    def play(self, steps: int) -> tuple[float, float]:
        """(seconds of the slowest, CPU seconds of all) for so many steps."""
        for process in self._processes:
            print(steps, file=process.stdin, flush=True)
        answers = []
        for process in self._processes:
            line = next(line for line in process.stdout if line.startswith("played "))  # gloo says hello there too
            answers.append(tuple(map(float, line.split()[1:])))
        return max(wall for wall, _ in answers), sum(cpu for _, cpu in answers)

    def end(self) -> None:
        for process in self._processes:
            process.stdin.close()
        for process in self._processes:
            process.wait()


def serve(backend: str) -> None:
    """By one process of a team: play as many steps as each line says, and tell the seconds and CPU seconds."""
    if "CORE" in os.environ:
        os.sched_setaffinity(0, {int(os.environ["CORE"])})
    import gankit

    devices = {"devices": "all"} if os.environ.get("DEVICES") else {}
    trainer: Any = gankit.build(backend=backend, **SPEED, **devices)
    for line in sys.stdin:
        begun, used = time.perf_counter(), time.process_time()
        trainer.fit(steps=int(line))
        np.asarray(trainer.sample(1, seed=0))  # waits for the device
        print("played", time.perf_counter() - begun, time.process_time() - used, flush=True)


def speeds(rounds: int, only: str, seconds: float = 2.0) -> None:
    """Teams in turn, each beside one process with two threads: the median over rounds, and quartiles."""
    virtual = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "DEVICES": "all"}
    contenders = {
        "torch": {
            "one process of two threads": lambda: Team("torch", 1, 2),
            "one worker of two threads, started by torchrun": lambda: Team("torch", 1, 2, TORCHELASTIC_RUN_ID="x"),
            "two workers of one thread": lambda: Team("torch", 2, 1),
        },
        "jax": {
            "one process of two threads": lambda: Team("jax", 1, 2),
            "one device of one, with `devices`": lambda: Team("jax", 1, 2, DEVICES="all"),
            "one process of two devices": lambda: Team("jax", 1, 2, **virtual),
            "two processes of one thread": lambda: Team("jax", 2, 1, DEVICES="all"),
        },
    }
    print(
        "| backend | who plays | examples/s | of one process | of its examples per CPU second |\n|---|---|---|---|---|"
    )
    for backend, makers in contenders.items():
        if only and backend not in only.split(","):
            continue
        teams = {name: make() for name, make in makers.items()}
        for team in teams.values():
            team.play(20)
        first = next(iter(teams.values()))
        steps = max(1, round(20 * seconds / first.play(20)[0]))
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in teams}
        for i in range(rounds):
            for name in list(teams)[:: 1 if i % 2 == 0 else -1]:  # there and back, so that drift favours nobody
                found[name].append(teams[name].play(steps))
        one = next(iter(found.values()))
        for name, turns in found.items():
            teams[name].end()
            speed = np.median([steps * SPEED["batch_size"] / wall for wall, _ in turns])
            low, middle, high = np.percentile([a / b for (a, _), (b, _) in zip(one, turns, strict=True)], (25, 50, 75))
            cpu = np.median([a / b for (_, a), (_, b) in zip(one, turns, strict=True)])
            ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            print(f"| {backend} | {name} | {speed:.0f} | {ratio} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
