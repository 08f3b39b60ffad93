"""Parts of samples and features, dealt out to workers and their devices and put together again."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from gankit.play.sharing import lane, shares, sharing


def dealt(rank, count, lanes, everybodys=None):
    workers = SimpleNamespace(rank=rank, count=count, lanes=lanes, collected=lambda own: everybodys or [own])
    ops = SimpleNamespace(workers=workers)
    assert shares(ops) is None, "outside of `sharing` each worker is alone"
    with sharing():
        return shares(ops)


def test_nobody_shares_alone():
    with sharing():
        assert shares(SimpleNamespace()) is None


@pytest.mark.parametrize("count, lanes, sizes", [(2, 1, [5, 5, 5, 2]), (3, 2, [4] * 13 + [1]), (4, 1, [3, 1])])
def test_all_parts_are_computed_once_and_come_back_in_their_order(count, lanes, sizes):
    starts = np.cumsum([0, *sizes])
    parts = [np.arange(start, stop)[:, None] for start, stop in pairwise(starts)]
    ranks = range(count)
    own = [dealt(rank, count, lanes).each(lambda x: 10.0 * x, parts) for rank in ranks]
    assert sum(map(len, own)) == len(parts)
    assert max(map(len, own)) - min(map(len, own)) <= lanes
    rows = [np.concatenate(each) if each else np.zeros((0,)) for each in own]
    for rank in ranks:
        whole = dealt(rank, count, lanes, rows).whole(rows[rank], sizes)
        np.testing.assert_array_equal(whole, 10.0 * np.arange(sum(sizes))[:, None])


def test_each_device_of_a_worker_gets_its_parts():
    seen = dealt(1, 2, 2).each(lambda i: np.array([i, lane()]), range(10))
    assert [tuple(map(int, each)) for each in seen] == [(2, 0), (3, 1), (6, 0), (7, 1)]
    assert lane() is None
