"""Scaling brings data into the networks' range and back, without losing a grey level or a byte of memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.data.dataset import Dataset, blocks, feature_mean, scaling
from gankit.errors import DataError

EVERY_GREY = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
POINTS = np.random.default_rng(0).normal([1e6, -3.0, 0.0], [1.0, 0.01, 5.0], size=(5000, 3))


def images() -> Dataset:
    return Dataset(EVERY_GREY, value_range=(0, 255))


@pytest.mark.parametrize(("output", "low", "high"), [("unit", 0, 1), ("symmetric", -1, 1), ("free", -1, 1)])
def test_bounded_data_is_mapped_by_its_range_not_by_what_happens_to_occur(output: str, low: int, high: int) -> None:
    half_used = Dataset(EVERY_GREY[:2], value_range=(0, 255))
    mapping = scaling(half_used, output)
    assert mapping.offset.shape == mapping.scale.shape == ()
    np.testing.assert_allclose(mapping.to_model(np.array([0.0, 255.0]), "float64"), [low, high])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", ["unit", "symmetric", "free"])
def test_every_grey_level_survives_the_way_to_the_model_and_back(output: str, dtype: str) -> None:
    mapping = scaling(images(), output)
    model = mapping.to_model(EVERY_GREY, dtype)
    assert model.dtype == dtype
    back = mapping.to_user(model)
    assert back.dtype == np.uint8 and mapping.is_integer
    np.testing.assert_array_equal(back, EVERY_GREY)


@pytest.mark.parametrize("output", ["unit", "symmetric", "free"])
def test_whole_numbers_come_out_of_float32_as_out_of_float64(output: str) -> None:
    """Wherever float32 can tell on which side of a half it is: anywhere but within 4e-5 of one."""
    mapping = scaling(images(), output)
    levels = np.linspace(-20.0, 280.0, 300_001)  # a thousand to each level, and beyond both ends
    model = ((levels - mapping.offset) / mapping.scale).astype(np.float32)
    got, exact = mapping.to_user(model), mapping.to_user(model.astype(np.float64))
    assert got.dtype == exact.dtype == np.uint8
    level = model.astype(np.float64) * mapping.scale + mapping.offset
    clear = np.abs(level % 1.0 - 0.5) > 4e-5
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(got[clear], exact[clear])
    np.testing.assert_array_equal(exact, np.rint(np.clip(level, 0, 255)))
    assert np.abs(got.astype(int) - exact.astype(int)).max() <= 1


def test_samples_that_come_back_leave_the_model_s_own_as_they_were() -> None:
    for mapping, x in ((scaling(images(), "unit"), np.float32([0.1, 2.0])), (scaling(Dataset(POINTS), "free"), POINTS)):
        before = x.copy()
        mapping.to_user(x)
        np.testing.assert_array_equal(x, before)


def test_measured_numbers_are_scaled_in_float64_whatever_the_model_computes_in() -> None:
    """A million deviations away from 0, float32 would leave 1/16 of a deviation."""
    mapping = scaling(Dataset(POINTS), "free")
    model = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    np.testing.assert_array_equal(mapping.to_user(model), model.astype(np.float64) * mapping.scale + mapping.offset)


def test_samples_beyond_the_range_are_clipped_not_wrapped() -> None:
    np.testing.assert_array_equal(scaling(images(), "symmetric").to_user(np.array([-1.5, 1.5])), [0, 255])


def test_unbounded_data_for_a_linear_output_is_standardised_per_feature() -> None:
    mapping = scaling(Dataset(POINTS), "free")
    assert mapping.offset.shape == (3,) and mapping.scale.dtype == np.float64
    assert (mapping.low, mapping.high, mapping.is_integer) == (None, None, False)
    np.testing.assert_allclose(mapping.scale, POINTS.std(axis=0), rtol=1e-9)
    model = mapping.to_model(POINTS, "float64")
    np.testing.assert_allclose(model.mean(axis=0), 0, atol=1e-8)  # 1e6 deviations from 0, times float64's 1e-16
    np.testing.assert_allclose(model.std(axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize(("output", "low"), [("unit", 0), ("symmetric", -1)])
def test_unbounded_data_for_a_bounded_output_fills_it_feature_by_feature(output: str, low: int) -> None:
    mapping = scaling(Dataset(POINTS), output)
    model = mapping.to_model(POINTS, "float64")
    np.testing.assert_allclose(model.min(axis=0), low, atol=1e-9)
    np.testing.assert_allclose(model.max(axis=0), 1, atol=1e-9)
    assert mapping.low is None and mapping.high is None


@pytest.mark.parametrize("output", ["unit", "symmetric", "free"])
def test_a_constant_feature_is_shifted_but_never_blown_up(output: str) -> None:
    x = np.stack([np.full(1001, 0.1), np.linspace(0, 1, 1001)], axis=1)  # the mean of 1001 times 0.1 is not 0.1
    mapping = scaling(Dataset(x), output)
    assert mapping.scale[0] == 1
    np.testing.assert_array_equal(mapping.to_model(x, "float64")[:, 0], 0)


def test_statistics_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scaling(Dataset(POINTS), "free")
    monkeypatch.setattr("gankit.data.dataset.BLOCK_BYTES", 100)
    assert sum(len(block) for block in blocks(POINTS)) == len(POINTS)
    pieces = scaling(Dataset(POINTS), "free")
    np.testing.assert_allclose(pieces.offset, whole.offset, rtol=1e-12)
    np.testing.assert_allclose(pieces.scale, whole.scale, rtol=1e-9)


def test_statistics_of_memory_mapped_data_never_hold_it_all(tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", np.zeros((1 << 18, 64), np.float32))  # 64 MiB, 128 as float64
    dataset = Dataset(np.load(tmp_path / "big.npy", mmap_mode="r"))
    tracemalloc.start()
    try:
        feature_mean(dataset, scaling(dataset, "free"))
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dataset", [images(), Dataset(POINTS)])
@pytest.mark.parametrize("output", ["unit", "free"])
def test_feature_mean_is_the_mean_of_the_data_in_model_units(dataset: Dataset, output: str) -> None:
    mapping = scaling(dataset, output)
    mean = feature_mean(dataset, mapping)
    assert mean.shape == dataset.shape and mean.dtype == np.float64
    np.testing.assert_allclose(mean, mapping.to_model(dataset.x, "float64").mean(axis=0), atol=1e-8)


def test_an_unknown_output_range_is_refused_with_the_possible_ones() -> None:
    with pytest.raises(DataError, match="'sigmoid'; possible: 'free', 'symmetric', 'unit'"):
        scaling(images(), "sigmoid")


@pytest.mark.parametrize(
    ("x", "fields", "message"),
    [
        (np.zeros(3), {}, r"shape \(3,\)"),
        (np.zeros((0, 2)), {}, "n >= 1"),
        (np.zeros((3, 0)), {}, r"shape \(3, 0\)"),
        (np.zeros((3, 2), np.int32), {}, "uint8 or float"),
        (np.zeros((3, 2)), {"labels": np.array([0, 1])}, "3 integers"),
        (np.zeros((3, 2)), {"labels": np.array([0, 1, -1])}, "classes count from 0"),
        (np.zeros((3, 2)), {"labels": np.array([0, 1, 2]), "num_classes": 2}, "allows 0 to 1"),
        (np.zeros((3, 2)), {"num_classes": 0}, "at least 1"),
        (np.full((3, 2), 2.0), {"value_range": (0, 1)}, "from 2.0 to 2.0, outside"),
        (np.full((3, 2), np.nan), {"value_range": (0, 1)}, "outside value_range"),
        (np.zeros((3, 2)), {"value_range": (0, 0)}, "smaller first"),
    ],
)
def test_contradictory_fields_are_refused(x: Array, fields: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset(x, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("value_range", [(-1, 255), (0, 256), (0, 1e9)])
def test_bytes_run_from_0_to_255(value_range):
    with pytest.raises(DataError, match="leaves 0 to 255, which is all that uint8 holds"):
        Dataset(np.zeros((4, 2, 2, 1), np.uint8), None, None, value_range, "pictures")
