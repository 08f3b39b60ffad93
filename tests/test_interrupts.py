"""What a signal does that falls where Python loses exceptions, or where an exception breaks foreign code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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


def test_an_import_is_not_broken_off(tmp_path, monkeypatch):
    """A compiled module that is imported calls Python, and crashes where that raises."""
    lines = ["import os, signal, time", "os.kill(os.getpid(), signal.SIGTERM)", "time.sleep(0.1)", "whole = True"]
    (tmp_path / "heavy_module.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    usual = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]
    with Asked().taken([signal.SIGTERM]), pytest.raises(Stopped) as stopped:
        import heavy_module

        assert heavy_module.whole
        time.sleep(5)
    assert stopped.value.number == signal.SIGTERM and sys.modules.pop("heavy_module").whole
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)] == usual
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_timer_that_the_signal_kept_from_being_cancelled_does_not_hold_the_process_up():
    lines = [
        "import os, signal, threading, time",
        "from gankit.cli.stopping import stoppable",
        "with stoppable():",
        "    threading.Timer(60, print).start()",
        "    os.kill(os.getpid(), signal.SIGTERM)",
        "    time.sleep(10)",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=30)
    assert "Stopped" in done.stderr
