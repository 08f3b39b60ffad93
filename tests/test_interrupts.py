"""What a signal does that falls where Python loses exceptions."""

from __future__ import annotations

import os
import signal
import sys
import weakref

import pytest

from gankit.play.interrupt import Asked, Stopped


class Thing:
    """Something to refer to weakly."""


def interrupted_in_a_callback() -> None:
    """Python raises nothing out of a weak reference's callback: it prints what was raised, and goes on."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del thing
    assert reference() is None


def test_a_signal_in_a_callback_is_silent_and_heard_at_the_next_check(capsys):
    hook, asked = sys.unraisablehook, Asked()
    with asked.taken([signal.SIGINT]):
        interrupted_in_a_callback()
        assert asked()
        with pytest.raises(Stopped):
            asked.check()
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_else_is_lost_is_still_told(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_value))

    def fails(_):
        raise ValueError("of somebody else")

    with Asked().taken([signal.SIGINT]):
        thing = Thing()
        reference = weakref.ref(thing, fails)
        del thing
    assert reference() is None
    assert [str(error) for error in told] == ["of somebody else"]
