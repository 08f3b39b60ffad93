"""What a backend does to the process that it is opened in: nothing that the user would notice."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import subprocess
import sys
import warnings
from typing import Any

import numpy as np

from gankit.conformance.brought import DROPPING, both
from gankit.conformance.compare import bit_equal, require
from gankit.conformance.games import leaves, small, start
from gankit.conformance.installed import imports
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.errors import CapabilityError
from gankit.interfaces import Backend
from gankit.plug.capabilities import FLOAT64

PATIENCE = 300
"""Seconds given to a new process."""
NATIVE = ("get_rng_state", "get_default_dtype", "get_default_device", "is_grad_enabled", "get_num_threads")
"""Functions by which frameworks tell of their global state, where they have them."""


def check_loading_is_silent_and_draws_no_random_numbers(subject: Subject) -> None:
    """A user's seeded script would depend on imports, and a printed greeting would corrupt piped output."""
    call = "import sys; from gankit.conformance.manners import load_quietly; load_quietly(*sys.argv[1:])"
    command = [sys.executable, "-c", call, subject.name, subject.device]
    child = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=os.environ.copy())
    require(child.returncode == 0, f"Opening it in a new process: {child.stderr[-1500:]}")
    require(child.stdout == "", f"Opening it prints {child.stdout[:200]!r}. Likely cause: a print; use logging.")


def load_quietly(name: str, device: str) -> None:
    """What the new process does; ends it with a message when something has changed."""
    from gankit.building import open_backend

    random.seed(3)
    np.random.seed(3)
    before = users_state()
    open_backend(name, device, "float32")
    if changed := different(before, users_state()):
        sys.exit(f"the first opening changes {changed}")


def check_playing_disturbs_nothing(subject: Subject) -> None:
    """Training would change the user's own random numbers, error handling, logging or tensors."""
    subject.make("float32")  # what the framework does once, when it is first used, is not the backend's doing
    frameworks = imports(subject)
    before, said = users_state() | frameworks_state(frameworks), io.StringIO()
    with contextlib.redirect_stdout(said):
        played(subject.make("float32"), steps=2)
        with contextlib.suppress(CapabilityError):
            both(subject, DROPPING)[1].fit(steps=2)  # a module of one's own, which has dropout from its framework
    after = users_state() | frameworks_state(frameworks)
    changed = different(before, after)
    require(not changed, f"A game of two steps changes {changed}. Likely cause: a setting that is not put back.")
    require(said.getvalue() == "", f"A game prints {said.getvalue()[:200]!r}. Likely cause: a print; use logging.")


def check_instances_do_not_disturb_each_other(subject: Subject) -> None:
    """A second game in another dtype would change the numbers of the first, which still trains."""
    want = leaves(played(subject.make("float32"), steps=5))
    first = played(subject.make("float32"), steps=2)
    played(subject.make("float64" if FLOAT64 in subject.capabilities else "float32"), steps=1)
    cause = "a default dtype, or another setting, of the whole process."
    bit_equal(leaves(first.fit(steps=3)), want, "a float32 game beside another game", cause=cause)
    again = leaves(played(subject.make("float32"), steps=5))
    bit_equal(again, want, "a float32 game after another game", cause=cause)


def played(backend: Backend, *, steps: int) -> Any:
    """A small game after some steps, and a look at its samples and scores."""
    trainer = start(backend, small(dtype=backend.dtype)).fit(steps=steps)
    trainer.sample(2)
    trainer.score(np.zeros((2, 3, 2, 1), np.uint8))
    return trainer


def users_state() -> dict[str, Any]:
    """What belongs to the user in a Python process, by what it is called."""
    numpys = np.random.get_state()
    return {
        "NumPy's random state": (numpys[1].tobytes(), *numpys[2:]),  # type: ignore[index]
        "NumPy's error handling": np.geterr(),
        "NumPy's print options": repr(np.get_printoptions()),
        "Python's random state": random.getstate(),
        "the folder": os.getcwd(),
        "sys.stdout": id(sys.stdout),
        "sys.excepthook": sys.excepthook,
        "the recursion limit": sys.getrecursionlimit(),
        "the root logger": (logging.root.level, list(logging.root.handlers)),
        **{f"os.environ[{name!r}]": value for name, value in os.environ.items() if name.startswith("PYTHON")},
    }


def frameworks_state(tops: set[str]) -> dict[str, Any]:
    """What frameworks that are imported tell of their global state, and the filters of warnings, once all is there."""
    # A library that is imported late may bring filters for warnings of its own, which are nobody else's business.
    filters = [known for known in warnings.filters if known[2].__module__ == "builtins"]
    state: dict[str, Any] = {"the filters of warnings": filters}
    for top in sorted(tops & set(sys.modules)):
        for name in NATIVE:
            told = getattr(sys.modules[top], name, None)
            if callable(told):
                state[f"{top}.{name}()"] = repr(np.asarray(told()).tolist())
    return state


def different(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The names of what is not as it was, for a message."""
    return ", ".join(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


CHECKS: tuple[Check, ...] = (
    check_loading_is_silent_and_draws_no_random_numbers,
    check_playing_disturbs_nothing,
    check_instances_do_not_disturb_each_other,
)
