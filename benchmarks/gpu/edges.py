"""What each mode does at the edge: memory that runs out, two processes on one GPU, no GPU to be seen."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.gpu.stages import Options, Save

TOO_LARGE = {"cuda": 2**21, "cpu": 2**30}
"""Examples in a batch that no device of that kind can hold."""
OUT_OF_MEMORY = """
import sys, gankit
backend, device, batch, folder = sys.argv[1:]
data = "mnist" if device == "cuda" else "digits"
recipe = "dcgan" if device == "cuda" else "cgan"
game = gankit.build(backend, recipe=recipe, data=data, device=device, batch_size=64).fit(steps=3)
game.save(folder)
try:
    gankit.build(backend, recipe=recipe, data=data, device=device, batch_size=int(batch)).fit(steps=1)
except gankit.GankitError as error:
    print("OWN", type(error).__name__, error)
except Exception as error:
    print("FOREIGN", type(error).__name__, str(error).splitlines()[0][:300])
again = gankit.load(folder, backend=backend, device=device)
game.fit(steps=2), again.fit(steps=2)
print("GOES ON")
"""
TRAIN = ("train", "--recipe", "mlp", "--steps", "300", "--sample-every", "300")


def edges(options: Options, save: Save) -> None:
    found: dict[str, Any] = {"out of memory": {}, "two processes": {}, "no GPU": {}, "wrong": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backend in ("torch", "jax"):
            if not options.quick:
                said = python(OUT_OF_MEMORY, backend, options.device, str(TOO_LARGE[options.device]), folder / backend)
                found["out of memory"][backend] = said
                if "OWN" not in said or "batch_size" not in said:
                    found["wrong"].append(f"out of memory on {backend}: {said}")
                if "GOES ON" not in said:
                    found["wrong"].append(f"after running out of memory {backend} does not go on: {said}")
                save(found)
            command = [sys.executable, "-m", "gankit", *TRAIN, "--backend", backend]
            at_once = [
                subprocess.Popen(
                    [*command, "--device", options.device, "--out", str(folder / f"{backend}-{i}")], **PIPES
                )
                for i in range(2)
            ]
            ended = [(process.communicate()[0], process.returncode) for process in at_once]
            found["two processes"][backend] = [code for _, code in ended]
            if any(code for _, code in ended):
                found["wrong"].append(f"two processes on {backend}: {ended[0][0][-300:]} {ended[1][0][-300:]}")
            save(found)
            hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
            alone = subprocess.run(
                [*command, "--out", str(folder / f"{backend}-hidden")], capture_output=True, text=True, env=hidden
            )
            asked = subprocess.run(
                [*command, "--device", "cuda", "--out", str(folder / f"{backend}-asked")],
                capture_output=True,
                text=True,
                env=hidden,
            )
            found["no GPU"][backend] = {"auto": alone.returncode, "cuda": asked.stderr[-400:], "code": asked.returncode}
            if alone.returncode:
                found["wrong"].append(f"no GPU to be seen, {backend}: {alone.stderr[-300:]}")
            if not asked.returncode or "Traceback" in asked.stderr:
                found["wrong"].append(f"device cuda where none is to be seen, {backend}: {asked.stderr[-300:]}")
            save(found)


PIPES: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def python(program: str, *arguments: Any) -> str:
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    return done.stdout.strip() or f"exit code {done.returncode}: {done.stderr[-400:]}"
