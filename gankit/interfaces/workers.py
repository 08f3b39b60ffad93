"""Several workers that play one game together, and compute what one would."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from gankit.interfaces.values import Array, Tree


class Workers(Protocol):
    """The processes or devices that share each minibatch, as one of the processes sees them.

    A backend that plays with several has one as `ops.workers`; one that plays alone has none there, or None.

    rank: of this process, from 0. count: of processes. hosts: that they are on. shares: how many parts a minibatch is
    cut into. cut: how many of them the step knows of, `count` where each process computes with its own rows, or 1 where
    what it computes is meant for all rows and the backend sees to the rest. lanes: how many devices each process has,
    which may also compute each for itself.

    What is done on arrays of the device is part of the computation: all processes do it at the same place of the step.
    """

    @property
    def rank(self) -> int: ...

    @property
    def count(self) -> int: ...

    @property
    def shares(self) -> int: ...

    @property
    def hosts(self) -> int: ...

    @property
    def cut(self) -> int: ...

    @property
    def lanes(self) -> int: ...

    def rows(self, x: np.ndarray[Any, Any], axis: int, parts: int) -> np.ndarray[Any, Any]:
        """This process's rows of a host array whose rows lie along an axis. They are taken from each of `parts` parts,
        which are what a minibatch is accumulated over: part-major, then by worker."""

    def dealing(self, rows: int) -> AbstractContextManager[None]:
        """Inside, this process holds so many rows of a minibatch; arrays of a multiple of them are several minibatches
        one after the other, and numbers are drawn for the rows of all processes."""

    def mean(self, x: Array) -> Array:
        """The mean of an array over the processes, number by number; may be differentiated any number of times."""

    def gathered(self, x: Array) -> Array:
        """The rows of all processes, in the order that one process would have; may be differentiated too."""

    def own(self, x: Array) -> Array:
        """This process's rows of what is `gathered`."""

    def averaged(self, tree: Tree) -> Tree:
        """The mean of each float array over the processes, all of them in one message; not differentiated."""

    def highest(self, numbers: Sequence[int]) -> list[int]:
        """The highest of each number that the processes have, on the host."""

    def everybody(self, text: str) -> list[str]:
        """What each process says, by rank, on the host."""

    def collected(self, x: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """The host arrays that each process has, by rank; they may differ in shape."""
