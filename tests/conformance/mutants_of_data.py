"""Data sets with one fault each, written as a stranger would write them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from planted_parts import Broken, heavy

from gankit import Dataset
from gankit.data.dataset import check_split

ROWS = {"train": slice(0, 160), "validation": slice(160, 200), "test": slice(200, 240)}


def everything(name="broken"):
    """240 pictures in three classes, a bright column each."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 240)
    x = rng.integers(0, 80, (240, 6, 6, 1))
    x[np.arange(240), :, 2 * labels] += 150
    return Dataset(x.astype(np.uint8), labels, 3, (0, 255), name)


def honest(split="train"):
    check_split("broken", split, ROWS)
    return everything().rows(ROWS[split])


def floats(split="train"):
    """As it should be: numbers without bounds, no labels, one split."""
    check_split("broken", split, ["train"])
    return Dataset(np.random.default_rng(0).normal(size=(80, 3)), name="broken")


def given(split="train"):
    """As it should be: pictures with a condition."""
    data = honest(split)
    return replace(data, given={"column": np.eye(3)[data.labels]})


def changed(change):
    """A target whose data is changed by (data, split)."""

    def target(split="train"):
        return change(honest(split), split)

    return target


def pair(split="train"):
    data = honest(split)
    return data.x, data.labels


def whole_as_any(split="train"):
    """Does not look at what it is asked for."""
    return everything().rows(ROWS["train"])


def any_split(split="train"):
    return everything().rows(ROWS.get(split, ROWS["train"]))


def key_error(split="train"):
    return everything().rows(ROWS[split])


def overlapping(split="train"):
    check_split("broken", split, ROWS)
    return everything().rows({**ROWS, "train": slice(0, 205)}[split])


def of_all(split="train"):
    """Trains on everything there is."""
    check_split("broken", split, ROWS)
    return everything() if split == "train" else honest(split)


def shuffled_by_numpy(split="train"):
    return honest(split).rows(np.random.permutation(40))


STREAM = np.random.default_rng(0)


def from_one_stream(split="train"):
    data = honest(split)
    return replace(data, x=data.x + STREAM.integers(0, 3, data.x.shape).astype(np.uint8))


def by_set(split="train"):
    """Classes numbered in the order of a set of texts."""
    data = honest(split)
    names = {f"class {i}" for i in range(3)}
    number = {name: i for i, name in enumerate(names)}
    labels = np.array([number[f"class {i}"] for i in data.labels])
    order = np.array([len(names), *map(hash, names)]) % 7
    x = data.x.copy()
    x[0, 0, : len(order), 0] = order
    return replace(data, x=x, labels=labels)


@cache
def kept(split="train"):
    return honest(split)


LABELS = everything().labels.copy()


def labels_kept(split="train"):
    data = honest(split)
    return replace(data, labels=LABELS[ROWS[split]])


def sorted_labels(data, split):
    return replace(data, labels=np.sort(data.labels))


def rolled_labels(data, split):
    return replace(data, labels=np.roll(data.labels, 1))


def anew(data, split):
    return data if split == "train" else replace(data, labels=(data.labels + 1) % 3)


def rounding(data, split):
    """Of another class than it says: an example far out breaks a game in float32."""
    return replace(data, x=data.x.astype(np.float64) * 1e39, value_range=None)


def with_nan_condition(data, split):
    object.__setattr__(data, "given", {"column": np.full((len(data), 3), np.nan)})
    return data


def lacks_a_class(data, split):
    return replace(data, num_classes=4)


def with_nan(data, split):
    x = data.x.astype(np.float32)
    x[3, 2] = np.nan
    return replace(data, x=x, value_range=None)


HEAVY = """
import numpy as np
from gankit import Dataset


def Part(split="train"):
    return Dataset(np.eye(3), name="broken")
"""

HONEST = {"pictures": honest, "rows": floats, "conditions": given}
DATA = tuple(
    Broken("data", *fault)
    for fault in (
        ("a pair", "check_data_contract", pair),
        ("goes by another name", "check_data_contract", changed(lambda d, split: replace(d, name="mine"))),
        (
            "numbers from another machine",
            "check_data_contract",
            changed(lambda d, split: replace(d, x=d.x.astype(">f4"), value_range=(0, 255))),
        ),
        ("half precision", "check_data_contract", changed(lambda d, split: replace(d, x=d.x.astype(np.float16)))),
        (
            "channels first",
            "check_data_contract",
            changed(lambda d, split: replace(d, x=d.x.repeat(3, axis=3).transpose(0, 3, 1, 2))),
        ),
        ("labels without num_classes", "check_data_contract", changed(lambda d, split: replace(d, num_classes=None))),
        ("holds NaN", "check_data_is_finite_and_in_its_units", changed(with_nan)),
        (
            "bytes without a range",
            "check_data_is_finite_and_in_its_units",
            changed(lambda d, split: replace(d, value_range=None)),
        ),
        (
            "pictures about 0 without a range",
            "check_data_is_finite_and_in_its_units",
            changed(lambda d, split: replace(d, x=(d.x / 127.5 - 1).astype(np.float32), value_range=None)),
        ),
        (
            "shares of 1 in the range of bytes",
            "check_data_is_finite_and_in_its_units",
            changed(lambda d, split: replace(d, x=(d.x / 255).astype(np.float32))),
        ),
        (
            "all 0 in the test split",
            "check_data_is_finite_and_in_its_units",
            changed(lambda d, split: replace(d, x=d.x * np.uint8(split != "test"))),
        ),
        ("any split", "check_data_refuses_other_splits", any_split),
        ("an error of its own", "check_data_refuses_other_splits", key_error),
        ("one split under every name", "check_data_splits_are_disjoint", whole_as_any),
        ("a few rows in two splits", "check_data_splits_are_disjoint", overlapping),
        ("trains on everything", "check_data_splits_are_disjoint", of_all),
        (
            "other units in the test split",
            "check_data_splits_are_alike",
            changed(lambda d, s: d if s == "train" else replace(d, x=d.x / 255.0, value_range=(0, 1))),
        ),
        (
            "other classes in the test split",
            "check_data_splits_are_alike",
            changed(lambda d, s: d if s == "train" else replace(d, num_classes=4)),
        ),
        (
            "no labels in the test split",
            "check_data_splits_are_alike",
            changed(lambda d, s: d if s == "train" else replace(d, labels=None)),
        ),
        ("shuffled by NumPy", "check_data_is_the_same_every_time", shuffled_by_numpy),
        ("from a stream that goes on", "check_data_is_the_same_every_time", from_one_stream),
        ("in the order of a set", "check_data_is_the_same_every_time", by_set),
        ("kept from call to call", "check_data_is_not_shared", kept),
        ("labels of the module", "check_data_is_not_shared", labels_kept),
        ("labels sorted alone", "check_data_labels_belong_to_the_examples", changed(sorted_labels)),
        ("labels of the neighbour", "check_data_labels_belong_to_the_examples", changed(rolled_labels)),
        ("classes numbered anew in the test split", "check_data_labels_belong_to_the_examples", changed(anew)),
        ("a class without examples", "check_data_labels_belong_to_the_examples", changed(lacks_a_class)),
        ("too large for single precision", "check_data_plays", changed(rounding)),
        ("conditions that are NaN", "check_data_plays", changed(with_nan_condition)),
        ("imports a framework", "check_data_imports_no_framework", heavy(HEAVY, '("torch", "jax")')),
        ("imports another", "check_data_imports_no_framework", heavy(HEAVY, '("jax", "torch")')),
    )
)
