"""Run the notebooks of this folder, each in a kernel and an empty folder of its own: `python docs/run_notebooks.py`.

Needs the group `notebooks` of pyproject.toml, a backend, and what the notebooks name; no network. With `--keep FOLDER`
they are written there with what came out. What is committed has no outputs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent / "notebooks"
LONGEST = 240
"""Seconds that a cell may take."""


def run(path: Path, keep: Path | None) -> float:
    """How many seconds it took; raises CellExecutionError where a cell fails."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=LONGEST, resources={"metadata": {"path": folder}}).execute()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, keep / path.name)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="of notebooks; by default all")
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # 0 is pip's way to say that there is none
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not asked.names or path.stem in asked.names:
            print(f"{path.stem}: {run(path, asked.keep):.0f} s", flush=True)


if __name__ == "__main__":
    main()
