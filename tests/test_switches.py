"""Which fast paths `GANKIT_WITHOUT` leaves on."""

from __future__ import annotations

import pytest

from gankit import switches
from gankit.errors import ConfigError


def left(monkeypatch: pytest.MonkeyPatch, value: str | None) -> set[str]:
    """The fast paths that are on while the variable has that value."""
    if value is None:
        monkeypatch.delenv(switches.VARIABLE, raising=False)
    else:
        monkeypatch.setenv(switches.VARIABLE, value)
    return {name for name in switches.FAST if switches.on(name)}


@pytest.mark.parametrize("value", [None, "", " ", ","], ids=repr)
def test_every_fast_path_is_on_unless_something_is_said(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    assert left(monkeypatch, value) == {*switches.FAST}


@pytest.mark.parametrize("name", switches.FAST)
def test_one_word_switches_one_off(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert left(monkeypatch, name) == {*switches.FAST} - {name}


def test_several_are_parted_by_commas_with_or_without_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    assert left(monkeypatch, " slopes, patches ,ahead,") == {*switches.FAST} - {"slopes", "patches", "ahead"}


@pytest.mark.parametrize("value", ["all", "slopes, all"])
def test_all_of_them_have_one_word(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert left(monkeypatch, value) == set()


def test_a_word_that_names_none_is_an_error_that_suggests_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever path is asked for: a misspelt switch must not leave on what it was to switch off."""
    monkeypatch.setenv(switches.VARIABLE, "ahead, slops")
    for name in switches.FAST:
        with pytest.raises(ConfigError, match=r"GANKIT_WITHOUT='slops'.*Did you mean 'slopes'\?.*'patches'.*or 'all'"):
            switches.on(name)
