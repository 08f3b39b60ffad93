"""What each iteration of Algorithm 1 consumes, as a pure function of (config, step)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import Config
from gankit.data.dataset import Dataset
from gankit.interfaces import LABEL, Batch, ConditionMaker, Draw, Given, Loss, OptimizerSpec, Term, Workers
from gankit.parts.schedules import at
from gankit.play.game import D, G
from gankit.play.streams import Streams
from gankit.play.workers import check_divisible

NOISE = "noise/"
"""What the i-th maker of conditions draws from travels among the conditions, as `noise/i`, until it has made them."""


@dataclass(frozen=True)
class Wants:
    """What a game asks of its draws beside real examples, latents and labels.

    real: whether G's phase sees real examples too. mismatched: whether D's sees them under labels that are not theirs.
    num_classes: of the labels; None where there are none. sources: names of further sources.
    noise: how many numbers each maker of conditions draws for an example. rows: of a maker that chooses examples too.
    """

    real: bool = False
    mismatched: bool = False
    num_classes: int | None = None
    sources: tuple[str, ...] = ()
    noise: tuple[int, ...] = ()
    rows: Callable[[Dataset], Callable[[Array], Array] | None] | None = None

    @classmethod
    def of(
        cls,
        loss: Loss,
        terms: Iterable[Term] = (),
        *,
        num_classes: int | None = None,
        sources: Iterable[str] = (),
        makers: Iterable[ConditionMaker] = (),
        encoders: bool = False,
    ) -> Wants:
        """What a loss, terms, makers of conditions and encoders ask for."""
        makers, needed = tuple(makers), {need for term in terms for need in getattr(term, "needs", ())}
        return cls(
            real=bool(getattr(loss, "generator_needs_real", False)) or bool(makers) or "real" in needed or encoders,
            mismatched=bool(getattr(loss, "needs_mismatched", False)),
            num_classes=num_classes,
            sources=tuple(sources),
            noise=tuple(maker.noise for maker in makers),
            rows=next((maker.rows for maker in makers[:1] if hasattr(maker, "rows")), None),
        )


@dataclass(frozen=True)
class Stock:
    """A data set as draws are made from it.

    size: how many examples it has. labels: (size,) int32, None in a game without. placed: the names of conditions that
    lie where the examples do, and are taken from there. rows: which examples belong to what the first maker of
    conditions draws from, (..., noise) to (...); None where all are walked through.
    """

    size: int
    labels: Array | None = None
    placed: tuple[str, ...] = field(default=())
    rows: Callable[[Array], Array] | None = None


class Batches:
    """Draws latents, data order, labels, keys and scheduled numbers; backends only ever see the arrays.

    Both phases of an iteration walk through the data in an order of their own. A fake carries the conditions of the
    real example that it is set against, unless the config asks for uniform labels; G's phase takes its conditions, and
    its real examples where the game wants them, from its own walk, so they follow the classes of the data.

    workers: who shares the minibatches; what is drawn is drawn for all, and cut once, here.
    """

    def __init__(
        self,
        config: Config,
        optimizers: Mapping[str, OptimizerSpec],
        terms: Iterable[Term] = (),
        wants: Wants = Wants(),
        workers: Workers | None = None,
    ) -> None:
        check_divisible(config, workers)
        self._config, self._optimizers, self._terms, self._wants = config, optimizers, tuple(terms), wants
        self._streams, self._workers = Streams(config.seed), workers

    @property
    def examples_per_step(self) -> int:
        """How many real examples one iteration sees."""
        c = self._config
        return c.batch_size * (c.k + int(self._wants.real))

    def make(self, start: int, stop: int, stock: Stock, others: Mapping[str, Stock] | None = None) -> Batch:
        """The iterations start..stop-1 of a data set, stacked; `real` holds indices into it.

        others: the further sources, each walked through in an order of its own.
        """
        c, count = self._config, stop - start

        def walked(own: Stock, phase: str, source: str = "") -> tuple[Array, Given]:
            lead = (c.k, c.batch_size) if phase == D else (c.batch_size,)
            purpose = f"order/{phase}" + (f"/{source}" if source else "")
            order = self._streams.order(purpose, start, stop, int(np.prod(lead)), own.size)
            order = order.reshape(count, *lead)
            if own.rows is not None and not source:
                order = own.rows(self._noise(phase, 0, start, stop, lead))
            given = dict.fromkeys(own.placed, order)
            return order, given if own.labels is None else {LABEL: own.labels[order], **given}

        def sources(phase: str) -> dict[str, tuple[Array, Given]]:
            return {source: walked(own, phase, source) for source, own in (others or {}).items()}

        return self._batch(start, stop, {D: walked(stock, D), G: walked(stock, G)}, {D: sources(D), G: sources(G)})

    def given(self, step: int, real: tuple[Array, Array | None], given: tuple[Given, Given]) -> Batch:
        """One iteration on examples that the user brought: D's (k, m, ...) and G's (m, ...)."""
        d, g = ((None if x is None else x[None], led(y)) for x, y in zip(real, given, strict=True))
        return self._batch(step, step + 1, {D: d, G: g})

    def cut(self, start: int, stop: int, x: Array, given: Given) -> Batch:
        """The iterations start..stop-1 on `examples_per_step` examples each, (examples, ...) in the order given.

        Each takes k minibatches for D, and one for G's phase where the game wants reals; else G's conditions are D's
        last.
        """
        c = self._config
        lead = (stop - start, -1, c.batch_size)
        real = x.reshape(*lead, *x.shape[1:])
        y = {name: values.reshape(*lead, *values.shape[1:]) for name, values in given.items()}
        d_given, g_given = ({name: v[:, part] for name, v in y.items()} for part in (slice(c.k), -1))
        return self._batch(start, stop, {D: (real[:, : c.k], d_given), G: (real[:, -1], g_given)})

    def numbers(self, start: int, stop: int) -> dict[str, Array]:
        """What changes over time, each (stop - start,) float64."""
        steps = np.arange(start, stop)
        numbers = {
            f"{role}/{name}": values
            for role, spec in self._optimizers.items()
            for name, values in spec.numbers(steps).items()
        }
        # The average forgets the first steps quickly: its horizon grows with the run until it reaches the decay's.
        numbers["ema"] = np.minimum(self._config.ema_decay, (1.0 + steps) / (10.0 + steps))
        for term in self._terms:
            weight = at(term.weight, steps) * term.every
            numbers[term.name] = np.where(steps % term.every == 0, weight, 0.0)
        return numbers

    def _batch(
        self,
        start: int,
        stop: int,
        main: Mapping[str, tuple[Any, Given]],
        sources: Mapping[str, Mapping[str, tuple[Any, Given]]] | None = None,
    ) -> Batch:
        """main: the examples and conditions of each phase; sources: those of the further sources."""
        words = self._streams.words("keys", start, stop)
        m = main[D][0].shape[2]
        d, g = (self._draw(start, stop, phase, m, *main[phase], (sources or {}).get(phase, {})) for phase in (D, G))
        d, g = self._own(d, 2), self._own(g, 1)
        return Batch(d, g, self.numbers(start, stop), key=(words[:, 0], words[:, 1]))

    def _noise(self, phase: str, i: int, start: int, stop: int, lead: tuple[int, ...]) -> Array:
        """What the i-th maker of conditions draws from, for each example."""
        return self._streams.uniform(f"given/{phase}/{i}", start, stop, (*lead, self._wants.noise[i]))

    def rows_of(self, data: Dataset) -> Callable[[Array], Array] | None:
        """`Stock.rows` of a data set, where a maker of conditions chooses its examples."""
        return None if self._wants.rows is None else self._wants.rows(data)

    def _own(self, draw: Draw, axis: int) -> Draw:
        """This worker's rows of a draw, which lie along that axis."""
        workers = self._workers
        return draw if workers is None else draw.each(lambda x: workers.rows(x, axis, self._config.accumulate))

    def _draw(
        self, start: int, stop: int, phase: str, m: int, real: Any, given: Given, sources: Mapping[str, Any]
    ) -> Draw:
        c, wants, streams = self._config, self._wants, self._streams
        lead = (c.k, m) if phase == D else (m,)
        z = streams.latents(f"z/{phase}", start, stop, (*lead, c.latent_dim), c.prior)
        for i, noise in enumerate(wants.noise):
            if noise:
                given = {**given, f"{NOISE}{i}": self._noise(phase, i, start, stop, lead)}
        fake_given, others = given, {}
        if c.fake_labels == "uniform" and LABEL in given:
            uniform = streams.labels(f"labels/{phase}", start, stop, lead, wants.num_classes or 1)
            fake_given = {**given, LABEL: uniform}
        if phase == D and wants.mismatched and LABEL in given:
            classes = wants.num_classes or 1
            shift = 1 + streams.labels("labels/wrong", start, stop, lead, classes - 1)
            wrong = {**given, LABEL: (given[LABEL] + shift) % np.int32(classes)}
            others["mismatched"] = Draw(None, wrong, None, {})
        for source, (examples, own_given) in sources.items():
            own_z = streams.latents(f"z/{phase}/{source}", start, stop, (*lead, c.latent_dim), c.prior)
            others[source] = Draw(examples, own_given, own_z, own_given)
        return Draw(real if phase == D or wants.real else None, given, z, fake_given, others)


def led(given: Given) -> Given:
    """Each condition with an axis before it."""
    return {name: values[None] for name, values in given.items()}
