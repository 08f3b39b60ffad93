"""What an import does to the process is said and undone, and what it may do is left alone."""

from __future__ import annotations

import builtins
import json
import os
import sys
from pathlib import Path

import numpy as np
import numpy.random  # NumPy loads it when it is first used
import pytest

from gankit.plug.harm import unharmed


def said(action) -> list[str]:
    harm: list[str] = []
    with unharmed(harm):
        action()
    return harm


def test_numpy_is_as_it_was() -> None:
    mean, norm, errors = np.mean, np.linalg.norm, np.geterr()

    def breaks() -> None:
        np.mean = sum
        np.linalg.norm = np.random.rand = sum
        np.seterr(over="raise")

    assert said(breaks) == [
        "replaces numpy.mean",
        "replaces numpy.random.rand",
        "replaces numpy.linalg.norm",
        "calls numpy.seterr(over='raise')",
    ]
    assert (np.mean, np.linalg.norm, np.geterr()) == (mean, norm, errors) and np.random.rand(2).shape == (2,)


def test_the_path_and_the_modules_are_as_they_were() -> None:
    path, finders = list(sys.path), list(sys.meta_path)

    def breaks() -> None:
        sys.path[:] = ["/mine"]
        sys.meta_path.clear()
        del sys.modules["json"]
        sys.modules["os"] = json

    harm = said(breaks)
    assert sys.path == [*path, "/mine"] and sys.meta_path == finders
    sys.path.remove("/mine")
    assert sys.modules["json"] is json and sys.modules["os"] is os
    assert [line.split()[0] for line in harm] == ["takes", "takes", "replaces", "takes"]
    assert "off sys.path" in harm[0] and "and " in harm[0]


def test_the_folder_and_the_builtins_are_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opened = builtins.open

    def breaks() -> None:
        os.chdir("/")
        builtins.open = print

    assert said(breaks) == ["changes the working directory", "replaces builtins.open"]
    assert Path.cwd() == tmp_path and builtins.open is opened


def test_what_fails_on_the_way_is_undone_too() -> None:
    harm: list[str] = []
    with pytest.raises(ImportError), unharmed(harm):
        np.seterr(all="raise")
        raise ImportError
    assert len(harm) == 1 and np.geterr()["over"] == "warn"


def test_what_an_import_may_do_is_left_alone() -> None:
    def grows() -> None:
        sys.path.append("/mine")
        sys.modules["mine"] = json
        np.mine = sum

    assert said(grows) == []
    assert sys.path.pop() == "/mine" and sys.modules.pop("mine") and np.mine is sum
    del np.mine
