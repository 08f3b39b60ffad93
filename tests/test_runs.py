"""A run folder loses nothing, and keeps nothing that a resumed run would not have written itself."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gankit import checkpoint
from gankit.config import Config
from gankit.data.dataset import Scaling
from gankit.errors import CheckpointError, ConfigError, ShapeError
from gankit.runs.folder import Run, differences, fresh
from gankit.runs.owner import Owner
from gankit.runs.records import Checkpoints, MetricsLog, SampleGrid, draw, layout


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run")
    run.begin(Config())
    return run


class FakeTrainer:
    """What the callbacks ask of a trainer."""

    def __init__(self, shape: tuple[int, ...] = (8, 8, 1), classes: int | None = None, data: str = "digits") -> None:
        image = len(shape) == 3
        scaling = Scaling(np.zeros(()), np.ones(()), *((0, 255, "uint8") if image else ()))
        self.spec = SimpleNamespace(shape=shape, num_classes=classes, scaling=scaling, given={})
        self.config = SimpleNamespace(conditional=classes is not None, data=data)
        self.steps_done = 0
        self.asked: list[Any] = []

    def sample(self, n: int, *, labels: Any = None, seed: int = 0) -> Any:
        self.asked.append((n, labels, seed))
        x = np.random.default_rng(seed).uniform(0, 1, (n, *self.spec.shape))
        return (255 * x).astype(np.uint8) if len(self.spec.shape) == 3 else x

    def save(self, path: Path) -> None:
        checkpoint.write(path, {"x": np.zeros(1)}, {"steps_done": self.steps_done})


@pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc which file is meant")
def test_the_log_is_on_the_disk_before_the_checkpoint_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run drops what comes after its checkpoint, and cannot bring back what was lost before it."""
    written: list[Path] = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (written.append(Path(os.readlink(f"/proc/self/fd/{fd}"))), sync(fd))[1])
    trainer, log, checkpoints = FakeTrainer(), MetricsLog(run, 1), Checkpoints(run, 1)
    checkpoints.save(trainer)  # there is no log yet
    written.clear()
    trainer.steps_done = 1
    log(trainer, 1, {"d_loss": 1.0})
    assert written == [], "a log of a hundred lines would wait for the disk a hundred times"
    checkpoints.save(trainer)
    assert written[0] == run.metrics_file and len(written) > 1


def test_config_survives_the_folder(run: Run) -> None:
    assert run.exists() and run.config() == Config()


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match=r"not a run folder.*--out"):
        Run(tmp_path).exists()


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="not a run folder"):
        Run(tmp_path / "file").exists()


def test_what_a_killed_process_left_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".config.toml.123.tmp").write_text("half")
    assert not Run(tmp_path).exists()


def test_rewinding_drops_later_lines_torn_lines_and_later_pictures(run: Run) -> None:
    lines = "".join(json.dumps({"step": step, "d_loss": 0.1}) + "\n" for step in (10, 20, 30))
    run.metrics_file.write_text(lines + '{"step": 40, "d_l')
    for step in (10, 20, 30):
        path = run.sample_file(step)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (run.folder / "samples" / ".step-000040.png.abc.tmp").write_bytes(b"")
    run.rewind(20)
    assert [json.loads(line)["step"] for line in run.metrics_file.read_text().splitlines()] == [10, 20]
    assert sorted(path.name for path in (run.folder / "samples").iterdir()) == ["step-000010.png", "step-000020.png"]


def test_whole_line_without_its_newline_counts_as_torn(run: Run) -> None:
    run.metrics_file.write_text('{"step": 10}\n{"step": 20}')
    run.rewind(20)
    assert run.metrics_file.read_text() == '{"step": 10}\n'


def test_fresh_folder_is_the_first_free_number_and_held(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with fresh(folder) as first, fresh(folder) as second:
        assert first.folder == folder
        assert second.folder == tmp_path / "demo-2", "the first is taken before anything is in it"
        Run(folder).begin(Config())
    assert not second.folder.exists(), "what was made for the lock alone is removed"
    with fresh(folder) as third:
        assert third.folder == tmp_path / "demo-2"


def test_differences_name_each_setting_old_and_new() -> None:
    new = Config().with_settings({"seed": 1, "generator": {"hidden": [64]}, "loss": "minimax"})
    assert differences(Config(), new) == [
        "seed: 0 → 1",
        "loss.name: 'non-saturating' → 'minimax'",
        "generator.hidden: (not set) → [64]",
    ]
    assert differences(new, new) == []


def test_damaged_checkpoint_is_passed_over_and_named(run: Run) -> None:
    trainer, said = FakeTrainer(), list[str]()
    for step in (10, 20):
        trainer.steps_done = step
        trainer.save(run.checkpoint_file(step))
    damaged = run.checkpoint_file(20)
    damaged.write_bytes(damaged.read_bytes()[:20])
    found = run.usable_checkpoint(said.append)
    assert found is not None and found[0] == run.checkpoint_file(10)
    assert len(said) == 1 and str(damaged) in said[0] and "Falling back" in said[0]


def test_nothing_but_damaged_checkpoints_is_an_error_and_none_is_not(run: Run) -> None:
    assert run.usable_checkpoint(print) is None
    run.checkpoint_file(10).parent.mkdir()
    run.checkpoint_file(10).write_bytes(b"")
    with pytest.raises(CheckpointError, match="--new"):
        run.usable_checkpoint(lambda text: None)


def test_checkpoint_of_a_newer_format_is_not_passed_over(run: Run) -> None:
    checkpoint.write(run.checkpoint_file(10), {"x": np.zeros(1)}, {"steps_done": 10})
    checkpoint.write(run.checkpoint_file(20), {"x": np.zeros(1)}, {"steps_done": 20, "format": 99})
    with pytest.raises(CheckpointError, match="Upgrade"):
        run.usable_checkpoint(print)


def test_metrics_that_are_not_finite_are_still_json(run: Run) -> None:
    MetricsLog(run, 10)(None, 10, {"d_loss": float("nan"), "g_loss": float("inf"), "D(x)": 0.1 + 0.2})
    line = run.metrics_file.read_text()
    assert line == '{"step": 10, "d_loss": null, "g_loss": null, "D(x)": 0.30000000000000004}\n'


def test_only_the_last_checkpoints_stay(run: Run) -> None:
    trainer, checkpoints = FakeTrainer(), Checkpoints(run, 10, keep=2)
    for trainer.steps_done in (10, 20, 30):
        checkpoints(trainer, trainer.steps_done, {})
    assert [checkpoint.step_of(path) for path in run.checkpoints()] == [20, 30]


def test_every_picture_of_a_run_is_of_the_same_latents(run: Run) -> None:
    trainer, grid = FakeTrainer(), SampleGrid(run, 10)
    grid(trainer, 10, {})
    grid(trainer, 20, {})
    assert grid.latest(trainer)
    assert run.sample_file(10).read_bytes() == run.sample_file(20).read_bytes() == run.picture.read_bytes()
    assert trainer.asked[0] == trainer.asked[1]


def test_conditional_pictures_have_a_column_for_each_class() -> None:
    n, labels, columns = layout(FakeTrainer(classes=10))
    assert (n, columns) == (100, 10)
    assert labels is not None and (labels.reshape(10, 10) == np.arange(10)).all()


def test_points_of_the_plane_are_drawn_above_the_real_ones(run: Run) -> None:
    from PIL import Image

    from gankit.data.images import POINT, REFERENCE

    SampleGrid(run, 10)(FakeTrainer((2,), data="ring"), 10, {})
    with Image.open(run.sample_file(10)) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors()}  # type: ignore[union-attr]
    assert {POINT, REFERENCE} <= colours


def test_points_are_drawn_where_the_data_is_out_of_reach(run: Run) -> None:
    SampleGrid(run, 10)(FakeTrainer((2,), data="gone.npy"), 10, {})
    assert run.sample_file(10).is_file()


def test_examples_that_are_no_picture_are_passed_over_and_said_once(run: Run) -> None:
    said: list[str] = []
    grid = SampleGrid(run, 10, said.append)
    trainer = FakeTrainer((5,))
    grid(trainer, 10, {})
    assert not grid.latest(trainer)
    assert len(said) == 1 and not run.picture.exists()
    with pytest.raises(ShapeError, match=r"--out samples\.npy"):
        draw(run.picture, np.zeros((4, 5)), trainer, None)


def test_a_resumed_run_adds_to_its_environment(run: Run) -> None:
    run.note_environment({"backend": "torch"}, 0)
    run.note_environment({"backend": "jax"}, 500)
    assert json.loads(run.env_file.read_text()) == {
        "backend": "torch",
        "resumed": [{"from_step": 500, "backend": "jax"}],
    }


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/run cannot be created: Not a directory. Name another with --out"):
        Owner(tmp_path / "file" / "run")
