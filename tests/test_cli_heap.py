"""What `gankit train` tells the C library, in a process of its own: it is the whole process's."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, threading
import numpy as np
from gankit.cli.heap import keep_freed_memory

if {keep}:
    keep_freed_memory()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**26, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def report():
    faults()
    print(faults())

report()
thread = threading.Thread(target=report)
thread.start()
thread.join()
"""


def faults(keep: bool) -> list[int]:
    done = subprocess.run([sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_memory_taken_again_needs_no_new_pages() -> None:
    """64 MB are 16,384 pages, or 32 where the kernel gives them out by the 2 MB; on another thread as well."""
    kept = faults(keep=True)
    assert max(kept) <= 4, kept
    assert min(faults(keep=False)) >= 16, "the check would see nothing here"
