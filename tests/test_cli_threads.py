"""How the command line lets OpenMP's threads wait: a moment awake, then asleep; or as the user has said."""

from __future__ import annotations

import os
import sys

import pytest

from gankit.cli import main

WAYS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize("said", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}], ids=str)
def test_threads_wait_as_the_user_says_and_else_neither_spin_for_long_nor_sleep_at_once(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str]
) -> None:
    for name in WAYS:
        monkeypatch.setenv(name, "to be put back afterwards")
        monkeypatch.delenv(name)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["gankit", "--version"])
    with pytest.raises(SystemExit):
        main()
    found = {name: os.environ[name] for name in WAYS if name in os.environ}
    assert found == (said or {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "5000"})
