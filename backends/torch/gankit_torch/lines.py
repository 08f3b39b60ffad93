"""Memory that the workers of one host share, and a socket between each two of them to say that it is written.

gloo answers from a thread of its own. On a core that is busy computing, that thread may wait for the scheduler's next
tick: a sum over 256 numbers then takes 2 ms. Two processes that write to each other themselves need 0.1 ms. A `dcgan`
needs fourteen such sums a step.
"""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.distributed.constants import default_pg_timeout

MOST = 1 << 26
"""Bytes of all workers' arrays together, up to which each reads what all others have written."""
MEETING = 60.0
"""Seconds to wait for the others to connect."""
LEAST = 1 << 16
"""Bytes of the smallest room."""


class Lines:
    """An open socket to each other worker, and rooms of memory that all of them see.

    Every worker must make the same calls in the same order. They raise OSError where another worker is gone.
    """

    def __init__(self, rank: int, sockets: Sequence[socket.socket | None]) -> None:
        """sockets: by rank, None in one's own place."""
        self._rank, self._sockets = rank, sockets
        self._others = [(other, line) for other, line in enumerate(sockets) if line is not None]
        for _, line in self._others:
            line.settimeout(default_pg_timeout.total_seconds())
        self._rooms: dict[int, list[list[Tensor]]] = {}

    def close(self) -> None:
        for _, line in self._others:
            line.close()

    def takes(self, x: Tensor) -> bool:
        """Whether this is the way for such an array."""
        return x.is_cpu and x.nbytes * len(self._sockets) <= MOST

    def stacked(self, x: Tensor) -> Tensor:
        """(workers, *shape) what each worker has."""
        return torch.stack(self._of_each(x))

    def summed(self, x: Tensor) -> Tensor:
        """The sum over the workers, to the last bit the same on each of them."""
        first, second, *rest = self._of_each(x)
        return reduce(Tensor.add_, rest, first + second)

    def _of_each(self, x: Tensor) -> list[Tensor]:
        """What each worker has, in memory that is written again at the next call but one."""
        size = max(LEAST, 1 << (x.nbytes - 1).bit_length())
        if size not in self._rooms:
            self._rooms[size] = [self._shared(size) for _ in range(2)]
        # There are two rooms in turn: whoever has written to the other one has read all of this one.
        self._rooms[size].reverse()
        views = [room[: x.nbytes].view(x.dtype).view(x.shape) for room in self._rooms[size][0]]
        views[self._rank].copy_(x)
        for _, line in self._others:
            line.sendall(b"!")
        for _, line in self._others:
            if not line.recv(1):
                raise ConnectionResetError("the other end is closed")
        return views

    def _shared(self, size: int) -> list[Tensor]:
        """Memory of each worker, by rank, that all of them see."""
        file = os.memfd_create("gankit", os.MFD_CLOEXEC)
        os.truncate(file, size)
        files = {self._rank: file}
        for _, line in self._others:
            socket.send_fds(line, [b"@"], [file])
        for other, line in self._others:
            said, given, _flags, _address = socket.recv_fds(line, 1, 1)
            if not said:
                raise ConnectionResetError("the other end is closed")
            (files[other],) = given
        rooms = []
        for rank in sorted(files):
            rooms.append(torch.frombuffer(mmap.mmap(files[rank], size), dtype=torch.uint8))
            os.close(files[rank])
        return rooms


def connected(rank: int, count: int, everybody: Callable[[str], Sequence[str]]) -> Lines | None:
    """The lines between all workers; None where they are not all on one host with one file system, or not on Linux.

    everybody: a text of each worker to those of all, in the order of their ranks.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="gankit-")) if rank == 0 else ""
        place = Path(everybody(folder)[0])  # of worker 0
        listener = _listener(place / str(rank), count)
        if listener is not None:
            stack.enter_context(listener)
        if not all(everybody("" if listener is None else "listens")) or listener is None:
            return None
        sockets = _met(rank, count, listener, place)
        if all(everybody("" if sockets is None else "met")) and sockets is not None:
            return Lines(rank, sockets)
        for line in sockets or ():
            if line is not None:
                line.close()
        return None


def _listener(path: Path, count: int) -> socket.socket | None:
    """A socket that the others can connect to, if they see the same folder."""
    if not hasattr(os, "memfd_create"):
        return None
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        listener.listen(count)
    except OSError:
        listener.close()
        return None
    return listener


def _met(rank: int, count: int, listener: socket.socket, place: Path) -> list[socket.socket | None] | None:
    """A socket to each: connects to the lower ranks, waits for the higher ones."""
    found: list[socket.socket | None] = [None] * count
    listener.settimeout(MEETING)
    with ExitStack() as stack:
        try:
            for other in range(rank):
                line = found[other] = stack.enter_context(socket.socket(socket.AF_UNIX))
                line.connect(str(place / str(other)))
                line.sendall(rank.to_bytes(4, "little"))
            for _ in range(rank + 1, count):
                line, _address = listener.accept()
                stack.enter_context(line)
                found[int.from_bytes(line.recv(4), "little")] = line
        except OSError:
            return None
        stack.pop_all()
    return found
