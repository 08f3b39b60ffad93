"""One run of a sweep in its process: `gankit train`, which ends in good order when whoever started it is gone.

Its stdin is a pipe that the sweep holds open, and that ends with it, however that ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def main() -> None:
    """`python -m gankit.sweeping.child train …`."""
    from gankit.cli import main as gankit

    threading.Thread(target=_listen, args=(sys.stdin.fileno(),), name="gankit-sweep", daemon=True).start()
    sys.argv[0] = "gankit"
    gankit()


def _listen(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
