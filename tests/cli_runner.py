"""The command line as a user meets it: in this process, or as one of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

COMMAND = [sys.executable, "-c", "from gankit.cli import main; main()"]

HANDLER = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
INTERRUPTIBLE = [*COMMAND[:-1], HANDLER + COMMAND[-1]]
"""A test runner in the background ignores Ctrl-C, and its children would inherit that."""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def run(*arguments: str, cwd: Path | None = None) -> Outcome:
    """One `gankit` command in a process of its own."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=cwd, timeout=300)
    return Outcome(done.returncode, done.stdout, done.stderr)


class Cli:
    """`cli("train", "--steps", "10")` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        # What the commands set where nobody has: put back after the test.
        for name, value in {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": "1"}.items():
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments: object) -> Outcome:
        from gankit.cli import main

        self._monkeypatch.setattr(sys, "argv", ["gankit", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, *self._capsys.readouterr())
