"""Checkpoints on disk: exact for every layout, whole or not there, and never another game's."""

import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from gankit import checkpoint
from gankit.errors import CheckpointError

ARRAYS = {
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(24.0).reshape(4, 6)[::2, ::3],
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 3)),
}


def test_every_layout_and_shape_comes_back_exactly(tmp_path):
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, ARRAYS, {"steps_done": 3})
    arrays, meta = checkpoint.read(path)
    assert meta["steps_done"] == 3 and arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].shape == array.shape and arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array), name


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, {"x": np.ones(3)}, {})

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        checkpoint.write(path, {"x": np.zeros(3)}, {})
    assert checkpoint.read(path)[0]["x"].tolist() == [1, 1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("keep", [0, 5, 40, -1])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    path = tmp_path / "a.safetensors"
    checkpoint.write(path, {"x": np.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        checkpoint.read(path)


def test_somebody_elses_safetensors_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"x": np.ones(3)}, path)
    with pytest.raises(CheckpointError, match="not a gankit checkpoint"):
        checkpoint.read(path)


def test_a_newer_format_says_upgrade(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    checkpoint.write(path, {"x": np.ones(3)}, {"version": "9.0"})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"gankit 9\.0.*pip install -U gankit"):
        checkpoint.read(path)


def test_the_latest_of_a_run_is_by_number_not_by_name(tmp_path):
    for step in (999_999, 1_000_000, 20):
        checkpoint.write(tmp_path / "checkpoints" / f"step-{step:06d}.safetensors", {"x": np.ones(1)}, {})
    assert checkpoint.find(tmp_path).name == "step-1000000.safetensors"


def test_nothing_there_says_what_is_expected(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint at"):
        checkpoint.find(tmp_path / "nope")
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        checkpoint.find(tmp_path)


def test_every_leaf_that_differs_is_named(tmp_path):
    with pytest.raises(CheckpointError) as error:
        checkpoint.require_same_leaves(
            tmp_path, {"a": np.ones(2), "b": np.ones(3), "c": np.ones(1)}, {"a": (2,), "b": (4,), "d": (1,)}
        )
    assert "b: (3,) in the file, (4,) in this game" in str(error.value)
    assert "c: in the file" in str(error.value) and "d: not in the file" in str(error.value)
    assert "a:" not in str(error.value)
