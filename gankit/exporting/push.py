"""`gankit push`: a game to the Hugging Face Hub, as the folder that `gankit export --to safetensors` writes."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gankit.errors import ConfigError, GankitError
from gankit.exporting import source_of
from gankit.exporting.folder import GRAPH, PICTURE, export_folder
from gankit.hub import library
from gankit.play.game import G


def push(source: Any, repo: str, *, private: bool = False, step: int | None = None, player: str = G) -> str:
    """Upload a game to a repository of the Hub, and create it if needed. Returns its address, hf://user/repo.

    source, step, player: as for `gankit.export`. private: whether only the owner sees a new repository.
    Raises ConfigError for an invalid name, or if huggingface_hub is missing; GankitError if the Hub refuses.
    """
    repo = repo.removeprefix("hf://")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ConfigError(f"{repo!r} is no repository. Expected user/name, as the Hub writes it.")
    api, found = library().HfApi(library_name="gankit"), source_of(source, step)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "game"
        exported = export_folder(found, folder, player, f"hf://{repo}")
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                commit_message=f"{found.name} after {exported.steps:,} steps",
                delete_patterns=[GRAPH, PICTURE],  # those of an earlier game, where this one has none
            )
        except Exception as error:  # whatever the network, or the Hub, has to say
            said = str(error).strip().partition("\n")[0][:200]
            raise GankitError(
                f"The Hub did not take {repo} ({type(error).__name__}: {said}). Does it know you? hf auth login"
            ) from error
    return f"hf://{repo}"
