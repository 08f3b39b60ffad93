"""What the workers of one host tell each other through memory that they share."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import Any

import pytest
import torch
from gankit_torch import lines
from gankit_torch.lines import Lines, connected

COUNT = 3
pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Workers share memory on Linux alone.")


class Room:
    """Where `COUNT` threads tell each other texts, as processes do."""

    def __init__(self) -> None:
        self._said, self._barrier = [""] * COUNT, threading.Barrier(COUNT)

    def everybody(self, rank: int) -> Callable[[str], list[str]]:
        def tell(text: str) -> list[str]:
            self._said[rank] = text
            self._barrier.wait(10)
            said = list(self._said)
            self._barrier.wait(10)
            return said

        return tell


def together(play: Callable[[int, Lines | None], Any]) -> list[Any]:
    """What `play` returns to each of `COUNT` workers."""
    room = Room()

    def worker(rank: int) -> Any:
        mine = connected(rank, COUNT, room.everybody(rank))
        with closing(mine) if mine is not None else nullcontext():
            return play(rank, mine)

    with ThreadPoolExecutor(COUNT) as pool:
        return list(pool.map(worker, range(COUNT)))


CASES = [
    ((), torch.float32),
    ((5,), torch.float64),
    ((0, 3), torch.float32),
    ((7, 3), torch.bfloat16),
    ((2, 4), torch.int64),
    ((40_000,), torch.float32),  # more than the smallest room
    ((3, 200_001), torch.float32),
]


@pytest.mark.parametrize(("shape", "dtype"), CASES)
def test_each_gets_what_all_have(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    def own(rank: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(rank)
        return torch.randint(-9, 10, shape, generator=generator).to(dtype)

    def play(rank: int, mine: Lines | None) -> tuple[torch.Tensor, torch.Tensor]:
        assert mine is not None and mine.takes(own(rank))
        return mine.stacked(own(rank)), mine.summed(own(rank).t() if len(shape) == 2 else own(rank))

    want = torch.stack([own(rank) for rank in range(COUNT)])
    for stacked, summed in together(play):
        assert stacked.dtype == summed.dtype == dtype
        assert torch.equal(stacked, want)
        assert torch.equal(summed, want.sum(0, dtype=dtype).t() if len(shape) == 2 else want.sum(0, dtype=dtype))


def test_nothing_is_written_over_before_all_have_read_it() -> None:
    def play(rank: int, mine: Lines | None) -> list[int]:
        assert mine is not None
        found = []
        for i in range(100):
            if (i + rank) % 7 == 0:
                time.sleep(0.002)  # each falls behind in its turn
            found.append(int(mine.summed(torch.full((1000,), 10**rank * (i + 1)))[-1]))
            found.append(int(mine.stacked(torch.tensor(i * rank)).sum()))
        return found

    want = [number for i in range(100) for number in (111 * (i + 1), 3 * i)]
    assert together(play) == [want] * COUNT


def test_sums_are_the_same_to_the_last_bit_on_all() -> None:
    def play(rank: int, mine: Lines | None) -> torch.Tensor:
        assert mine is not None
        return mine.summed(torch.randn(999, generator=torch.Generator().manual_seed(rank)))

    first, *others = together(play)
    assert all(torch.equal(first, other) for other in others)


def test_whoever_waits_for_one_that_is_gone_hears_of_it() -> None:
    def play(rank: int, mine: Lines | None) -> str:
        assert mine is not None
        mine.summed(torch.zeros(1))
        if rank == 1:
            return "gone"
        try:
            mine.summed(torch.zeros(1))
        except OSError:
            return "told"
        return "not told"

    assert together(play) == ["told", "gone", "told"]


def test_large_arrays_go_another_way() -> None:
    def play(rank: int, mine: Lines | None) -> tuple[bool, bool]:
        assert mine is not None
        most = lines.MOST // COUNT
        return mine.takes(torch.empty(most, dtype=torch.uint8)), mine.takes(torch.empty(most + 1, dtype=torch.uint8))

    assert together(play) == [(True, False)] * COUNT


def test_all_do_without_where_one_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = lines._listener
    monkeypatch.setattr(lines, "_listener", lambda path, count: None if path.name == "1" else listener(path, count))
    assert together(lambda rank, mine: mine) == [None] * COUNT


def test_no_file_stays_behind(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    together(lambda rank, mine: mine)
    assert not list(tmp_path.iterdir())
