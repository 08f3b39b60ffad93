"""Games on the Hugging Face Hub, as data: of `hf://user/repo` one file is fetched, and nothing of it is executed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from gankit import __version__
from gankit.checkpoint import MODEL
from gankit.errors import CheckpointError, ConfigError

ADDRESS = re.compile(r"hf:/{1,2}(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?/?")
"""One slash, too: a Path has made one of two."""


def located(path: str | os.PathLike[str]) -> Path:
    """The path itself; of `hf://user/repo` or `hf://user/repo@revision` that of the checkpoint, which is fetched into
    the Hub's own cache.

    Raises ConfigError for another address or where huggingface_hub is missing, CheckpointError where there is no game.
    """
    text = os.fspath(path).replace("\\", "/")
    if not text.startswith("hf:"):
        return Path(path)
    found = ADDRESS.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{text!r} is not an address on the Hub. Expected hf://user/repo, or hf://user/repo@revision."
        )
    fetch, repo = library().hf_hub_download, found["repo"]
    try:
        return Path(fetch(repo, MODEL, revision=found["revision"], library_name="gankit", library_version=__version__))
    except Exception as error:  # whatever the network, or the Hub, has to say
        raise CheckpointError(
            f"hf://{repo}: {MODEL} could not be downloaded ({_first_line(error)}). Did `gankit push` put it "
            "there? A private repository needs a login: hf auth login."
        ) from error


def library() -> Any:
    """huggingface_hub; raises ConfigError where it is missing."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ConfigError(f"The Hub needs huggingface_hub ({error}). Type pip install 'gankit[hub]'") from error
    return huggingface_hub


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
