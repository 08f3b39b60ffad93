"""Whatever a user has becomes the same Dataset, or an error that says what to change."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.data.dataset import Dataset
from gankit.data.sources import open_data
from gankit.errors import DataError

X = np.linspace(-3, 3, 12).reshape(6, 2)
LABELS = np.array([0, 1, 2, 0, 1, 2])


class Tensor:
    """A foreign array, as NumPy sees a CPU tensor."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self.array


class DeviceTensor:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


class DLPackOnly:
    def __init__(self, array: Array) -> None:
        self.array = array

    def __dlpack__(self, **settings: Any) -> Any:
        return self.array.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Installed datasets by name, in the place of the real registry."""
    installed: dict[str, Any] = {}
    module = ModuleType("gankit.plug.registry")
    module.load = lambda kind, name: installed[f"{kind}/{name}"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gankit.plug.registry", module)
    return installed


@pytest.mark.parametrize(
    "source",
    [(X, LABELS), [X, LABELS], {"x": X, "labels": LABELS}, {"images": X, "y": LABELS}, (X.tolist(), LABELS.tolist())],
    ids=["tuple", "list", "mapping", "mapping-y", "nested-lists"],
)
def test_examples_and_labels_come_in_many_forms_and_out_in_one(source: Any) -> None:
    data = open_data(source)
    np.testing.assert_array_equal(data.x, X)
    assert data.labels is not None and data.labels.dtype == np.int64
    np.testing.assert_array_equal(data.labels, LABELS)
    assert data.num_classes is None and data.value_range is None


@pytest.mark.parametrize("source", [X, Tensor(X), DLPackOnly(X)], ids=["numpy", "__array__", "dlpack"])
def test_arrays_of_any_library_are_viewed_not_copied(source: Any) -> None:
    data = open_data(source)
    assert np.shares_memory(data.x, X) and data.labels is None


def test_two_examples_in_a_list_are_examples_not_a_pair() -> None:
    assert open_data([[1.0, 2.0], [3.0, 4.0]]).x.shape == (2, 2)


def test_a_dataset_is_returned_as_it_is() -> None:
    dataset = Dataset(X, labels=LABELS)
    assert open_data(dataset) is dataset
    assert open_data(dataset, num_classes=5).num_classes == 5


@pytest.mark.parametrize(
    ("given", "expected"),
    [(np.float16, np.float32), (bool, np.float32), (np.longdouble, np.float64), (">f4", np.float32)],
)
def test_unusual_dtypes_become_ones_that_every_backend_takes(given: Any, expected: Any) -> None:
    data = open_data(np.ones((4, 3), given))
    assert data.x.dtype == expected and data.x.dtype.isnative


@pytest.mark.parametrize(
    ("x", "shape", "value_range"),
    [
        (np.zeros((2, 5, 5), np.uint8), (5, 5, 1), (0, 255)),
        (np.zeros((2, 5, 5, 3), np.uint8), (5, 5, 3), (0, 255)),
        (np.full((2, 5, 5, 3), 0.5), (5, 5, 3), (0, 1)),
        (np.full((2, 5, 5, 1), -0.5), (5, 5, 1), (-1, 1)),
        (np.full((2, 5, 5, 1), 1.5), (5, 5, 1), None),
        (np.full((2, 5, 5, 7), 0.5), (5, 5, 7), None),
        (np.full((2, 5), 0.5), (5,), None),
    ],
)
def test_the_value_range_is_told_from_dtype_and_content(x: Array, shape: tuple[int, ...], value_range: Any) -> None:
    data = open_data(x)
    assert data.shape == shape and data.value_range == value_range


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.astype(np.uint8),
        LABELS.astype(np.float32),
        np.eye(3)[LABELS],
        np.eye(3, dtype=bool)[LABELS],
        Tensor(LABELS),
    ],
    ids=["uint8", "float", "one-hot", "bool-one-hot", "tensor"],
)
def test_labels_of_any_kind_become_int64(labels: Any) -> None:
    data = open_data((X, labels), num_classes=3)
    assert data.labels is not None and data.labels.dtype == np.int64 and data.num_classes == 3
    np.testing.assert_array_equal(data.labels, LABELS)


def test_an_npy_file_stays_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "points.npy", X)
    data = open_data(tmp_path / "points.npy")
    base: Any = data.x
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert base is not None, "the array was copied into memory"
    np.testing.assert_array_equal(data.x, X)


@pytest.mark.parametrize(("x_key", "label_key"), [("x", "labels"), ("images", "y"), ("data", "labels"), ("arr_0", "y")])
def test_an_npz_file_is_read_by_the_usual_keys(tmp_path: Path, x_key: str, label_key: str) -> None:
    arrays: dict[str, Any] = {x_key: X, label_key: LABELS}
    np.savez(tmp_path / "set.npz", **arrays)
    data = open_data(str(tmp_path / "set.npz"))
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.labels, LABELS)
    assert data.name == "set.npz"


def test_an_npz_file_without_examples_lists_the_keys_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", pixels=X, target=LABELS)
    with pytest.raises(DataError, match=r"\['pixels', 'target'\].*x, images, data, arr_0"):
        open_data(tmp_path / "set.npz")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_pickles_are_refused_and_not_run(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"objects.{suffix}"
    objects = np.array([{"a": 1}, {"b": 2}], dtype=object)
    np.save(path, objects) if suffix == "npy" else np.savez(path, x=objects)
    with pytest.raises(DataError, match="cannot be read"):
        open_data(path)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_damaged_file_is_a_data_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    np.save(path, X) if suffix == "npy" else np.savez_compressed(path, x=X)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=f"cut.{suffix} cannot be read"):
        open_data(path)


@pytest.mark.parametrize(("written", "named"), [("npy", "npz"), ("npz", "npy")])
def test_a_file_that_is_not_what_its_name_says_is_a_data_error(tmp_path: Path, written: str, named: str) -> None:
    path = tmp_path / f"disguised.{written}"
    np.save(path, X) if written == "npy" else np.savez(path, x=X)
    with pytest.raises(DataError, match=f"disguised.{named} cannot be read"):
        open_data(path.rename(path.with_suffix(f".{named}")))


@pytest.mark.parametrize("source", ["./nowhere.npz", "nowhere.npy", Path("mnist")])
def test_a_missing_path_is_a_data_error(source: Any, registry: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_data(source)


def test_an_unsupported_file_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "table.xlsx").write_text("1,2\n")
    with pytest.raises(DataError, match="is not a .npz or .npy file"):
        open_data(tmp_path / "table.xlsx")


def test_a_name_is_looked_up_in_the_registry_with_its_split(registry: dict[str, Any]) -> None:
    asked = []

    def load(split: str = "train") -> Dataset:
        asked.append(split)
        return Dataset(X, labels=LABELS)

    registry["data/spiral-2"] = load
    assert open_data("spiral-2", split="test", num_classes=3).num_classes == 3
    assert asked == ["test"]


@pytest.mark.parametrize("target", [lambda split: X, X])
def test_a_plugin_that_returns_no_dataset_is_named(registry: dict[str, Any], target: Any) -> None:
    registry["data/broken"] = target
    with pytest.raises(DataError, match="plugin for data 'broken'"):
        open_data("broken")


@pytest.mark.parametrize("source", [X, (X, LABELS), {"x": X}, Dataset(X)])
def test_arrays_have_no_other_split_so_testing_on_training_data_is_refused(source: Any) -> None:
    with pytest.raises(DataError, match="no split 'test'"):
        open_data(source, split="test")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(50, 2), (50, 4, 4, 1)])
def test_examples_that_are_not_finite_are_counted_and_the_first_named(
    bad: float, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gankit.data.dataset.BLOCK_BYTES", 256)
    x = np.zeros(shape, np.float32)
    x[17, 0], x[40] = bad, bad
    with pytest.raises(DataError, match="2 of 50 examples hold NaN or infinity, the first at index 17"):
        open_data(x)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((4, 2), np.int64), "Convert with x.astype"),
        (np.zeros((4, 2), complex), "uint8 or float"),
        (np.zeros(4), r"shape \(4,\)"),
        ([[1.0], [2.0, 3.0]], "cannot convert this list"),
        (DeviceTensor(), r"x.detach\(\).cpu\(\)"),
        ((X,), "must be .x, labels."),
        ((X, LABELS[:5]), "6 integers"),
        ((X, LABELS + 0.5), "whole numbers"),
        ((X, np.full(6, np.nan)), "whole numbers"),
        ((X, np.array([b"a"] * 6)), "labels must be"),
        ((X, LABELS[:, None]), r"labels\[:, 0\]"),
        ((X, np.ones((6, 3))), "not one-hot"),
        ((X, -LABELS), "classes count from 0"),
        ({"pixels": X}, r"\['pixels'\]"),
    ],
)
def test_what_cannot_be_data_is_refused_with_a_way_out(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_data(source)


def test_labels_beyond_num_classes_are_refused() -> None:
    with pytest.raises(DataError, match="num_classes=2 allows 0 to 1"):
        open_data((X, LABELS), num_classes=2)


def test_num_classes_for_unlabelled_data_is_refused() -> None:
    with pytest.raises(DataError, match="there are no labels"):
        open_data(X, num_classes=3)


@pytest.mark.parametrize("kind", [list, np.array, lambda names: np.array(names, dtype=object)])
def test_names_of_classes_are_classes_in_alphabetical_order(kind: Any, tmp_path: Path) -> None:
    labels = kind(["dog", "cat", "dog", "eel", "cat", "dog"])
    data = open_data((X, labels))
    assert data.labels.tolist() == [1, 0, 1, 2, 0, 1]
    assert data.labels.dtype == np.int64 and data.num_classes == 3
    np.savez(tmp_path / "named.npz", x=X, y=np.asarray(labels, dtype=str))
    assert open_data(tmp_path / "named.npz").labels.tolist() == data.labels.tolist()


@pytest.mark.parametrize(("content", "said"), [(["a", "b"], "examples are texts"), ([{}, {}], "it has Python objects")])
def test_a_file_without_numbers_is_told_what_it_holds(content: list[Any], said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array(content), allow_pickle=True)
    with pytest.raises(DataError, match=said):
        open_data(tmp_path / "x.npy")
