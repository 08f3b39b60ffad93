"""One owner of a run folder: whoever trains in it holds a lock, which ends with its process. Readers need none."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from gankit import disk
from gankit.errors import ConfigError, RunInUseError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"
"""In the run folder; what is in it says who holds it."""


class Owner:
    """Holds a run folder, in a `with` block or until `release`. Raises RunInUseError where another process does.

    The lock is the kernel's (flock, which network file systems pass on), so that of a process that died is free, and a
    process id that was given anew means nothing. Where a file system has no locks, the file itself is the lock, and
    its owner is looked for by its number on its own machine.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = lambda text: None) -> None:
        self.folder, self._say = folder, say
        self._made = [each for each in (folder, *folder.parents) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"The folder {folder} cannot be created: {error.strerror or error}. Name another with --out."
            ) from error
        self._path = folder / NAME
        try:
            self._file = self._locked()
        except BaseException:
            self._remove_folders()
            raise
        self._sign()

    def __enter__(self) -> Owner:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go; folders that were made for the lock alone are removed."""
        if self._file < 0:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()  # while it is held: afterwards it may be somebody else's
        with contextlib.suppress(OSError):
            os.close(self._file)
        self._file = -1
        self._remove_folders()

    def _remove_folders(self) -> None:
        for each in self._made:
            with contextlib.suppress(OSError):  # it is not empty
                each.rmdir()

    def _locked(self) -> int:
        """The lock file, open and held."""
        for _ in range(100):
            try:
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
            except OSError as error:
                raise disk.named(error, self._path) from error
            try:
                if self._hold(file) and _is_there(file, self._path):
                    return file
            except BaseException:
                os.close(file)
                raise
            os.close(file)  # its owner let go, and removed it, between the two
        raise RunInUseError(f"{self.folder} is locked and unlocked all the time. Try again.")

    def _hold(self, file: int) -> bool:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if not _is_there(file, self._path):
                    return False
                raise self._in_use(_read(file), "") from None
            except OSError:  # a file system without locks
                pass
        holder = _read(file)
        pid, here = holder.get("pid", ""), holder.get("host") == socket.gethostname()
        if not holder or (here and not (pid.isdecimal() and disk.alive(int(pid)))):
            return True
        raise self._in_use(holder, f" If that process is gone, remove {self._path}: this disk has no locks.")

    def _in_use(self, holder: dict[str, str], more: str) -> RunInUseError:
        who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}, since {holder.get('since', '?')}"
        return RunInUseError(
            f"{self.folder} is being trained by {who}. Wait for it or stop it; to train beside it, add --new or name "
            f"another folder with --out.{more}"
        )

    def _sign(self) -> None:
        """Say who holds it; only told to others, so nothing depends on it."""
        before = _read(self._file)
        if before:
            self._say(
                f"{self.folder} was left by process {before.get('pid', '?')} on {before.get('host', '?')}, which did "
                "not come to its end; taking it over."
            )
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, text.encode())


def _is_there(file: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except OSError:
        return False


def _read(file: int) -> dict[str, str]:
    """Who holds the lock, as far as that can be read."""
    try:
        os.lseek(file, 0, os.SEEK_SET)
        holder = json.loads(os.read(file, 1000))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(holder, dict):
        return {}
    return {key: str(holder[key])[:100] for key in ("pid", "host", "since") if key in holder}
