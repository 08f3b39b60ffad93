"""Memory that training frees and takes again a moment later, kept by the process in between."""

from __future__ import annotations

import sys

ARENA_MAX, MMAP_MAX, TRIM_THRESHOLD = -8, -4, -1  # of malloc.h
MOST = 2**31 - 1
"""Bytes at the end of the heap that stay when they are free."""


def keep_freed_memory() -> None:
    """Let glibc give nothing back to the kernel, who would have to clear every page anew: up to a tenth of a step of
    convolutions on the CPU, and a quarter of a second at each call of a large compiled program.

    It is the whole process's malloc, so this is for a process of our own. Elsewhere the C library does as it likes.
    """
    if sys.platform != "linux":
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # not in musl
    if mallopt is not None:
        # Only the main arena can grow to any size without a mapping of its own for each large piece.
        for parameter, value in ((ARENA_MAX, 1), (MMAP_MAX, 0), (TRIM_THRESHOLD, MOST)):
            mallopt(parameter, value)
