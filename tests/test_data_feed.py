"""Data on its way to the step: files stay on disk, and iterables of batches lose, repeat and reorder nothing."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.config import Config
from gankit.data import batches, open_data
from gankit.data.dataset import Dataset, Scaling
from gankit.data.sources import can_reopen, data_name
from gankit.data.spec import DataSpec
from gankit.data.stream import BatchStream, examples_of, open_training
from gankit.errors import DataError
from gankit.interfaces import Batch
from gankit.parts.optimizers import Adam
from gankit.play.batches import Batches, Stock, Wants
from gankit.play.feed import Feed, StreamFeed

OPS: Any = SimpleNamespace(asarray=lambda x: np.array(x))
M = 4
UNITS = {"": {"": (0.0, 1.0)}}


def plan(k: int = 1, needs_real: bool = False, num_classes: int | None = None) -> Batches:
    loss: Any = SimpleNamespace(generator_needs_real=needs_real)
    config = Config(batch_size=M, k=k, latent_dim=2)
    wants = Wants.of(loss, num_classes=num_classes)
    return Batches(config, {"generator": Adam(), "discriminator": Adam()}, wants=wants)


def numbered(n: int, start: int = 0) -> Array:
    """n examples, each its own number, so that every one can be followed."""
    return np.arange(start, start + n, dtype=np.float32)[:, None]


class Portions:
    """A re-iterable in batches of these sizes, as a DataLoader; counts how often it was begun."""

    def __init__(self, *sizes: int, labels: bool = False) -> None:
        self.sizes, self.labels, self.passes = sizes, labels, 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        start = 0
        for size in self.sizes:
            x = numbered(size, start)
            yield (x, x[:, 0].astype(int) % 3) if self.labels else x
            start += size


def opened(source: Any, **settings: Any) -> BatchStream:
    return BatchStream(source, **{"conditional": False, **settings})


def seen(feed: StreamFeed, *cuts: int) -> list[float]:
    """The numbers that D is shown, in order, by chunks that end at these steps."""
    numbers: list[float] = []
    start = 0
    for stop in cuts:
        while start < stop:
            until = feed.available(start, stop)
            numbers += feed.chunk(start, until).discriminator.real.ravel().tolist()
            start = until
    return numbers


# ---- made ready on another thread


def sent_along(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """50 numbered examples that go along with each chunk."""
    monkeypatch.setattr("gankit.play.feed.RESIDENT_BYTES", 0)
    return Feed(Dataset(numbered(50)), plan(k=2), OPS, frozenset(), UNITS)


def on_a_thread(prepare: Any, *span: int) -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(prepare, *span).result()


def assert_same_batches(got: Batch, want: Batch) -> None:
    for a, b in zip(got[:2], want[:2], strict=True):
        for x, y in zip(a.arrays(), b.arrays(), strict=True):
            np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(got.key, want.key)
    assert got.numbers.keys() == want.numbers.keys()


def test_a_chunk_made_ready_is_the_chunk_and_is_handed_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Across the blocks that noise is drawn in, and across epochs."""
    feed, made, make = sent_along(monkeypatch), [], Feed._chunk

    def counted(feed: Feed, start: int, stop: int) -> Batch:
        made.append((start, stop))
        return make(feed, start, stop)

    monkeypatch.setattr(Feed, "_chunk", counted)
    on_a_thread(feed.prepare, 60, 70)
    first, again = feed.chunk(60, 70), feed.chunk(60, 70)
    assert made == [(60, 70)] * 2, "made ready once, and anew when it is asked for again"
    for batch in (first, again):
        assert_same_batches(batch, make(sent_along(monkeypatch), 60, 70))


def test_chunks_are_put_on_the_device_on_the_thread_that_makes_them_ready() -> None:
    """A log waits for the device; what had to be sent there after that, it would wait for too."""
    threads = []

    def stage(batches: Batch, capacity: int) -> tuple[Batch, int]:
        threads.append(threading.current_thread().name)
        return batches, capacity

    ops = SimpleNamespace(asarray=np.array, stage=stage, xp=SimpleNamespace(isdtype=lambda dtype, kind: False))
    feed = Feed(Dataset(numbered(50)), plan(), ops, frozenset(), UNITS)
    thread = threading.Thread(target=feed.prepare, args=(0, 5), name="feed")
    thread.start()
    thread.join()
    batches, capacity = feed.chunk(0, 5)
    assert threads == ["feed"] and len(batches.key[0]) == 5 and capacity == feed.capacity
    streamed = StreamFeed(opened(Portions(24)), plan(), ops)
    batches, capacity = streamed.chunk(0, streamed.available(0, 3))
    assert len(batches.key[0]) == 3 and capacity == streamed.capacity


@pytest.mark.parametrize(("start", "stop"), [(60, 64), (60, 80), (61, 70), (0, 10)])
def test_a_chunk_other_than_the_one_made_ready_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, start: int, stop: int
) -> None:
    """A pace that slackens, a callback that comes, or a checkpoint that is restored asks for other steps."""
    feed = sent_along(monkeypatch)
    feed.prepare(60, 70)
    assert_same_batches(feed.chunk(start, stop), sent_along(monkeypatch).chunk(start, stop))
    assert_same_batches(feed.chunk(60, 70), sent_along(monkeypatch).chunk(60, 70))


def failing_disk(x: Array) -> Array:
    raise OSError("Input/output error")


def test_what_cannot_be_made_ready_leaves_the_feed_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = sent_along(monkeypatch)
    with monkeypatch.context() as broken:
        broken.setattr("gankit.play.feed.native_floats", failing_disk)
        with pytest.raises(OSError, match="Input/output error"):
            on_a_thread(feed.prepare, 0, 5)
    assert_same_batches(feed.chunk(0, 5), sent_along(monkeypatch).chunk(0, 5))


@pytest.mark.parametrize("spans", [[(2, 4), (4, 9)], [(2, 9), (3, 9)], [(2, 3)]], ids=str)
def test_reading_ahead_in_an_iterable_takes_nothing(spans: list[tuple[int, int]]) -> None:
    feed = StreamFeed(opened(Portions(7, 5)), plan(), OPS)
    got = seen(feed, 2)
    for span in spans:
        on_a_thread(feed.prepare, *span)
    for start, stop in ((2, 3), (3, 9)):
        assert feed.available(start, stop) == stop
        got += feed.chunk(start, stop).discriminator.real.ravel().tolist()
    assert got == list(range(12)) * 3


def test_reading_ahead_in_an_iterable_reads_as_far_as_was_said_and_no_further() -> None:
    read: list[int] = []

    def source() -> Iterator[Array]:
        for i in range(9):
            read.append(i)
            yield numbered(4, 4 * i)

    feed = StreamFeed(opened(source()), plan(), OPS)
    feed.prepare(0, 3)
    assert read == [0, 1, 2]
    feed.prepare(0, 3)
    assert read == [0, 1, 2]
    feed.prepare(0, 99)  # as many as come; that they are too few is told when they are asked for
    assert feed.available(0, 99) == 9


def test_an_iterable_that_fails_ahead_keeps_what_it_gave_before() -> None:
    feed = StreamFeed(opened(iter([IMAGE, IMAGE, IMAGE * np.nan])), plan(), OPS)
    with pytest.raises(DataError, match="batch 3 of the list_iterator: 4 of 4 examples hold NaN"):
        on_a_thread(feed.prepare, 0, 3)
    assert feed.available(0, 2) == 2
    assert feed.chunk(0, 2).discriminator.real.shape == (2, 1, M, 5, 5, 1)


# ---- memory-mapped files


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "float16", ">f4"])
@pytest.mark.parametrize("form", ["path", "pair"])
def test_a_memory_mapped_file_is_read_a_chunk_at_a_time(tmp_path: Path, dtype: str, form: str) -> None:
    """Neither opening nor feeding may ever hold more than a small part of it."""
    path, n = tmp_path / "x.npy", 16_000
    x = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(n, 32, 32, 1))
    x[:] = (np.arange(n) % 7)[:, None, None, None]
    x.flush()
    del x
    tracemalloc.start()
    data = open_data(path) if form == "path" else open_data((np.load(path, mmap_mode="r"), np.zeros(n, int)))
    feed = Feed(data, plan(), OPS, frozenset(), UNITS)
    batch = feed.chunk(0, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert feed.shared == () and peak < 12e6 < data.x.nbytes, f"{peak:,} bytes were held"
    order = plan().make(0, 8, Stock(n)).discriminator.real
    real = batch.discriminator.real
    assert real.dtype.isnative and real.dtype in (np.uint8, np.float32, np.float64)
    np.testing.assert_array_equal(real[..., 0, 0, 0], order % 7)


def test_labels_may_lie_beside_an_npy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "faces.npy", numbered(6))
    np.save(tmp_path / "faces.labels.npy", np.arange(6, dtype=np.uint8) % 3)
    data = open_data(tmp_path / "faces.npy", num_classes=3)
    assert data.labels is not None and data.labels.tolist() == [0, 1, 2, 0, 1, 2]
    np.save(tmp_path / "faces.labels.npy", np.arange(5))
    with pytest.raises(DataError, match=r"faces\.npy: labels must be 6 integers"):
        open_data(tmp_path / "faces.npy")


# ---- iterables of batches


@pytest.mark.parametrize("cuts", [[9], [1, 2, 3, 9], [4, 5, 9]], ids=str)
@pytest.mark.parametrize("sizes", [(4, 4, 4), (7, 5), (1,) * 12, (12,), (5, 1, 6)], ids=str)
def test_examples_are_cut_anew_in_their_order_pass_after_pass(sizes: tuple[int, ...], cuts: list[int]) -> None:
    source = Portions(*sizes)
    assert seen(StreamFeed(opened(source), plan(), OPS), *cuts) == list(range(12)) * 3
    assert source.passes == 3


def test_each_step_gets_k_minibatches_for_d_and_one_for_g_where_it_wants_reals() -> None:
    feed = StreamFeed(opened(Portions(24)), plan(k=2, needs_real=True), OPS)
    batch = feed.chunk(0, feed.available(0, 2))
    assert batch.discriminator.real.shape == (2, 2, M, 1) and batch.generator.real is not None
    assert batch.discriminator.real.ravel().tolist() == [*range(8), *range(12, 20)]
    assert batch.generator.real.ravel().tolist() == [*range(8, 12), *range(20, 24)]


def test_labels_stay_with_their_examples_and_g_gets_those_of_d_s_last_minibatch() -> None:
    feed = StreamFeed(
        opened(Portions(9, 15, labels=True), conditional=True, num_classes=3), plan(k=2, num_classes=3), OPS
    )
    batch = feed.chunk(0, feed.available(0, 3))
    d, g = batch.discriminator, batch.generator
    assert d.labels is not None and d.labels.dtype == np.int32 and g.labels is not None and g.real is None
    np.testing.assert_array_equal(d.labels, d.real[..., 0] % 3)
    np.testing.assert_array_equal(g.labels, d.labels[:, -1])


def test_latents_are_those_of_every_other_data() -> None:
    """Core's own streams: what is brought changes the examples and nothing else."""
    feed = StreamFeed(opened(Portions(24)), plan(), OPS)
    brought, drawn = feed.chunk(0, feed.available(0, 6)), plan().make(0, 6, Stock(24))
    np.testing.assert_array_equal(brought.discriminator.z, drawn.discriminator.z)
    np.testing.assert_array_equal(brought.generator.z, drawn.generator.z)
    np.testing.assert_array_equal(brought.key, drawn.key)


def test_a_generator_that_runs_dry_gives_every_whole_step_before_it_is_an_error() -> None:
    feed = StreamFeed(opened(numbered(5, 5 * i) for i in range(4)), plan(), OPS)
    assert feed.available(0, 64) == 5
    assert feed.chunk(0, 5).discriminator.real.ravel().tolist() == list(range(20))
    with pytest.raises(DataError, match=r"used up after step 5: 0 examples are left, a step takes 4.*DataLoader"):
        feed.available(5, 64)


def test_an_iterable_that_fills_the_same_memory_again_is_not_confused() -> None:
    def reusing() -> Iterator[Array]:
        memory = np.empty((3, 1), np.float32)
        for i in range(8):
            memory[:] = i
            yield memory

    assert seen(StreamFeed(opened(reusing()), plan(), OPS), 6) == [i for i in range(8) for _ in range(3)]


@pytest.mark.parametrize(
    "form",
    [lambda x, y: (x, y), lambda x, y: [x, y], lambda x, y: {"images": x, "labels": y}],
    ids=["tuple", "list", "dict"],
)
@pytest.mark.parametrize("one_hot", [False, True])
def test_pairs_come_in_many_forms(form: Any, one_hot: bool) -> None:
    y = np.arange(8) % 3
    stream = opened([form(numbered(8), np.eye(3)[y] if one_hot else y)].__iter__(), conditional=True, num_classes=3)
    x, given = stream.take(8)
    assert given["label"].tolist() == y.tolist() and x.tolist() == numbered(8).tolist()


@pytest.mark.parametrize("item", [numbered(8), [numbered(8)], (numbered(8), np.array(["cat"] * 8)), {"x": numbered(8)}])
def test_an_unconditional_game_takes_the_examples_and_reads_no_labels(item: Any) -> None:
    """Loaders of CelebA, say, bring 40 attributes with every face."""
    x, given = opened(iter([item])).take(8)
    assert x.shape == (8, 1) and not given


@pytest.mark.parametrize(
    ("x", "value_range"),
    [
        (np.zeros((4, 5, 5, 3), np.uint8), (0, 255)),
        (np.full((4, 5, 5, 3), 0.5), (0, 1)),
        (np.full((4, 5, 5, 3), -0.5), (-1, 1)),
        (np.full((4, 5, 5, 3), 9.0), None),
        (np.full((4, 7), 0.5), None),
    ],
)
def test_the_first_batch_tells_shape_and_units_as_arrays_do(x: Array, value_range: Any) -> None:
    data = open_training(iter([x]), conditional=False, num_classes=None)
    first = examples_of(data)
    assert isinstance(data, BatchStream) and first.value_range == value_range == open_data(x).value_range
    assert first.shape == x.shape[1:] and len(first) == 4


@pytest.mark.parametrize("shape", [(8, 3, 16, 16), (8, 1, 28, 28), (8, 3, 6, 5)])
def test_images_with_channels_first_are_refused_until_it_is_said_how_they_lie(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).random(shape)
    with pytest.raises(DataError, match=r"channels first.*gankit\.data\.batches\(loader, channels_first=True\)"):
        opened(iter([x]))
    turned = opened(batches(iter([x]), channels_first=True))
    assert turned.first.value_range == (0, 1)
    np.testing.assert_array_equal(turned.take(8)[0], x.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(opened(batches(iter([x]), channels_first=False)).take(8)[0], x)
    with pytest.raises(DataError, match=r"must be \(m, C, H, W\)"):
        opened(batches(iter([x[0]]), channels_first=True))


IMAGE = np.full((4, 5, 5, 1), 0.5)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (np.full((4, 6, 5, 1), 0.5), r"shape \(4, 6, 5, 1\); the first was"),
        (np.zeros((4, 5, 5, 1), np.uint8), "is uint8"),
        (np.full((4, 5, 5, 1), -0.5), "runs from -0.5 to -0.5.*0 to 1"),
        (np.full((4, 5, 5, 1), np.nan), "4 of 4 examples hold NaN"),
        ((IMAGE, IMAGE, IMAGE), "tuple of 3"),
        ("text", "uint8 or float|shape"),
    ],
    ids=["shape", "dtype", "range", "nan", "triple", "text"],
)
def test_a_later_batch_unlike_the_first_is_named_and_what_came_before_is_kept(second: Any, message: str) -> None:
    feed = StreamFeed(opened(iter([IMAGE, IMAGE, second, IMAGE])), plan(), OPS)
    assert feed.available(0, 2) == 2
    with pytest.raises(DataError, match=f"batch 3 of the .*{message}"):
        feed.available(0, 3)
    assert feed.chunk(0, 2).discriminator.real.shape == (2, 1, M, 5, 5, 1)


def test_rounding_beyond_the_range_ends_no_run() -> None:
    assert opened(iter([IMAGE, IMAGE * 2.0001])).fill(8) == 8


def test_labels_out_of_range_or_missing_are_refused() -> None:
    good, x = (numbered(4), np.zeros(4, int)), numbered(4)
    for bad, message in (
        ((x, np.full(4, 3)), "num_classes=3 allows 0 to 2"),
        (x, "no labels"),
        ((x, [0]), "4 integers"),
    ):
        with pytest.raises(DataError, match=f"batch 2 .*{message}"):
            opened(iter([good, bad]), conditional=True, num_classes=3).fill(8)


def test_a_game_that_is_there_keeps_its_units_whatever_the_first_batch_looks_like() -> None:
    spec = DataSpec((5, 5, 1), None, Scaling(np.asarray(0.0), np.asarray(1.0), -1.0, 1.0))
    assert opened(iter([IMAGE, -IMAGE]), spec=spec).fill(8) == 8
    with pytest.raises(DataError, match="-1 to 1"):
        opened(iter([IMAGE * 9]), spec=spec)
    free = DataSpec((5, 5, 1), None, Scaling(np.zeros((5, 5, 1)), np.ones((5, 5, 1))))
    assert opened(iter([IMAGE, IMAGE * 9]), spec=free).fill(8) == 8


def test_no_batches_at_all_is_told_at_once() -> None:
    used = iter([numbered(4)])
    next(used)
    with pytest.raises(DataError, match="yields no batches"):
        opened(used)


class MapStyle:
    """A torch Dataset: one example at a time."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, i: int) -> Any:
        raise AssertionError("nothing may walk through it")


def test_what_is_no_iterable_of_batches_says_where_it_belongs() -> None:
    with pytest.raises(DataError, match=r"DataLoader\(dataset"):
        open_data(MapStyle())
    with pytest.raises(DataError, match=r"yields batches\. Pass it to gankit\.build"):
        open_data(iter([numbered(4)]))
    for source in ([numbered(4)], numbered(4), "digits", {"x": numbered(4)}, memoryview(b"1234")):
        with pytest.raises(DataError, match="yields no batches"):
            batches(source)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"expected examples of shape \(n, ...\)"):
        opened(iter([1, 2, 3]))


def test_the_config_s_name_for_batches_opens_nothing_by_accident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for source in (iter([numbered(4)]), numbered(4)):
        Path(data_name(source)).mkdir()
        assert not can_reopen(data_name(source))
