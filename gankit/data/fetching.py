"""Where the files of a well-known data set are looked for, and how they are downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from gankit.errors import DataError

FOLDER_VARIABLE = "GANKIT_DATA"


def folders(name: str) -> list[Path]:
    """`$GANKIT_DATA/name` and `$GANKIT_DATA`; none where the variable is not set."""
    root = os.environ.get(FOLDER_VARIABLE)
    return [Path(root).expanduser() / name, Path(root).expanduser()] if root else []


def fetch(title: str, name: str, urls: Sequence[str], known_hash: str, example: str) -> Path:
    """The file in the user's cache folder, downloaded there from the first address that gives it whole.

    title: of the data set, for messages; name: of its folder.
    known_hash: "sha256:..." or "md5:...", which the file must have.
    example: what $GANKIT_DATA should hold instead.

    Raises DataError, naming both ways out, without pooch and where every download fails.
    """
    try:
        pooch = import_module("pooch")  # untyped, and not everyone has it
    except ImportError as error:
        remedy = _remedy(title, name, example)
        raise DataError(f"Downloading {title} needs pooch ({error}). {remedy}") from error
    failures = []
    for url in urls:
        try:
            cache = pooch.os_cache("gankit") / name
            return Path(pooch.retrieve(url, known_hash=known_hash, fname=url.rpartition("/")[2], path=cache))
        except (OSError, ValueError) as error:  # requests' errors are OSErrors, a wrong checksum a ValueError
            failures.append(f"{url}: {error}")
    raise DataError(f"{title} could not be downloaded ({'; '.join(failures)}). {_remedy(title, name, example)}")


def _remedy(title: str, name: str, example: str) -> str:
    looked = folders(name)
    tried = f"{FOLDER_VARIABLE} is set, but there is no {title} in {looked[0]} or {looked[1]}. " if looked else ""
    return (
        f"{tried}Either run `pip install 'gankit[fetch]'` where there is a network, or set {FOLDER_VARIABLE} "
        f"to a folder that has {example}."
    )
