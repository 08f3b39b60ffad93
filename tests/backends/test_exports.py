"""What leaves gankit: files that open without it and give the samples of the game, whatever backend trained it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import gankit
from gankit.conformance.compare import bit_equal
from gankit.conformance.games import leaves
from gankit.errors import CheckpointError, ConfigError
from gankit.exporting import HOMES
from tests.backends import native_pairs
from tests.backends.conftest import INSTALLED
from tests.cli_runner import Cli
from tests.exported import opened_alone

RNG = np.random.default_rng(3)
LABELS = np.arange(40) % 4
GREY, COLOUR = (RNG.integers(0, 256, (40, 16, 16, c), dtype=np.uint8) for c in (1, 3))
ROWS = RNG.normal([5.0, -300.0, 0.0], [0.1, 50.0, 2.0], (40, 3)).astype(np.float32)
POSE = RNG.normal(size=(40, 2)).astype(np.float32)
SLIM = {"generator": {"width": 4}, "discriminator": {"width": 4}, "batch_size": 8, "ema": 0.5}
DENSE = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}, "batch_size": 8, "ema": 0.5}
PAPER = {"generator": {"units": 20}, "discriminator": {"units": 8}, "batch_size": 8, "ema": 0.5}
PICTURES = {"generator": {"width": 3, "blocks": 1}, "discriminator": {"width": 3}, "batch_size": 8, "ema": 0.5}
GAMES = {
    "gan-2014": {"recipe": "gan-2014", "data": GREY, "generator_optimizer": {"name": "adam", "lr": 0.01}, **PAPER},
    "cgan": {"recipe": "cgan", "data": (GREY, LABELS), "num_classes": 4, "prior": "sphere", **DENSE},
    "dcgan": {"recipe": "dcgan", "data": (COLOUR / 255).astype(np.float32), **SLIM},
    "super-resolution": {"recipe": "super-resolution", "data": GREY, **PICTURES},
    "rows": {"data": (ROWS, {"the-pose": POSE}), "prior": {"name": "mixture", "components": 3}, **DENSE},
}
"""Games of every kind: without conditions, with labels, with batch norm, from a picture; bytes, floats, floats without
bounds."""
TARGETS = (*HOMES, "safetensors")
PLACES = (str(Path(gankit.__file__).parents[1]).encode(), b"site-packages")
"""Where gankit lies on this machine."""


@pytest.fixture(scope="module")
def games(backend):
    return {name: gankit.build(backend, **game).fit(steps=4) for name, game in GAMES.items()}


@pytest.fixture
def digits(backend):
    """A game before its first step, which costs no compilation."""
    return gankit.build(backend, "cgan", "digits", **DENSE)


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def needs(target):
    """Skip where the backend that writes it is not installed; the session `parity` has them all."""
    home = HOMES.get(target, "torch")
    if home not in INSTALLED:
        pytest.skip(f"{target} is written by {home}, which is not installed; here `parity` tries it")
    if target in ("onnx", "safetensors"):
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)


def conditions(gan, n):
    """n rows of every condition, by name, in the user's units."""
    rng = np.random.default_rng(8)
    given = {}
    for name, port in gan.spec.given.items():
        if port.kind == "class":
            given[name] = rng.integers(0, port.num_classes, n)
        elif port.kind == "image":
            given[name] = rng.integers(0, 256, (n, *port.shape)).astype(np.uint8)
        else:
            given[name] = rng.normal(size=(n, *port.shape)).astype(np.float32)
    return given


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_opened_without_gankit_gives_the_samples_of_the_game(games, target, tmp_path):
    needs(target)
    snippets, asked, want = {}, {}, {}
    for name, gan in games.items():
        folder = tmp_path / name
        done = gankit.export(gan, target, out=folder if target == "safetensors" else folder / "g.bin")
        given = conditions(gan, 7)
        snippets[folder], want[folder] = done.snippet, gan.sample(7, given=given, seed=5)
        asked[folder] = {"n": 7, "seed": 5, **{key.replace("-", "_"): values for key, values in given.items()}}
        assert done.checked and done.steps == 4
        written = [path.read_bytes() for path in (folder, *folder.rglob("*")) if path.is_file()]
        assert not any(place in content for content in written for place in PLACES)  # nobody's business
        # What is compared would tell another game, other weights and other latents.
        others = conditions(gan, 8)
        others = {key: values[1:] for key, values in others.items()}  # G of super-resolution has no z
        assert not np.array_equal(want[folder], gan.sample(7, given=others, seed=6))
        assert not np.allclose(want[folder], gan.sample(7, given=given, seed=5, ema=False), rtol=1e-4)
    for folder, (samples, first) in opened_alone(snippets, asked).items():
        assert samples.dtype == want[folder].dtype and samples.shape == want[folder].shape, folder.name
        apart = np.abs(samples.astype(np.float64) - want[folder])
        if samples.dtype == np.uint8:  # one level, and seldom: where a number lies halfway between two
            assert apart.max() <= 1 and apart.mean() < 0.01, folder.name
            assert np.abs(first.astype(int) - samples[:1]).max() <= 1
        else:
            assert (apart <= 1e-5 * np.abs(want[folder]).max()).all()
            np.testing.assert_allclose(first, samples[:1], rtol=1e-4)


@pytest.mark.parametrize("target", HOMES)
def test_a_run_is_exported_from_the_command_line(backend, target, cli, tmp_path):
    needs(target)
    small = ("--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--checkpoint-every", "2")
    train = ("train", "--backend", backend, "--recipe", "cgan", "--data", "digits", "--steps", "4", "--out", "runs/few")
    assert cli(*train, *small).code == 0
    done = cli("export", "runs/few", "--to", target, "--checkpoint", "2")
    suffix = {"torch": "pt2", "onnx": "onnx", "stablehlo": "stablehlo"}[target]
    script = (tmp_path / f"few_{suffix}.py").read_text("utf-8")
    assert done.code == 0 and (tmp_path / f"few.{suffix}").is_file()
    assert "after 2 steps" in done.out and "Checked" in done.out and script in done.out
    want = gankit.load("runs/few/checkpoints/step-000002.safetensors").sample(6, labels=3, seed=1)
    asked = {tmp_path: {"n": 6, "seed": 1, "label": np.full(6, 3)}}
    samples, _ = opened_alone({tmp_path: script}, asked)[tmp_path]
    assert np.abs(samples.astype(int) - want).max() <= 1
    again = cli("export", "runs/few", "--to", target)
    assert again.code == 2 and "there already. Move it away" in again.err
    missing = cli("export", "runs/few", "--to", target, "--checkpoint", "3", "--out", "new.bin")
    assert missing.code == 2 and "no checkpoint of step 3. There: 2, 4." in missing.err
    assert not (tmp_path / "new.bin").exists()


def test_the_page_shows_the_lines_that_are_written(digits, tmp_path):
    needs("onnx")
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert gankit.export(digits, "onnx", tmp_path / "shown" / "digits.onnx").snippet == shown


def test_a_game_trained_in_float64_or_bfloat16_is_exported_in_full_precision(backend, tmp_path):
    target = {"torch": "torch", "jax": "stablehlo"}.get(backend)
    if target is None:
        pytest.skip(f"{backend} exports by way of torch or jax")
    for setting in ({"dtype": "float64"}, {"precision": "bfloat16"}):
        gan = gankit.build(backend, data=ROWS, **setting, **DENSE)
        path = gan.save(tmp_path / next(iter(setting)))
        done = gankit.export(path, target, out=f"{path}.bin")
        assert done.checked and done.output == f"examples (n, 3) {gan.config.dtype}"


def test_either_generator_of_two_is_exported(backend, tmp_path):
    target = {"torch": "torch", "jax": "stablehlo"}.get(backend)
    if target is None:
        pytest.skip(f"{backend} exports by way of torch or jax")
    slim = {"generator": {"width": 2, "blocks": 1, "downsamplings": 1}, "discriminator": {"width": 2, "depth": 1}}
    gan = gankit.build(backend, "cycle", GREY, sources={"b": COLOUR}, batch_size=4, **slim)
    assert "(n, 16, 16, 1) uint8" in gankit.export(gan, target, tmp_path / "a").output
    assert "(n, 16, 16, 3) uint8" in gankit.export(gan, target, tmp_path / "b", player="generator-b").output
    with pytest.raises(ConfigError, match="^player='generator-c' is no generator. Did you mean 'generator-b'"):
        gankit.export(gan, target, tmp_path / "c", player="generator-c")


# ---- the folder


def test_a_folder_for_the_hub_has_the_whole_game(backend, digits, tmp_path):
    digits.fit(steps=2)
    done = gankit.export(digits, "safetensors", tmp_path / "digits")
    folder = tmp_path / "digits"
    again = gankit.load(folder, backend)
    bit_equal(leaves(again), leaves(digits), "opened from the folder")
    bit_equal(leaves(again.fit(steps=2)), leaves(digits.fit(steps=2)), "trained on")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["model_type"] == "gankit" and config["steps"] == 2 and config["inputs"]["label"]["classes"] == 10
    _, front, body = (folder / "README.md").read_text("utf-8").split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["library_name"] == "gankit" and "cgan" in matter["tags"]
    links = set(re.findall(r"\]\(([^)]+)\)", body))
    assert all((folder / link).exists() for link in links)
    assert bool(done.snippet) == (folder / "model.onnx").is_file() == (done.snippet in body and "onnxruntime" in body)


def test_other_programs_read_the_arrays_of_the_folder(digits, tmp_path):
    read = pytest.importorskip("safetensors.numpy").load_file
    gankit.export(digits, "safetensors", tmp_path / "digits")
    arrays = read(tmp_path / "digits" / "model.safetensors")
    for name, array in digits.generator.parameters.items():
        np.testing.assert_array_equal(arrays[f"generator/params/{name}"], array)


def test_where_no_onnx_is_written_the_folder_says_what_would_bring_it(backend, digits, tmp_path, monkeypatch, cli):

    def none(target):
        raise ConfigError(f"no {target}")

    monkeypatch.setattr("gankit.exporting.folder.exporter_of", none)
    done = cli("export", digits.save(tmp_path / "game"), "--to", "safetensors")
    assert done.code == 0 and "pip install 'gankit[torch,onnx]'" in done.out, done.err
    assert not (tmp_path / "game-safetensors" / "model.onnx").exists()
    assert "load_file" in (tmp_path / "game-safetensors" / "README.md").read_text("utf-8")
    assert gankit.load(tmp_path / "game-safetensors", backend).steps_done == 0


# ---- what cannot be exported


def test_an_unknown_target_names_the_possible_ones(digits, tmp_path):
    with pytest.raises(ConfigError, match=r"no export to 'onx'\. Did you mean 'onnx'\? Choose 'onnx', 'safetensors'"):
        gankit.export(digits, "onx", tmp_path / "x")


@pytest.mark.parametrize("target", HOMES)
def test_a_target_whose_backend_is_missing_says_what_to_install(digits, target, tmp_path, monkeypatch):
    monkeypatch.setattr("gankit.exporting.registry.names", lambda kind: ())
    with pytest.raises(ConfigError, match=rf"'{target}' is written by .*pip install 'gankit\[{HOMES[target]}\]'"):
        gankit.export(digits, target, tmp_path / "x")
    assert not [*tmp_path.iterdir()]


def test_onnx_without_its_packages_says_what_to_install(digits, tmp_path, monkeypatch):
    if "torch" not in INSTALLED:
        pytest.skip("ONNX is written by torch")
    monkeypatch.setattr("gankit_torch.export.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs onnx and onnxscript.*pip install 'gankit\[onnx\]'"):
        gankit.export(digits, "onnx", tmp_path / "x")
    assert not [*tmp_path.iterdir()]


def test_without_onnxruntime_the_file_is_written_and_not_said_to_be_tried(digits, tmp_path, monkeypatch, cli):
    needs("onnx")
    without = {"onnxruntime": None}
    monkeypatch.setattr("gankit_torch.export.find_spec", lambda name: without.get(name, name))
    done = cli("export", digits.save(tmp_path / "game"), "--to", "onnx")
    assert done.code == 0 and "Not tried, as onnxruntime is not installed here: pip install onnxruntime" in done.out
    assert (tmp_path / "game.onnx").is_file() and "Checked" not in done.out


def test_what_is_there_already_stays_as_it_is(backend, digits, tmp_path):
    target = {"torch": "torch", "jax": "stablehlo"}.get(backend, "safetensors")
    for name in ("file.bin", "file_bin.py", "folder"):
        (tmp_path / name).write_text("mine")
    for to, out in ((target, "file.bin"), ("safetensors", "folder")):
        with pytest.raises(ConfigError, match="is there already"):
            gankit.export(digits, to, tmp_path / out)
    if target != "safetensors":
        (tmp_path / "file.bin").unlink()
        with pytest.raises(ConfigError, match=r"file_bin\.py is there already"):
            gankit.export(digits, target, tmp_path / "file.bin")
        assert not (tmp_path / "file.bin").exists()
    assert (tmp_path / "folder").read_text() == "mine"


def test_a_run_without_checkpoints_is_said_to_have_none(backend, tmp_path):
    target = {"torch": "torch", "jax": "stablehlo"}.get(backend, "safetensors")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("")
    for name, said in (("run", "has no checkpoint"), ("nothing", "no checkpoint at")):
        with pytest.raises(CheckpointError, match=said):
            gankit.export(tmp_path / name, target, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_g_of_ones_own_is_one_clear_error(backend, target, tmp_path):
    if HOMES.get(target, "torch") not in INSTALLED:
        pytest.skip(f"{HOMES.get(target)} is not installed")
    x = RNG.integers(0, 256, (20, 6, 4, 3), dtype=np.uint8)
    generator, discriminator = native_pairs.convolutional(backend)
    gan = gankit.build(backend, data=x, latent_dim=4, generator=gankit.Native(generator, "symmetric"), batch_size=4)
    with pytest.raises(ConfigError, match=r"generator of this game is a module of your own.*gan\.generator\.native"):
        gankit.export(gan, target, tmp_path / "x")
    assert not [*tmp_path.iterdir()]
    # A D of one's own is no hindrance: it is not exported.
    gan = gankit.build(
        backend, data=x, latent_dim=4, discriminator=discriminator, batch_size=4, generator={"hidden": [4]}
    )
    assert gankit.export(gan, target, tmp_path / "y").path.exists()


def test_a_file_that_gives_other_samples_is_not_written(backend, digits, tmp_path, monkeypatch):
    target = {"torch": "torch", "jax": "stablehlo"}.get(backend)
    if target is None:
        pytest.skip(f"{backend} exports by way of torch or jax")
    black = np.zeros((1, 8, 8, 1), np.uint8)
    monkeypatch.setattr("gankit.exporting.generator.Generator.run", lambda self, inputs: black)
    with pytest.raises(gankit.GankitError, match="other examples than gan.sample for n=1: they differ by"):
        gankit.export(digits, target, tmp_path / "x")
    assert not [*tmp_path.iterdir()]


def test_what_no_graph_can_hold_is_one_line(digits, tmp_path, monkeypatch):
    if "torch" not in INSTALLED:
        pytest.skip("a layer that torch cannot trace")

    def untraceable(*arguments, **settings):
        raise RuntimeError("Constraints violated (n)!\nand a page of advice")

    monkeypatch.setattr("gankit_torch.export.traced", untraceable)
    with pytest.raises(gankit.GankitError, match=r"as \.pt2: RuntimeError: Constraints violated \(n\)!$"):
        gankit.export(digits, "torch", tmp_path / "x")
    assert not [*tmp_path.iterdir()]
