"""The fast paths, and the switch of each, for whoever wants to know whether one is to blame.

    GANKIT_WITHOUT=slopes,patches gankit train ...      # the plain way; or GANKIT_WITHOUT=all

Every one computes what the plain way does, to rounding; "slopes", where D has dropout or augmentations, with the masks
of the pass that judges in place of others. Set the variable before a game is built.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gankit.errors import ConfigError, did_you_mean, one_of

VARIABLE = "GANKIT_WITHOUT"
FAST: Mapping[str, str] = {
    "ahead": "latents and examples of the next steps made ready on a thread",
    "heap": "`gankit train`: memory that is freed stays with the process",
    "slopes": "D's slopes for R1 and R2 from the pass that judges",
    "recorded": "torch: gradients, and networks outside training, as the plain list of their operations",
    "graphs": "torch, CUDA: those operations launched at once, as a CUDA graph",
    "whole": "torch, CUDA: whole steps as one graph, optimizers and average included",
    "threads": "torch, CPU: one thread for a small dense game",
    "onednn": "torch, CPU: large matrix products through oneDNN",
    "pointwise": "torch: convolutions of size 1 as matrix products",
    "patches": "jax, CPU: convolutions as matrix products",
}


def on(name: str) -> bool:
    """Whether a fast path is on; raises ConfigError where the variable names one that does not exist."""
    off = {word.strip() for word in os.environ.get(VARIABLE, "").split(",")} - {""}
    for word in off - {*FAST, "all"}:
        raise ConfigError(
            f"{VARIABLE}={word!r}: there is no such fast path.{did_you_mean(word, FAST)} "
            f"Possible: {one_of(FAST)}, or 'all'."
        )
    return not off & {name, "all"}


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Inside, these fast paths are off in networks that are built."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ",".join(filter(None, [before, *names]))
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
