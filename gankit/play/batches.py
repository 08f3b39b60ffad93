"""What each iteration of Algorithm 1 consumes, as a pure function of (config, step)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit.config import Config
from gankit.interfaces import Batch, Draw, Loss, OptimizerSpec, Penalty
from gankit.parts.schedules import at
from gankit.play.streams import Streams

Array = np.ndarray[Any, Any]


class Batches:
    """Draws latents, data order, labels, keys and scheduled numbers; backends only ever see the arrays.

    Both phases of an iteration walk through the data in an order of their own. A fake carries the label of the real
    example that it is set against, unless the config asks for uniform ones; G's phase takes its labels, and its real
    examples where the loss wants them, from its own walk, so they follow the classes of the data.
    """

    def __init__(
        self,
        config: Config,
        optimizers: tuple[OptimizerSpec, OptimizerSpec],
        penalties: tuple[Penalty, ...],
        loss: Loss,
        num_classes: int | None,
    ) -> None:
        self._config = config
        self._optimizers = dict(zip(("generator/", "discriminator/"), optimizers, strict=True))
        self._penalties = penalties
        self._generator_needs_real = bool(loss.generator_needs_real)
        self._wants_wrong_labels = bool(getattr(loss, "needs_mismatched", False))
        self._num_classes = num_classes
        self._streams = Streams(config.seed)

    @property
    def examples_per_step(self) -> int:
        """How many real examples one iteration sees."""
        c = self._config
        return c.batch_size * (c.k + int(self._generator_needs_real))

    def make(self, start: int, stop: int, examples: int, labels: Array | None) -> Batch:
        """The iterations start..stop-1 of a data set, stacked; `real` holds indices into it.

        labels: (examples,) of the whole data set in a conditional game, else None.
        """
        c, count = self._config, stop - start
        d_order = self._streams.order("order/discriminator", start, stop, c.k * c.batch_size, examples)
        d_order = d_order.reshape(count, c.k, c.batch_size)
        g_order = self._streams.order("order/generator", start, stop, c.batch_size, examples)
        return self._batch(
            start,
            stop,
            real=(d_order, g_order),
            labels=(None, None) if labels is None else (labels[d_order], labels[g_order]),
        )

    def given(self, step: int, real: tuple[Array, Array | None], labels: tuple[Array | None, Array | None]) -> Batch:
        """One iteration on examples that the user brought: D's (k, m, ...) and G's (m, ...)."""
        lead = (None if x is None else x[None] for x in (*real, *labels))
        d_real, g_real, d_labels, g_labels = lead
        return self._batch(step, step + 1, real=(d_real, g_real), labels=(d_labels, g_labels))

    def cut(self, start: int, stop: int, x: Array, labels: Array | None) -> Batch:
        """The iterations start..stop-1 on `examples_per_step` examples each, (examples, ...) in the order given.

        Each takes k minibatches for D, and one for G's phase where the loss wants reals; else G's labels are D's last.
        """
        c = self._config
        lead = (stop - start, -1, c.batch_size)
        real = x.reshape(*lead, *x.shape[1:])
        y = None if labels is None else labels.reshape(lead)
        d_labels, g_labels = (None, None) if y is None else (y[:, : c.k], y[:, -1])
        return self._batch(start, stop, real=(real[:, : c.k], real[:, -1]), labels=(d_labels, g_labels))

    def numbers(self, start: int, stop: int) -> dict[str, Array]:
        """What changes over time, each (stop - start,) float64."""
        steps = np.arange(start, stop)
        numbers = {
            prefix + name: values
            for prefix, spec in self._optimizers.items()
            for name, values in spec.numbers(steps).items()
        }
        # The average forgets the first steps quickly: its horizon grows with the run until it reaches the decay's.
        numbers["ema"] = np.minimum(self._config.ema_decay, (1.0 + steps) / (10.0 + steps))
        for penalty in self._penalties:
            weight = at(penalty.weight, steps) * penalty.every
            numbers[penalty.name] = np.where(steps % penalty.every == 0, weight, 0.0)
        return numbers

    def _batch(self, start: int, stop: int, real: tuple[Any, Any], labels: tuple[Array | None, Array | None]) -> Batch:
        c, streams = self._config, self._streams
        m = real[0].shape[2]
        d_z = streams.latents("z/discriminator", start, stop, (c.k, m, c.latent_dim), c.prior)
        g_z = streams.latents("z/generator", start, stop, (m, c.latent_dim), c.prior)
        words = streams.words("keys", start, stop)
        d_fake, g_fake = labels
        wrong = None
        if c.fake_labels == "uniform" and labels[0] is not None:
            d_fake = streams.labels("labels/discriminator", start, stop, (c.k, m), self._num_classes or 1)
            g_fake = streams.labels("labels/generator", start, stop, (m,), self._num_classes or 1)
        if self._wants_wrong_labels and labels[0] is not None:
            classes = self._num_classes or 1
            shift = 1 + streams.labels("labels/wrong", start, stop, (c.k, m), classes - 1)
            wrong = (labels[0] + shift) % np.int32(classes)
        return Batch(
            discriminator=Draw(real[0], labels[0], d_z, d_fake, wrong),
            generator=Draw(real[1] if self._generator_needs_real else None, labels[1], g_z, g_fake),
            numbers=self.numbers(start, stop),
            key=(words[:, 0], words[:, 1]),
        )
