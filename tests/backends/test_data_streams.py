"""Training on batches that the user brings, on files that stay on disk, and on folders, on every installed backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gankit
from gankit import checkpoint
from tests.cli_runner import Cli

SMALL = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}, "batch_size": 8}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3)).astype(np.float32)
IMAGES, LABELS = RNG.integers(0, 256, (60, 6, 6, 3), dtype=np.uint8), np.arange(60) % 3


class Portions:
    """A re-iterable in batches of 7, as a DataLoader."""

    def __init__(self, x, labels=None):
        self.x, self.labels = x, labels

    def __iter__(self) -> Iterator[object]:
        for i in range(0, len(self.x), 7):
            rows = slice(i, i + 7)
            yield self.x[rows] if self.labels is None else (self.x[rows], self.labels[rows])


def game(backend, data, **settings):
    return gankit.build(backend=backend, data=data, **{**SMALL, **settings})


def state(trainer, tmp_path):
    return checkpoint.read(trainer.save(tmp_path / "state"))[0]


def assert_equal_states(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name]), name


def test_batches_are_trained_on_as_step_trains_on_them(backend, tmp_path):
    """float64: the two are compiled apart, so they agree to rounding."""
    settings = {"recipe": "cgan", "num_classes": 3, "k": 2, "dtype": "float64"}
    fitted = game(backend, Portions(IMAGES, LABELS), **settings).fit(steps=3)
    stepped = game(backend, Portions(IMAGES, LABELS), **settings)
    for step in range(3):
        rows = slice(16 * step, 16 * (step + 1))
        stepped.step(IMAGES[rows].reshape(2, 8, 6, 6, 3), LABELS[rows].reshape(2, 8))
    a, b = state(fitted, tmp_path), state(stepped, tmp_path)
    assert max(np.abs(a[name] - b[name]).max() for name in a) < 1e-12
    assert fitted.sample(4).shape == (4, 6, 6, 3) and fitted.sample(4).dtype == np.uint8


@pytest.mark.parametrize("again", ["nothing", "the same"])
def test_a_run_on_batches_does_not_depend_on_how_fit_is_called(backend, tmp_path, again):
    """Nothing is skipped and nothing shown twice: neither the batch read at building, nor what a chunk left over."""
    whole = game(backend, Portions(X)).fit(steps=70)
    source = Portions(X)
    cut = game(backend, source)
    for steps in (1, 20, 49):
        cut.fit(None if again == "nothing" else source, steps=steps)
    assert_equal_states(state(whole, tmp_path), state(cut, tmp_path))


def test_a_generator_that_runs_dry_keeps_the_steps_it_was_enough_for(backend, tmp_path):
    trainer = game(backend, (X[i : i + 10] for i in range(0, 100, 10)))
    with pytest.raises(gankit.DataError, match=r"used up after step 12: 4 examples are left, a step takes 8"):
        trainer.fit(steps=1000)
    assert trainer.steps_done == 12
    enough = game(backend, (X[i : min(i + 10, 96)] for i in range(0, 100, 10))).fit(steps=12)
    assert_equal_states(state(trainer, tmp_path), state(enough, tmp_path))
    assert trainer.fit(Portions(X), steps=3).steps_done == 15


def test_a_bad_batch_ends_training_between_two_steps(backend):
    def spoiled():
        yield from (X[i : i + 10] for i in range(0, 50, 10))
        yield X[:10] * np.nan

    trainer = game(backend, spoiled())
    with pytest.raises(gankit.DataError, match="batch 6 of the generator: 10 of 10 examples hold NaN"):
        trainer.fit(steps=100)
    assert np.isfinite(trainer.sample(5)).all() and trainer.fit(Portions(X), steps=2).steps_done > 2


def test_the_first_batch_gives_the_units(backend):
    trainer = game(backend, Portions(X[:7] * 5 + 1000)).fit(steps=3)
    assert trainer.sample(200).mean() == pytest.approx(1000, abs=20) and trainer.sample(2).dtype == np.float32


def test_a_conditional_game_asks_for_labels_and_their_number(backend):
    with pytest.raises(gankit.ConfigError, match="num_classes=3"):
        game(backend, Portions(IMAGES, LABELS), recipe="cgan")
    with pytest.raises(gankit.DataError, match=r"batch 1 of the Portions has no labels.*Yield pairs"):
        game(backend, Portions(IMAGES), recipe="cgan", num_classes=3)


def test_a_game_on_arrays_goes_on_with_batches_and_a_loaded_one_asks_for_them(backend, tmp_path):
    trainer = game(backend, X).fit(steps=3).fit(Portions(X), steps=3)
    assert trainer.steps_done == 6
    with pytest.raises(gankit.DataError, match=r"shape \(n, 3\)"):
        trainer.fit(Portions(X[:, :2]), steps=3)
    saved = game(backend, Portions(X)).fit(steps=3).save(tmp_path / "saved")
    loaded = gankit.load(saved, backend=backend)
    with pytest.raises(gankit.DataError, match=r"without its data \('batches'\)"):
        loaded.fit(steps=3)
    assert loaded.fit(Portions(X), steps=3).steps_done == 6


@pytest.mark.filterwarnings("default")
def test_a_dataloader_of_channels_first_images(backend):
    torch = pytest.importorskip("torch")
    images = torch.from_numpy(np.moveaxis(IMAGES, -1, 1) / np.float32(255))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, torch.from_numpy(LABELS)), batch_size=16, shuffle=True
    )
    with pytest.raises(gankit.DataError, match="channels first"):
        game(backend, loader)
    trainer = game(backend, gankit.data.batches(loader, channels_first=True), recipe="cgan", num_classes=3)
    x = trainer.fit(steps=20).sample(6)
    assert x.shape == (6, 6, 6, 3) and x.dtype == np.float32 and x.min() >= 0 and x.max() <= 1


def test_a_memory_mapped_file_with_labels_trains_as_the_same_arrays_do(backend, tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    settings = {"recipe": "cgan", "num_classes": 3, "dtype": "float64"}
    mapped = game(backend, (np.load(tmp_path / "x.npy", mmap_mode="r"), LABELS), **settings).fit(steps=20)
    assert mapped._last_feed.shared == ()
    resident = game(backend, (IMAGES, LABELS), **settings).fit(steps=20)
    assert resident._last_feed.shared
    a, b = state(mapped, tmp_path), state(resident, tmp_path)
    assert max(np.abs(a[name] - b[name]).max() for name in a) < 1e-9


def test_float16_and_swapped_bytes_on_disk_train(backend, tmp_path):
    for dtype in ("float16", ">f4"):
        np.save(tmp_path / "x.npy", X.astype(dtype))
        x = game(backend, tmp_path / "x.npy").fit(steps=5).sample(4)
        assert x.dtype == np.float32 and np.isfinite(x).all()


def test_a_folder_of_images_is_trained_on_resumed_and_sampled_from_the_command_line(
    backend, tmp_path, monkeypatch, capsys
):
    """What is typed is all that config.toml keeps of the data, and opens it again at the same size."""
    monkeypatch.chdir(tmp_path)
    for i, image in enumerate(IMAGES):
        path = Path("faces", "abc"[LABELS[i]], f"{i:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((9, 7 + i % 2)).save(path)
    cli = Cli(monkeypatch, capsys)
    command = ["train", "--backend", backend, "--recipe", "cgan", "--set", "generator.hidden=[16]"]
    refused = cli(*command, "--data", "faces", "--steps", "4")
    assert refused.code == 2 and re.search(r"faces@7", re.sub(r"\s+", "", refused.err)), refused.err
    for steps in (4, 8):
        outcome = cli(*command, "--data", "faces@6x5", "--steps", steps)
        assert outcome.code == 0, outcome.err
    assert 'data = "faces@6x5"' in Path("runs", "cgan-faces@6x5", "config.toml").read_text()
    trainer = gankit.load("runs/cgan-faces@6x5", backend=backend).fit(steps=2)
    assert trainer.steps_done == 10 and trainer.sample(3).shape == (3, 6, 5, 3) and trainer.spec.num_classes == 3


def test_a_folder_given_as_a_dataset_is_found_again_by_a_loaded_game(backend, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    for i, image in enumerate(IMAGES):
        Image.fromarray(image).save(f"digits/{i:02}.png")
    data = gankit.data.folder("digits", size=5)
    saved = game(backend, data).fit(steps=2).save("saved")
    loaded = gankit.load(saved, backend=backend).fit(steps=2)
    assert_equal_states(state(game(backend, data).fit(steps=4), tmp_path), state(loaded, tmp_path))
