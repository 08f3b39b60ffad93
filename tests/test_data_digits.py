"""The embedded digits: always there, and the same as scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.data.digits import load, whole
from gankit.errors import DataError


def test_digits_are_1797_labelled_grey_images_of_8_by_8() -> None:
    digits = whole()
    assert digits.x.shape == (1797, 8, 8, 1) and digits.x.dtype == np.uint8
    assert digits.labels is not None and digits.labels.dtype == np.int64
    assert (digits.name, digits.num_classes, digits.value_range) == ("digits", 10, (0, 255))
    assert set(digits.labels.tolist()) == set(range(10))


def test_digits_equal_scikit_learns_on_a_scale_of_255() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is the reference here")
    theirs, ours = datasets.load_digits(), whole()
    np.testing.assert_array_equal(ours.x[..., 0], np.rint(theirs.images * 255 / 16))
    np.testing.assert_array_equal(ours.labels, theirs.target)


def test_two_loads_do_not_share_memory() -> None:
    first = load()
    first.x[0] = 7
    assert not (load().x[0] == 7).all()


def test_its_splits_share_nothing_and_have_all_classes() -> None:
    parts = [load(split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [1297, 200, 300]
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), whole().x)
    assert all(len(set(part.labels.tolist())) == 10 for part in parts if part.labels is not None)


def test_another_split_is_refused_and_the_possible_ones_named() -> None:
    with pytest.raises(DataError, match="no split 'holdout'; possible: 'test', 'train', 'validation'"):
        load("holdout")
