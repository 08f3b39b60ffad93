"""The loop around the step: data in, samples, scores and checkpoints out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gankit import checkpoint, switches
from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.data.stream import Stream, examples_of
from gankit.errors import ConfigError
from gankit.interfaces import Callback, Terms
from gankit.play.batches import Batches
from gankit.play.feed import Feed, StreamFeed, on_examples_in_user_units
from gankit.play.game import Assembled
from gankit.play.inputs import Inputs
from gankit.play.interrupt import deferred_interrupt
from gankit.play.judging import scores
from gankit.play.players import PlayerView
from gankit.play.step import algorithm_1
from gankit.play.streams import BLOCK, Streams
from gankit.runs.notebook import as_table

Array = np.ndarray[Any, Any]

BREATH = 1.0
"""Seconds between looks at the clock, Ctrl-C and the callbacks: steps are run in chunks of about this long."""
GLANCE = 0.2
"""Seconds between calls of a callback that wants to be called now and then."""
NUMBERS_AT_ONCE = 2**20
"""In the examples that G or D is given together outside training: many enough to keep two cores busy, and half a
gigabyte at most in the convolutions of `dcgan`."""
SIZES = (20, 50, 100, 200, 500, 1000)
"""Of the parts in which they are given."""
PARTS_AHEAD = 16
"""How many of them the device is given before the first is fetched, as fetching holds a CPU up; 64 MB of numbers."""
TERMS = ("d_loss", "g_loss", "D(x)", "D(G(z))")
"""In this order in every log, on every backend; penalties follow."""


class AdversarialTrainer:
    """A game in progress. Made by `gankit.build` and `gankit.load`."""

    def __init__(self, game: Assembled, dataset: Dataset | Stream | None) -> None:
        self._game = game
        self._dataset = dataset
        self._state = game.initial_state(None if dataset is None else examples_of(dataset))
        self._steps_done = 0
        self._batches = Batches(
            game.config, game.optimizer_specs, game.rules.penalties, game.rules.loss, game.spec.num_classes
        )
        self._inputs = Inputs(game.config, game.spec)
        scaling = game.spec.scaling
        self._units = (game.backend.ops.asarray(scaling.offset), game.backend.ops.asarray(scaling.scale))
        self._step = on_examples_in_user_units(algorithm_1(game.rules), game.backend.ops)
        self._generate = game.backend.ops.compile(self._apply_generator)
        self._generate_bytes = game.backend.ops.compile(self._apply_generator_in_bytes)
        self._judge = game.backend.ops.compile(self._apply_discriminator)
        self._pace, self._looked, self._looks_ahead = Pace(), 0.0, switches.on("ahead")
        self._last_feed: Feed | StreamFeed | None = None

    # ---- what a user asks for

    @property
    def config(self) -> Config:
        return self._game.config

    @property
    def loss(self) -> Any:
        return self._game.rules.loss

    @property
    def backend(self) -> Any:
        return self._game.backend

    @property
    def spec(self) -> Any:
        """Shape, classes and units of the examples."""
        return self._game.spec

    @property
    def data(self) -> Dataset:
        """The examples that the game is played on, opened again where only their name is known; of an iterable of
        batches, the first one. Raises DataError where they are out of reach."""
        return examples_of(self._own_data())

    @property
    def steps_done(self) -> int:
        """Iterations of Algorithm 1 so far."""
        return self._steps_done

    @property
    def generator(self) -> PlayerView:
        return PlayerView(self._game.rules.generator, lambda: self._state.generator)

    @property
    def discriminator(self) -> PlayerView:
        return PlayerView(self._game.rules.discriminator, lambda: self._state.discriminator)

    def fit(self, data: Any = None, *, steps: int, callbacks: Iterable[Callback] = ()) -> AdversarialTrainer:
        """Play `steps` more iterations and return the trainer.

        data: what to train on, in any form that `gankit.build` takes; by default what the game was built with.
        callbacks: each called after every `every`-th step, counted from the first step of the run; with `every = 0`,
            a few times a second.

        Ctrl-C raises KeyboardInterrupt between two steps, so the trainer can be saved and used. The same holds for the
        DataError of an iterable of batches that is used up, or yields one unlike the others (`gankit.data.batches`).
        """
        if steps < 0:
            raise ConfigError(f"fit(steps={steps}): steps is how many more iterations to play, 0 or more.")
        feed, run, callbacks = self._feed(data), self._game.backend.ops.run, list(callbacks)
        stop = self._steps_done + steps
        until = self._until(self._steps_done, stop, feed, callbacks)
        with deferred_interrupt() as interrupted, ThreadPoolExecutor(1, "gankit-feed") as thread:
            ahead: Future[None] | None = None
            running: Terms | None = None
            while self._steps_done < stop:
                self._pace.start()
                if ahead is not None:
                    ahead.result()
                started, until = self._steps_done, min(until, self._until(self._steps_done, stop, feed, callbacks))
                until = feed.available(started, until)
                batches = feed.chunk(started, until)
                following = self._until(until, stop, feed, callbacks)
                if running is not None:
                    self._wait(running)
                # While the device plays this chunk, the next one is made ready.
                makes_ready = partial(thread.submit, feed.prepare, until, following)
                looks_ahead = until < stop and self._looks_ahead
                if looks_ahead and not feed.returns_early:
                    ahead = makes_ready()
                self._state, running = run(
                    self._step, self._state, batches, *self._units, *feed.shared, capacity=feed.capacity
                )
                if looks_ahead and feed.returns_early:
                    ahead = makes_ready()
                self._steps_done = until
                self._call(callbacks, running, last=until == stop)
                self._pace.took(until - started)
                until = following
                if interrupted():
                    raise KeyboardInterrupt
        return self

    def step(self, real: Any, labels: Any = None) -> dict[str, float]:
        """One iteration of Algorithm 1 on examples you bring; returns its terms.

        real: (m, *shape) in the data's own units; with k > 1, (k, m, *shape), a minibatch for each of D's steps. One
            more minibatch may follow for G's phase, which otherwise takes its labels and reals from the last.
        labels: (m,), or (k, m), classes in a conditional game.
        """
        batch = self._inputs.one_step(self._batches, self._steps_done, real, labels)
        self._state, terms = self._game.backend.ops.run(self._step, self._state, batch, *self._units, capacity=1)
        self._steps_done += 1
        return self._floats(terms)

    def sample(self, n: int, *, labels: Any = None, seed: int = 0, ema: bool | None = None) -> Array:
        """n examples from G, (n, *shape) in the data's own units and dtype.

        labels: (n,) classes, or one class for all; by default every class in turn. Conditional games only.
        seed: of the latents. The first examples of a longer draw are those of a shorter one.
        ema: whether to use the moving average of G's parameters; by default where the game keeps one.
        """
        if n < 0:
            raise ConfigError(f"sample(n={n}): n is how many examples to draw, 0 or more.")
        config, size = self.config, at_once(self.spec.shape)
        # A part at a time, while the device is busy with the part before.
        z = Streams(seed).first_latents_in_parts("sample", n, config.latent_dim, config.prior, size)
        labels, scaling = self._inputs.sample_labels(n, labels), self.spec.scaling
        if scaling.dtype == "uint8":  # on the device: a quarter of the bytes come back, and nothing is left to do
            return self._generated(self._generate_bytes, n, z, labels, ema, size).astype(np.uint8, copy=False)
        return np.asarray(scaling.to_user(self._generated(self._generate, n, z, labels, ema, size)))

    def generate(
        self, z: Array, labels: Array | None = None, *, ema: bool | None = None, piece: int | None = None
    ) -> Array:
        """G(z) in model units, float: (n, latent_dim) latents to (n, *shape).

        piece: how many G is given at once, which a compiled G is compiled for; by default as many as suit long draws.
        """
        size = piece or at_once(self.spec.shape)
        return self._generated(self._generate, len(z), in_parts(z, size), labels, ema, size)

    def score(self, x: Any, labels: Any = None) -> Array:
        """D's logits on examples in the data's own units, (n,) float; D(x) of the paper is their sigmoid."""
        x = self._inputs.examples(x)
        labels = self._inputs.labels(labels, (len(x),))
        model = self.spec.scaling.to_model(x, self.config.dtype)
        d = self._state.discriminator
        size = at_once(self.spec.shape)
        parts = in_parts(model, size)
        return self._in_pieces(lambda x, y: self._judge(d.params, d.buffers, x, y), len(x), parts, labels, size)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole state to one file, `.safetensors` at its end, and return its path."""
        path = checkpoint.with_suffix(Path(path))
        arrays, meta = self._game.pack(self._state)
        checkpoint.write(path, arrays, {**meta, "steps_done": self._steps_done})
        return path

    def restore(self, path: str | os.PathLike[str]) -> AdversarialTrainer:
        """Take over the state of a checkpoint of the same architecture, written by any backend; returns the trainer."""
        path = checkpoint.find(path)
        arrays, meta = checkpoint.read(path)
        self._state = self._game.unpack(path, arrays, meta)
        self._steps_done = int(meta["steps_done"])
        return self

    def from_the_start(self, data: Dataset | None = None) -> AdversarialTrainer:
        """The same game on the same data before its first step: same seed, same run. This one stays as it is."""
        return type(self)(self._game, self._own_data() if data is None else data)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return as_table(self)

    def __repr__(self) -> str:
        c = self.config
        size = f"G {self.generator.num_parameters:,} + D {self.discriminator.num_parameters:,} parameters"
        return (
            f"<gankit {c.recipe} on {c.data}, {c.loss.name}, {size}, {self._steps_done:,} steps, {self.backend.name}>"
        )

    # ---- fit, piece by piece

    def _feed(self, source: Any) -> Feed | StreamFeed:
        """The way from a data set to the step; the last one is kept, so the data is put on the device once."""
        if source is not None:
            last = None if self._last_feed is None else self._last_feed.dataset
            dataset = self._inputs.training_data(source, self._dataset, last)
        else:
            dataset = self._own_data()
        if self._last_feed is None or self._last_feed.dataset is not dataset:
            self._last_feed = (
                StreamFeed(dataset, self._batches, self._game.backend.ops)
                if isinstance(dataset, Stream)
                else Feed(dataset, self._batches, self._game.backend.ops, self.config.conditional, self._units)
            )
        return self._last_feed

    def _own_data(self) -> Dataset | Stream:
        if self._dataset is None:
            self._dataset = self._inputs.own_data()
        return self._dataset

    def _until(self, start: int, stop: int, feed: Feed | StreamFeed, callbacks: list[Callback]) -> int:
        """Where a chunk that begins after `start` steps should end: at the latest where some callback is due."""
        due = min(((start // c.every + 1) * c.every for c in callbacks if c.every), default=stop)
        return min(due, stop, start + min(self._pace.limit, feed.capacity))

    def _wait(self, terms: Terms) -> None:
        self._game.backend.ops.to_numpy(next(iter(terms.values())))

    def _call(self, callbacks: list[Callback], terms: Terms, last: bool) -> None:
        glance = last or time.perf_counter() - self._looked >= GLANCE  # to look is to wait for the device
        due = [c for c in callbacks if (self._steps_done % c.every == 0 if c.every else glance)]
        if due:
            values = self._floats(terms)
            for callback in due:
                callback(self, self._steps_done, values)
        if glance:
            self._looked = time.perf_counter()

    def _floats(self, terms: Terms) -> dict[str, float]:
        names = sorted(terms, key=lambda name: (TERMS.index(name) if name in TERMS else len(TERMS), name))
        return {name: float(self._game.backend.ops.to_numpy(terms[name])) for name in names}

    # ---- networks outside training

    def _generated(
        self, generate: Any, n: int, z: Iterable[Array], labels: Array | None, ema: bool | None, size: int
    ) -> Array:
        """What `generate` makes of n latents, which come in parts of `size`, and labels: (n, *shape)."""
        if ema and not self._state.ema:
            raise ConfigError(
                "This game keeps no moving average of G. Build it with ema=0.999, or sample with ema=False."
            )
        g = self._state.generator
        params = self._state.ema if self._state.ema and ema is not False else g.params
        out = self._in_pieces(lambda z, y: generate(params, g.buffers, z, y), n, z, labels, size)
        return np.asarray(out.reshape(n, *self.spec.shape))

    def _apply_generator(self, params: Any, buffers: Any, z: Any, labels: Any) -> Any:
        """G's output, a row for each example: XLA computes more slowly what ends in an image's axes."""
        ops = self._game.backend.ops
        out, _ = self._game.rules.generator.apply(params, buffers, z, labels, train=False, key=None)
        return ops.xp.reshape(ops.to_float(out), (z.shape[0], -1))

    def _apply_generator_in_bytes(self, params: Any, buffers: Any, z: Any, labels: Any) -> Any:
        """`Scaling.to_user` of G's output, for data of bytes."""
        xp, scaling = self._game.backend.ops.xp, self.spec.scaling
        offset, scale = (xp.reshape(unit, (-1,)) for unit in self._units)
        x = self._apply_generator(params, buffers, z, labels) * scale + offset
        return xp.astype(xp.round(xp.clip(x, scaling.low, scaling.high)), xp.uint8)

    def _apply_discriminator(self, params: Any, buffers: Any, x: Any, labels: Any) -> Any:
        return scores(self._game.rules, params, buffers, x, labels, None, train=False)[0].logits

    def _in_pieces(self, f: Any, n: int, parts: Iterable[Array], labels: Array | None, size: int) -> Array:
        """f over n examples in parts of `size`, so a compiled f is compiled once and an example never depends on how
        many there are.

        The last part is filled up with its examples over again, for a D that compares those it is shown together.
        """
        ops, out, done = self._game.backend.ops, np.zeros((0,), self.config.dtype), 0
        running: list[tuple[Any, int]] = []

        def collect(left: int) -> None:
            nonlocal out, done
            while len(running) > left:
                values, count = running.pop(0)
                made = ops.to_numpy(values)[:count]
                if not done:
                    out = np.empty((n, *made.shape[1:]), made.dtype)
                out[done : done + count] = made
                done += count

        start = 0
        for x in parts:
            count = len(x)
            own = np.arange(size) % count
            x = x if count == size else x[own]
            y = None if labels is None else ops.asarray(np.asarray(labels)[start + own])
            running.append((f(ops.asarray(x), y), count))
            start += count
            collect(PARTS_AHEAD)
        collect(0)
        return out


def in_parts(x: Array, size: int) -> Iterable[Array]:
    """x, (n, ...), as arrays of `size` rows and one of what is left."""
    return (x[start : start + size] for start in range(0, len(x), size))


def at_once(shape: tuple[int, ...]) -> int:
    """How many examples of that shape make a part: 20, 50, ... 1,000, which divide the numbers that people ask for."""
    return max((size for size in SIZES if size * np.prod(shape) <= NUMBERS_AT_ONCE), default=SIZES[0])


@dataclass
class Pace:
    """How many steps make a chunk: doubled while chunks are short, halved when they get long."""

    limit: int = 4
    since: float = 0.0

    def start(self) -> None:
        self.since = time.perf_counter()

    def took(self, steps: int) -> None:
        seconds = time.perf_counter() - self.since
        if seconds > 2 * BREATH:
            self.limit = max(1, self.limit // 2)
        elif seconds < BREATH and steps >= self.limit:
            self.limit = min(BLOCK, 2 * self.limit)
