"""The loop around the step: data in, samples, scores and checkpoints out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.arrays import Array
from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.data.stream import BatchStream, examples_of
from gankit.errors import ConfigError
from gankit.header import of_the_file
from gankit.interfaces import LATENT, Callback, State
from gankit.parts.together import workers_of
from gankit.play.asking import crossing, made_of, pairs
from gankit.play.assembled import Assembled
from gankit.play.batches import Batches
from gankit.play.choosing import latents_by, way
from gankit.play.conditions import Seen
from gankit.play.encoding import refined
from gankit.play.feed import Feed, StreamFeed, on_examples_in_user_units
from gankit.play.game import ENCODER, D, G
from gankit.play.inference import CLASSES, FEATURES, LOGITS, Inference, at_once, in_parts, units_on_device
from gankit.play.inputs import Inputs
from gankit.play.labelled import drawn_sources
from gankit.play.loop import Loop
from gankit.play.places import Places
from gankit.play.players import PlayerView
from gankit.play.step import algorithm_1
from gankit.play.streams import Streams
from gankit.play.workers import writes
from gankit.runs.listening import History, heard
from gankit.runs.notebook import as_table
from gankit.runs.progress import shown

NOTHING: Mapping[str, Any] = MappingProxyType({})


class AdversarialTrainer:
    """A game in training. `gankit.build` and `gankit.load` return one."""

    def __init__(
        self, game: Assembled, dataset: Dataset | BatchStream | None, sources: Mapping[str, Dataset] = NOTHING
    ) -> None:
        self._game = game
        self._dataset, self._sources = dataset, dict(sources)
        ops = game.backend.ops
        self._batches = Batches(game.config, game.optimizer_specs, game.rules.terms, game.wants, workers_of(ops))
        self._inputs = Inputs(game.config, game.spec, game.makers)
        self._units = units_on_device(game.spec, ops)
        prepared = on_examples_in_user_units(algorithm_1(game.rules), ops, game.makers, Seen.of(game.spec))
        state = game.initial_state(None if dataset is None else examples_of(dataset))
        self._loop = Loop(prepared, self._units, ops, state)
        self._inference = Inference(game.rules, game.config, game.spec, self._units)
        self._places = Places(game, self._inputs, lambda: self._loop.state, self.conditions_of)
        self.history = History()
        self._last_feed: Feed | StreamFeed | None = None
        self.inferring: Callable[[], Any] | None = None  # opens the run in which an encoder was trained for this G

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
        """The training examples, opened again if only their name is known; for an iterable of batches, the first
        batch. Raises DataError if they cannot be opened."""
        return examples_of(self._own_data())

    @property
    def steps_done(self) -> int:
        """Iterations of Algorithm 1 so far."""
        return self._loop.done

    @property
    def players(self) -> Mapping[str, PlayerView]:
        """All players by role: "generator", "discriminator", and those that the recipe adds."""
        return {role: self._view(role) for role in self._game.rules.seats}

    @property
    def generator(self) -> PlayerView:
        return self._view(G)

    @property
    def discriminator(self) -> PlayerView:
        return self._view(D)

    def fit(
        self,
        data: Any = None,
        *,
        steps: int,
        callbacks: Callback | Callable[..., object] | Iterable[Any] = (),
        progress: bool | None = None,
    ) -> AdversarialTrainer:
        """Train for `steps` more iterations and return the trainer. `history` has the log.

        data: training data in any form that `gankit.build` takes; by default the data that the game was built with.
        callbacks: functions (trainer, step, terms), called after every 100th step, counted from the start of the run.
            With an attribute `every` they are called after every so many steps; 0 means a few times per second.
        progress: whether to show the progress; by default in a terminal and in a notebook.

        Ctrl-C raises KeyboardInterrupt between two steps, so you can save and use the trainer. The same holds for the
        DataError of an iterable of batches that is used up, or yields an unsuitable batch (`gankit.data.batches`).
        """
        listeners, feed = heard(callbacks), self._feed(data)
        with shown(progress if writes(self.backend.ops) else False, self.steps_done + steps, self.steps_done) as bars:
            self._loop.play(self, feed, steps, [*listeners, self.history, *bars])
        return self

    def step(self, real: Any, labels: Any = None, *, given: Any = None) -> dict[str, float]:
        """One iteration of Algorithm 1 on your examples. Returns its terms.

        real: (m, *shape) in the units of the data; with k > 1, (k, m, *shape), a minibatch for each of D's steps. One
            more minibatch may follow for G's phase. Without it, G's phase uses the conditions and reals of the last.
        labels: (m,), or (k, m), classes in a game with labels.
        given: conditions by name, with the first axes of real. Conditions computed from examples are not needed.
        """
        batch = self._inputs.one_step(self._batches, self._loop.done, real, labels, given)
        return self._loop.once(batch)

    def sample(
        self,
        n: int,
        *,
        labels: Any = None,
        given: Any = None,
        seed: int = 0,
        ema: bool | None = None,
        player: str = G,
        by: Any = None,
    ) -> Any:
        """n samples from G, (n, *shape) in the units and dtype of the data; for a table, a DataFrame.

        labels: (n,) classes, or one class for all; by default every class in turn. Only for games with labels.
        given: the game's other conditions by name, each n rows, or one for all; images in the units of the data.
        seed: the seed of the latents. A longer draw starts with the samples of a shorter one.
        ema: whether to use the moving average of G's parameters; by default if the game keeps one.
        player: which G, if the game has several.
        by: "rejection" or "latent-optimisation" use D too (`gankit.play.choosing`); or a table with settings.
        """
        if n < 0:
            raise ConfigError(f"sample(n={n}): n is the number of samples, 0 or more.")
        config, source = self.config, self._places.seat(player, G).source
        spec, inputs = self._places.spec(source), self._places.inputs_of(source)
        size = at_once(spec.shape)
        conditions = inputs.in_model_units(inputs.sample_given(n, labels, given, seed))
        g, scaling = self._places.player(player, ema), spec.scaling
        # A part at a time, while the device is busy with the part before.
        z: Iterable[Array] = Streams(seed).first_latents_in_parts("sample", n, config.latent_dim, config.prior, size)
        if by is not None:
            players = {**self._loop.state.players, player: g}
            z = in_parts(latents_by(way(by), self._inference, player, players, conditions, n, seed), size)
        if scaling.dtype == "uint8" and player == G:
            out = self._inference.in_bytes(player, g, z, n, conditions, size)
            return out.reshape(n, *spec.shape).astype(np.uint8, copy=False)
        out = self._inference.generated(player, g, z, n, conditions, size)
        return spec.to_user(out.reshape(n, *spec.shape))

    def generate(
        self,
        z: Array,
        labels: Array | None = None,
        *,
        given: Any = None,
        ema: bool | None = None,
        piece: int | None = None,
    ) -> Array:
        """G(z) in model units, float: (n, prior width) latents, and conditions in the data's units, to (n, *shape).

        piece: how many latents G gets at once, for which G is compiled; the default suits long draws.
        """
        size, n = piece or at_once(self.spec.shape), len(z)
        conditions = self._inputs.in_model_units(self._inputs.sample_given(n, labels, given))
        out = self._inference.generated(G, self._places.player(G, ema), in_parts(z, size), n, conditions, size)
        return np.asarray(out.reshape(n, *self.spec.shape))

    def score(self, x: Any, labels: Any = None, *, given: Any = None, player: str = D) -> Array:
        """D's logits on examples in the units of the data, (n,) float; D(x) in the paper is their sigmoid.

        labels, given: conditions, one row per example. Conditions computed from examples come from x by default.
        player: which D, if the game has several.
        """
        return self._said(LOGITS, x, labels, given, player, ema=False)

    def classify(
        self, x: Any, labels: Any = None, *, given: Any = None, player: str = D, ema: bool | None = None
    ) -> Array:
        """The probability of each class, (n, classes) float, from a D that predicts classes; otherwise as `score`.

        ema: whether to use the moving average of D's parameters; by default if the game keeps one.
        """
        return self._said(CLASSES, x, labels, given, player, ema)

    def features(
        self, x: Any, labels: Any = None, *, given: Any = None, player: str = D, ema: bool | None = None
    ) -> Array:
        """The features that D's network marks, (n, features) float, concatenated; otherwise as `classify`."""
        return self._said(FEATURES, x, labels, given, player, ema)

    def encode(
        self, x: Any, labels: Any = None, *, given: Any = None, ema: bool | None = None, refine: int = 0
    ) -> Array:
        """The latents of examples in the units of the data, (n, latent_dim) float, from the game's encoder.

        labels, given: as in `score`. ema: whether to use moving averages; by default if the game keeps them.
        refine: so many more gradient steps on the pixel error of G, for each example separately.
        """
        if self._encoder is not None:
            return np.asarray(self._encoder.encode(x, labels, given=given, ema=ema, refine=refine))
        seat, size = self._places.seat(ENCODER, ENCODER), at_once(self.spec.shape)
        model, conditions = self._places.shown(seat, x, labels, given)
        z = self._inference.encoded(ENCODER, self._places.player(ENCODER, ema), model, conditions, size)
        slopes = partial(self._inference.slopes, G, self._places.player(G, ema), model, conditions, size)
        return np.asarray(refined(slopes, z, refine))

    def reconstruct(self, x: Any, labels: Any = None, *, given: Any = None, **how: Any) -> Any:
        """G(E(x)), (n, *shape) in the units and dtype of the data; how: as in `encode`."""
        z = self.encode(x, labels, given=given, **how)
        return self.spec.to_user(self.generate(z, labels, given=given, ema=how.get("ema")))

    def conditions_of(self, x: Any, *, seed: int = 0) -> dict[str, Array]:
        """The conditions that the game computes from examples, by name, from (n, *shape) in the units of the data.

        Images have these units too. seed: for random conditions, such as the place of a mask.
        """
        return made_of(self, self._game.makers, self._inference, self._inputs.examples(x), seed)

    def pairs(self, n: int, *, seed: int = 0, data: Dataset | None = None) -> tuple[Array, dict[str, Array]]:
        """(n examples, their conditions), drawn from the data, in its units: the truth, and what to ask G for.

        data: instead of the game's own data, such as a test split. In an unpaired game the conditions are examples of
        the other source, and there is no truth.
        """
        return pairs(self, crossing(self._game.makers, self._own_sources), n, seed, data)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole state to one `.safetensors` file and return its path. Of several workers, one writes."""
        path = checkpoint.with_suffix(Path(path))
        if writes(self.backend.ops):
            arrays, meta = self._game.pack(self._loop.state)
            checkpoint.write(path, arrays, {**meta, "steps_done": self._loop.done})
        return path

    def restore(self, path: str | os.PathLike[str]) -> AdversarialTrainer:
        """Load the state of a checkpoint with the same architecture, written by any backend. Returns the trainer."""
        return self.adopt(*checkpoint.opened(path))

    def adopt(self, path: Path, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> AdversarialTrainer:
        """`restore`, from a file that is already read."""
        with of_the_file(path):
            self._loop.state = self._game.unpack(path, arrays, meta)
        self._loop.done = int(meta["steps_done"])
        self.history.rewind(self._loop.done)
        return self

    def from_the_start(self, data: Dataset | None = None) -> AdversarialTrainer:
        """The same game and data before the first step: same seed, same run. This trainer does not change."""
        own = self._own_data() if data is None else data
        return type(self)(self._game, own, **({"sources": self._sources} if self._sources else {}))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return as_table(self)

    def __repr__(self) -> str:
        c = self.config
        shown = {G: "G", D: "D"}
        sizes = [f"{shown.get(role, role)} {player.num_parameters:,}" for role, player in self.players.items()]
        size = f"{' + '.join(sizes)} parameters"
        return f"<gankit {c.recipe} on {c.data}, {c.loss.name}, {size}, {self._loop.done:,} steps, {self.backend.name}>"

    def _feed(self, source: Any) -> Feed | StreamFeed:
        """The way from a data set to the step; the last one is kept, so the data is put on the device once."""
        if source is not None:
            last = None if self._last_feed is None else self._last_feed.dataset
            dataset = self._inputs.training_data(source, self._dataset, last)
        else:
            dataset = self._own_data()
        if self._last_feed is None or self._last_feed.dataset is not dataset:
            self._last_feed = self._feed_of(dataset)
        return self._last_feed

    def _feed_of(self, dataset: Dataset | BatchStream) -> Feed | StreamFeed:
        batches, ops, config = self._batches, self._game.backend.ops, self.config
        if not isinstance(dataset, BatchStream):
            sources = self._own_sources() | drawn_sources(config, dataset, self.spec)
            return Feed(dataset, batches, ops, frozenset(config.conditions), self._units, sources)
        if config.source_names:
            raise ConfigError("A game on several sources takes data sets, not batches that come by.")
        return StreamFeed(dataset, batches, ops)

    def _own_sources(self) -> dict[str, Dataset]:
        if self.config.sources and not self._sources:
            self._sources = self._inputs.own_sources()
        return self._sources

    def _own_data(self) -> Dataset | BatchStream:
        if self._dataset is None:
            self._dataset = self._inputs.own_data()
        return self._dataset

    # ---- players

    @property
    def _state(self) -> State:
        return self._loop.state

    @_state.setter
    def _state(self, state: State) -> None:
        self._loop.state = state

    def _view(self, role: str) -> PlayerView:
        seat = self._game.rules.seats[role]
        return PlayerView(seat.network, lambda: self._loop.state.players[role], seat.layers, seat.averaged)

    @cached_property
    def _encoder(self) -> Any:
        """The game in which an encoder was trained for this G, where this one has none of its own."""
        return None if self.inferring is None or self._places.has(ENCODER) else self.inferring()

    def _said(self, what: str, x: Any, labels: Any, given: Any, player: str, ema: bool | None) -> Array:
        """What D says of examples and their conditions, both in the data's own units."""
        seat, d = self._places.seat(player, D), self._places.player(player, ema)
        model, conditions = self._places.shown(seat, x, labels, given)
        if LATENT in seat.takes:
            conditions[LATENT] = self.encode(x, labels, given=given, ema=ema)
        return self._inference.judged(player, d, model, conditions, at_once(model.shape[1:]), what)
