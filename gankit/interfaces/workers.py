"""Several workers that train one game together. The result is that of one worker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from gankit.interfaces.values import Array, Tree


class Workers(Protocol):
    """The processes or devices that share each minibatch, from the view of one process.

    A backend with several workers has one as `ops.workers`. A backend with one worker has none, or None.

    rank: of this process, from 0. count: the number of processes. hosts: the number of hosts. shares: into how many
    parts a minibatch is split. cut: how many of these parts the step knows: `count` if each process computes with its
    own rows, or 1 if the step computes with all rows and the backend distributes them. lanes: how many devices of each
    process can compute by themselves.

    Operations on device arrays are part of the computation: all processes do them at the same point of the step.
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
        """This process's rows of a host array whose rows lie along an axis. It gets rows from each of the `parts` parts
        over which a minibatch is accumulated: ordered by part, then by worker."""

    def dealing(self, rows: int) -> AbstractContextManager[None]:
        """A context in which this process holds so many rows of a minibatch. Arrays with a multiple of them hold
        several minibatches one after the other. Random numbers are drawn for the rows of all processes."""

    def mean(self, x: Array) -> Array:
        """The elementwise mean of an array over the processes. You can differentiate it any number of times."""

    def gathered(self, x: Array) -> Array:
        """The rows of all processes, in the order of a single process. You can differentiate it."""

    def own(self, x: Array) -> Array:
        """This process's rows of a `gathered` array."""

    def averaged(self, tree: Tree) -> Tree:
        """The mean of each float array over the processes, all in one message. Not differentiable."""

    def highest(self, numbers: Sequence[int]) -> list[int]:
        """The maximum of each number over the processes, on the host."""

    def everybody(self, text: str) -> list[str]:
        """The text of each process, by rank, on the host."""

    def collected(self, x: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """The host arrays of all processes, by rank. Their shapes may differ."""
