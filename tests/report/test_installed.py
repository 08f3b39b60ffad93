"""Whoever reads a report can install what it was made with, and learns nothing of whose machine it was made on."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace
from typing import Any

import pytest

from gankit.report import installed

GIT = {"url": "https://github.com/them/gankit", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}
CHECKOUT = {"url": "file:///home/alice/src/gan%20kit", "dir_info": {"editable": True}}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is installed: direct_url.json by distribution, each in version 1.0."""
    found: dict[str, Any] = {}

    def distribution(name: str) -> Any:
        if name not in found:
            raise PackageNotFoundError(name)
        text = found[name] if isinstance(found[name], str | None) else json.dumps(found[name])
        return SimpleNamespace(version="1.0", read_text=lambda file: text if file == "direct_url.json" else None)

    monkeypatch.setattr(installed, "distribution", distribution)
    return found


def words(own: str = "1.0", **others: str) -> list[str]:
    return installed.requirements(own, {name.replace("_", "-"): version for name, version in others.items()})


def test_from_an_index_it_is_the_version(there: dict[str, Any]) -> None:
    there |= {"gankit": None, "gankit-torch": None}
    assert words(gankit_torch="1.0") == ["gankit==1.0", "gankit-torch==1.0"]
    assert words("") == ["gankit"]
    assert not installed.from_a_checkout()


def test_from_a_repository_it_is_the_very_commit(there: dict[str, Any]) -> None:
    there |= {"gankit": GIT, "gankit-torch": {**GIT, "subdirectory": "backends/torch"}}
    assert words(gankit_torch="1.0") == [
        "gankit @ git+https://github.com/them/gankit@abc123",
        "gankit-torch @ git+https://github.com/them/gankit@abc123#subdirectory=backends/torch",
    ]


def test_from_a_checkout_it_is_the_folder_inside_of_one(there: dict[str, Any]) -> None:
    there |= {
        "gankit": CHECKOUT,
        "gankit-torch": {**CHECKOUT, "url": CHECKOUT["url"] + "/backends/torch"},
        "gankit-classic": {"url": CHECKOUT["url"] + "/plugins/classic", "dir_info": {}},
        "gankit-mine": {**CHECKOUT, "url": "file:///home/alice/gankit-mine"},
    }
    found = words(gankit_torch="1.0", gankit_classic="1.0", gankit_mine="1.0")
    assert found == ["-e", ".", "-e", "backends/torch", "./plugins/classic", "-e", "gankit-mine"]
    assert installed.from_a_checkout()


def test_from_an_archive_it_is_its_name_or_address(there: dict[str, Any]) -> None:
    there |= {
        "gankit": {"url": "file:///home/alice/gankit-1.0-py3-none-any.whl", "archive_info": {}},
        "gankit-torch": {"url": "https://example.org/gankit_torch-1.0.whl", "archive_info": {}},
    }
    assert words(gankit_torch="1.0") == [
        "gankit-1.0-py3-none-any.whl",
        "gankit-torch @ https://example.org/gankit_torch-1.0.whl",
    ]


@pytest.mark.parametrize("url", ["https://alice:secret@github.com/them/gankit", "ssh://git@github.com/them/gankit"])
def test_nobody_is_named_and_no_password_told(there: dict[str, Any], url: str) -> None:
    there |= {"gankit": {**GIT, "url": url}}
    [word] = words()
    assert "alice" not in word and "secret" not in word and "@github.com" not in word and word.endswith("@abc123")


def test_a_run_of_another_version_is_told_by_that_version(there: dict[str, Any]) -> None:
    there |= {"gankit": GIT}
    assert words("0.9") == ["gankit==0.9"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": 3}', "null"])
def test_a_damaged_note_is_none(there: dict[str, Any], text: str) -> None:
    there |= {"gankit": text}
    assert words() == ["gankit==1.0"]
    assert words(nowhere="2.0")[1:] == ["nowhere==2.0"]
