"""Programs that open exports where gankit cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ALONE = """
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].partition("_")[0] == "gankit":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Forbidden())
try:
    import gankit
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("gankit can be imported")

import os
import numpy as np

for number, file in enumerate(sys.argv[1:]):
    os.chdir(os.path.dirname(file))
    names = {}
    exec(open(file).read(), names)
    with np.load("asked.npz") as asked:
        given = {name: asked[name] for name in asked.files}
    n, seed = int(given.pop("n")), int(given.pop("seed"))
    np.savez("answers.npz", samples=names["sample"](n, seed=seed, **given), first=names["sample"](1, seed=seed, **{
        name: values[:1] for name, values in given.items()
    }))
assert not [name for name in sys.modules if name.startswith("gankit")]
"""


def opened_alone(snippets: dict[Path, str], asked: dict[Path, dict[str, Any]]) -> dict[Path, tuple[Any, Any]]:
    """What the snippets of some folders, run one after the other in one process without gankit, answer: (n samples, the
    first of them asked for by itself). asked: n, seed and conditions."""
    files = []
    for folder, text in snippets.items():
        files.append(folder / "snippet.py")
        files[-1].write_text(text, "utf-8")
        np.savez(folder / "asked.npz", **asked[folder])
    command = [sys.executable, "-c", ALONE, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = {}
    for folder in snippets:
        with np.load(folder / "answers.npz") as found:
            answers[folder] = found["samples"], found["first"]
    return answers
