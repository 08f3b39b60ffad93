"""Games on the Hub, with a folder in its place that is asked as the Hub is."""

from __future__ import annotations

import inspect
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import gankit
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import leaves
from gankit.errors import CheckpointError, ConfigError
from gankit.hub import located
from tests.cli_runner import Cli

real = pytest.importorskip("huggingface_hub")
SMALL = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "batch_size": 4}


class LocalHub:
    """A folder of repositories; every call must be one that huggingface_hub takes."""

    def __init__(self, folder):
        self.folder, self.fetched, self.private = folder, [], {}

    def HfApi(self, **settings):
        inspect.signature(real.HfApi).bind(**settings)
        return SimpleNamespace(create_repo=self.create_repo, upload_folder=self.upload_folder)

    def create_repo(self, *args, **settings):
        call = inspect.signature(real.HfApi.create_repo).bind(None, *args, **settings).arguments
        self.private[call["repo_id"]] = call["private"]
        (self.folder / call["repo_id"]).mkdir(parents=True, exist_ok=call["exist_ok"])

    def upload_folder(self, **settings):
        call = inspect.signature(real.HfApi.upload_folder).bind(None, **settings).arguments
        for pattern in call["delete_patterns"]:
            for path in (self.folder / call["repo_id"]).glob(pattern):
                path.unlink()
        shutil.copytree(call["folder_path"], self.folder / call["repo_id"], dirs_exist_ok=True)

    def hf_hub_download(self, *args, **settings):
        call = inspect.signature(real.hf_hub_download).bind(*args, **settings).arguments
        self.fetched.append((call["repo_id"], call["filename"], call["revision"]))
        path = self.folder / call["repo_id"] / call["filename"]
        if not path.is_file():
            raise OSError(f"404: {path.name} is not in {call['repo_id']}\nand a page of HTML")
        return str(path)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = LocalHub(tmp_path / "hub")
    monkeypatch.setattr("gankit.hub.library", lambda: hub)
    monkeypatch.setattr("gankit.exporting.push.library", lambda: hub)
    return hub


def test_a_pushed_game_is_loaded_sampled_and_trained_on_elsewhere(backend, hub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli = Cli(monkeypatch, capsys)
    small = ("--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]")
    assert cli("train", "--backend", backend, "--data", "digits", "--steps", "2", "--out", "run", *small).code == 0
    done = cli("push", "run", "someone/digits", "--private")
    assert done.code == 0 and 'gankit.load("hf://someone/digits")' in done.out, done.err
    assert hub.private == {"someone/digits": True}
    assert {path.name for path in (hub.folder / "someone/digits").iterdir()} >= {
        "README.md", "config.json", "model.safetensors", "samples.png",
    }  # fmt: skip
    assert 'gankit.load("hf://someone/digits")' in (hub.folder / "someone/digits/README.md").read_text("utf-8")
    here, there = gankit.load("run", backend), gankit.load("hf://someone/digits", backend)
    bit_equal(leaves(there.fit(steps=2)), leaves(here.fit(steps=2)), "trained on from the Hub")
    sampled = cli("sample", "hf://someone/digits", "--n", "4", "--out", "four.npy")
    assert sampled.code == 0, sampled.err
    np.testing.assert_array_equal(np.load("four.npy"), gankit.load("run", backend).sample(4))
    gankit.load("hf://someone/digits@v1.0", backend)
    assert set(hub.fetched) == {("someone/digits", "model.safetensors", revision) for revision in (None, "v1.0")}


def test_nothing_that_is_fetched_is_executed(backend, hub, tmp_path):
    """Not even where a repository brings code under every name that loaders are known to run."""
    gankit.push(gankit.build(backend, data="digits", **SMALL), "someone/digits")
    for name in ("modeling.py", "__init__.py", "conftest.py", "pytorch_model.bin", "setup.py", "model.py"):
        (hub.folder / "someone/digits" / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert gankit.load("hf://someone/digits", backend).steps_done == 0
    assert {name for _, name, _ in hub.fetched} == {"model.safetensors"} and not (tmp_path / "ran").exists()


def test_a_later_push_leaves_nothing_of_the_earlier_game(backend, hub):
    repo = hub.folder / "someone/digits"
    repo.mkdir(parents=True)
    (repo / "samples.png").write_bytes(b"of another game")
    gankit.push(gankit.build(backend, data="digits", **SMALL), "someone/digits")
    assert not (repo / "samples.png").exists() and (repo / "model.safetensors").is_file()


def test_a_file_that_is_no_checkpoint_is_refused(hub):
    (hub.folder / "someone/bad").mkdir(parents=True)
    (hub.folder / "someone/bad/model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(CheckpointError):
        gankit.load("hf://someone/bad")


def test_what_the_hub_says_is_one_line(backend, hub, monkeypatch):
    with pytest.raises(CheckpointError, match=r"hf://someone/none: model.safetensors.*404: .*hf auth login\.$"):
        gankit.load("hf://someone/none")
    gan = gankit.build(backend, data="digits", **SMALL)
    monkeypatch.setattr(hub, "create_repo", lambda *args, **settings: hub.hf_hub_download("a/b", "c", revision=None))
    with pytest.raises(gankit.GankitError, match="did not take someone/digits.*404.*hf auth login"):
        gankit.push(gan, "someone/digits")


@pytest.mark.parametrize("address", ["hf://digits", "hf://a/b/c", "hf:a/b", "hf://a/../b", "hf://a/b@"])
def test_an_address_that_is_none_is_refused(address, hub):
    with pytest.raises(ConfigError, match="hf://user/repo"):
        located(address)
    assert not hub.fetched


def test_a_repository_that_is_none_is_refused_before_anything_is_made(backend, hub):
    with pytest.raises(ConfigError, match="Expected user/name"):
        gankit.push(gankit.build(backend, data="digits", **SMALL), "digits")
    assert not hub.folder.exists()
