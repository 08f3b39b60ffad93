"""Whether the numbers are right on a GPU: the conformance suite, tests that need one, one run everywhere, resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, as_completed, wait
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.stages import Options, Save

CGAN_STEPS, CGAN_BOUND = 200, 1e-8
RECIPE_STEPS, RECIPE_BOUND = 20, 1e-7
HALF = 6
"""Steps before and after a run is resumed."""
CUDA_TESTS = ("backends/torch/tests/test_graphs_on_cuda.py", "backends/torch/tests/test_devices.py")
GROUPS = ("entry", "ops", "layers", "losses", "step", "training", "same seed", "resume")
QUICK_RECIPES = ("mlp", "dcgan")
BACKENDS = ("torch", "jax")


def suite_torch(options: Options, save: Save) -> None:
    suite("torch", options, save)


def suite_jax(options: Options, save: Save) -> None:
    suite("jax", options, save)


def suite(backend: str, options: Options, save: Save) -> None:
    """The conformance suite, in float32 and float64 as each check asks, its groups at once. Quick: the step's alone."""
    command = [sys.executable, "-m", "gankit.conformance", "--backend", backend, "--device", options.device]
    groups = ("step",) if options.quick else GROUPS
    started = {
        group: subprocess.Popen(
            [*command, "--quick", "--json", "--only", group], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for group in groups
    }
    found: dict[str, Any] = {"counts": {}, "seconds_of": {}, "wrong": [], "rows": []}
    begun = time.perf_counter()
    for group, process in started.items():
        out, errors = process.communicate()
        print(errors, flush=True)
        found["seconds_of"][group] = round(time.perf_counter() - begun, 1)
        try:
            results = json.loads(out)["results"]
        except ValueError:
            found["wrong"].append(f"{group}: {errors.strip().splitlines()[-1:]}")
            results = []
        for row in results:
            found["counts"][row["outcome"]] = found["counts"].get(row["outcome"], 0) + 1
        others = [row for row in results if row["outcome"] != "pass"]
        found["rows"] += others
        found["wrong"] += [f"{row['check']}: {row['message']}" for row in others if row["outcome"] == "fail"]
        save(found)


def tests(options: Options, save: Save) -> None:
    """Every test that is skipped without a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=short", "-p", "no:cacheprovider", *CUDA_TESTS]
    done = subprocess.run(command, capture_output=True, text=True)
    print(done.stdout, done.stderr, flush=True)
    lines = done.stdout.splitlines()
    wrong = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    if done.returncode not in (0, 1):
        wrong.append(f"pytest ended with {done.returncode}")
    save({"summary": lines[-1] if lines else "", "wrong": wrong})


def same_run(options: Options, save: Save) -> None:
    """The same game in float64 on torch and on JAX on the device, and on torch on the CPU, number for number."""
    from tests.recipe_games import DROPOUT, GAMES

    cgan = ("cgan", CGAN_STEPS, CGAN_BOUND)
    recipes = [(name, RECIPE_STEPS, RECIPE_BOUND) for name in _some(GAMES, options)]
    jobs = [(*job, options.device) for job in [cgan, *recipes]]
    found: dict[str, Any] = {"without dropout": list(DROPOUT), "games": [], "wrong": []}
    for row in _in_processes(_apart, jobs):
        found["games"].append(row)
        worst = max((a["apart"] for a in row.get("pairs", ())), default=0.0)
        if "error" in row or not worst <= row["bound"]:
            found["wrong"].append(f"{row['recipe']}, {row['steps']} steps: {row.get('error', worst)}")
        save(found)


def _apart(job: tuple[str, int, float, str]) -> dict[str, Any]:
    """How far the runs of one game are from each other."""
    recipe, steps, bound, device = job
    row: dict[str, Any] = {"recipe": recipe, "steps": steps, "bound": bound, "pairs": []}
    try:
        game = {"recipe": "cgan"} if steps == CGAN_STEPS else _small(recipe, dropout=False)
        where = {f"torch-{device}": ("torch", device), f"jax-{device}": ("jax", device), "torch-cpu": ("torch", "cpu")}
        runs = {name: _leaves(backend, device, steps, game, "float64") for name, (backend, device) in where.items()}
        for (one, a), (other, b) in combinations(runs.items(), 2):
            apart = {name: float(np.abs(a[name] - b[name]).max(initial=0.0)) for name in a}
            worst = max(apart, key=lambda name: apart[name])
            row["pairs"].append({"runs": [one, other], "apart": apart[worst], "in": worst})
    except Exception as error:
        traceback.print_exc()
        row["error"] = f"{type(error).__name__}: {error}".split("\n")[0]
    return row


def resume(options: Options, save: Save) -> None:
    """Half a run, saved, resumed in another process, beside the whole run: bit for bit, recipe by recipe, float32."""
    from tests.recipe_games import GAMES

    found: dict[str, Any] = {"games": [], "wrong": []}
    with tempfile.TemporaryDirectory() as folder, _processes() as pool:
        jobs = [(recipe, backend, options.device, folder) for recipe in _some(GAMES, options) for backend in BACKENDS]
        ahead = {pool.submit(_begin, job): job for job in jobs}
        running = {**ahead}
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                row, job = done.result(), running.pop(done)
                if done in ahead and "error" not in row:
                    running[pool.submit(_finish, job)] = job
                    continue
                found["games"].append(row)
                if "error" in row or row["unequal"]:
                    said = (
                        row.get("error") or f"{row['unequal']} of {row['arrays']} arrays, by up to {row['apart']:.1e}"
                    )
                    found["wrong"].append(f"{row['recipe']} on {row['backend']}: {said}")
                save(found)


def _begin(job: tuple[str, str, str, str]) -> dict[str, Any]:
    """Play a whole run and half a run, and save both."""
    recipe, backend, device, folder = job

    def play() -> None:
        import gankit

        for steps in (HALF, 2 * HALF):
            game = gankit.build(backend=backend, device=device, **_small(recipe, dropout=True))
            game.fit(steps=steps).save(Path(folder) / f"{recipe}-{backend}-{steps}.safetensors")

    return _told({"recipe": recipe, "backend": backend}, play)


def _finish(job: tuple[str, str, str, str]) -> dict[str, Any]:
    """Resume the half, and compare."""
    recipe, backend, device, folder = job
    row: dict[str, Any] = {"recipe": recipe, "backend": backend}

    def play() -> None:
        import gankit
        from gankit import checkpoint
        from tests.parity.agreement import leaves

        half, whole = (Path(folder) / f"{recipe}-{backend}-{steps}.safetensors" for steps in (HALF, 2 * HALF))
        settings = _small(recipe, dropout=True)
        data, sources = settings["data"], settings.get("sources")
        resumed = gankit.load(half, backend=backend, device=device, sources=sources)
        got, want = leaves(resumed.fit(data, steps=HALF)), checkpoint.read(whole)[0]
        apart = {name: float(np.abs(got[name] - want[name]).max(initial=0.0)) for name in want}
        unequal = [name for name in want if not np.array_equal(got[name], want[name])]
        row.update(arrays=len(want), unequal=len(unequal), apart=max(apart.values()), which=unequal[:5])

    return _told(row, play)


def _told(row: dict[str, Any], play: Callable[[], None]) -> dict[str, Any]:
    try:
        play()
    except Exception as error:
        traceback.print_exc()
        row["error"] = f"{type(error).__name__}: {error}".split("\n")[0]
    return row


def _small(recipe: str, *, dropout: bool) -> dict[str, Any]:
    from tests.parity.test_recipes import game

    return game(recipe, dropout=dropout)


def _leaves(backend: str, device: str, steps: int, game: dict[str, Any], dtype: str) -> dict[str, Any]:
    import gankit
    from tests.parity.agreement import leaves

    return leaves(gankit.build(backend=backend, device=device, dtype=dtype, **game).fit(steps=steps))


def _some(names: Iterable[str], options: Options) -> list[str]:
    return list(QUICK_RECIPES) if options.quick else list(names)


def _in_processes(f: Callable[[Any], dict[str, Any]], jobs: list[Any]) -> Iterable[dict[str, Any]]:
    """f of each job as it is done, a new process to each: compilers and memory start afresh."""
    with _processes() as pool:
        for done in as_completed([pool.submit(f, job) for job in jobs]):
            yield done.result()


def _processes() -> ProcessPoolExecutor:
    workers = max(1, min(10, (os.cpu_count() or 1) * 2 // 3))
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1)
