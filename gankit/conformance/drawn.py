"""What a run draws before its first step and beside its steps: starting values, and the order of the examples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, require
from gankit.conformance.games import Recorder, examples, small, start
from gankit.conformance.open_games import with_labelled
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.data.dataset import Dataset
from gankit.interfaces import Moment
from gankit.layers import Conv, ConvTranspose, Dense, Flatten, LeakyRelu, Relu, Reshape
from gankit.parts.initializers import GlorotUniform, HeNormal, Normal, Sparse, Uniform
from gankit.play.labelled import drawn_sources

EXAMPLES = 11


def check_starting_values_are_those_of_their_initialiser(subject: Subject) -> None:
    """A game would start at another scale than its paper's, and learn slowly, or not at all."""
    generator = (
        Dense(400, HeNormal(), Normal(0.2, 3.0)),
        Relu(),
        Dense(6, GlorotUniform(2.0), None),
        Reshape((3, 2, 1)),
    )
    discriminator = (Flatten(), Dense(500, Sparse(2, 0.7), None), LeakyRelu(), Dense(1, Uniform(0.05)), Reshape(()))
    trainer = start(
        subject.open(),
        small(generator="native", discriminator="native"),
        brought={"generator": generator, "discriminator": discriminator},
    )
    g, d = trainer.generator.parameters, trainer.discriminator.parameters
    first, shift, second = g["dense0/kernel"], g["dense0/bias"], g["dense1/kernel"]
    sparse, last = d["dense0/kernel"], d["dense1/kernel"]
    spread(first, math.sqrt(2 / 4), "HeNormal, of 4 inputs")
    spread(shift - 3, 0.2, "Normal(0.2, mean=3), less 3")
    spread(second, 2 * math.sqrt(6 / 406) / math.sqrt(3), "GlorotUniform(2), of 400 inputs and 6 outputs")
    spread(last, 0.05 / math.sqrt(3), "Uniform(0.05)")
    for what, drawn, limit in (("GlorotUniform", second, 2 * math.sqrt(6 / 406)), ("Uniform", last, 0.05)):
        farthest = float(np.abs(drawn).max()) / limit
        require(0.95 < farthest <= 1, f"{what} reaches {farthest:.3f} of its limit.")
    counts = sorted(set((sparse != 0).sum(axis=0).tolist()))
    require(counts == [2], f"Sparse(2): units have {counts} inputs that are not 0; each must have 2.")
    spread(sparse[sparse != 0], 0.7, "Sparse(2, std=0.7), what is not 0")


def check_starting_values_of_windows_count_every_pixel(subject: Subject) -> None:
    """Convolutions would start as many times too large as their windows have pixels, in one direction or in both."""
    wide = (3, 2, 30)  # in channels, of which each has a window of 2 x 2
    generator = (
        Dense(math.prod(wide)),
        Reshape(wide),
        Conv(40, 3, kernel=GlorotUniform(), bias=None),
        ConvTranspose(20, 3, 1, 1, kernel=HeNormal(), bias=None),
        Conv(1, 1),
    )
    discriminator = (Conv(300, 2, kernel=HeNormal(0.5), bias=None), LeakyRelu(), Flatten(), Dense(1), Reshape(()))
    trainer = start(
        subject.open(),
        small(generator="native", discriminator="native"),
        brought={"generator": generator, "discriminator": discriminator},
    )
    g, d = trainer.generator.parameters, trainer.discriminator.parameters
    limit = math.sqrt(6 / (9 * 30 + 9 * 40))
    spread(g["conv0/kernel"], limit / math.sqrt(3), "GlorotUniform, of 30 and 40 channels in windows of 3 x 3")
    farthest = float(np.abs(g["conv0/kernel"]).max()) / limit
    require(0.95 < farthest <= 1, f"GlorotUniform of a convolution reaches {farthest:.3f} of its limit.")
    spread(g["convtranspose0/kernel"], math.sqrt(2 / (9 * 40)), "HeNormal, of 40 channels in windows of 3 x 3")
    spread(d["conv0/kernel"], 0.5 / math.sqrt(4), "HeNormal(0.5), of one channel in windows of 2 x 2")


def spread(drawn: Array, std: float, what: str) -> None:
    """Mean 0 and that standard deviation, within five standard errors of a normal's."""
    n = drawn.size
    agree(np.array(drawn.mean()), 0, f"{what}: the mean", rtol=0, atol=5 * std / math.sqrt(n))
    agree(np.array(drawn.std()), std, f"{what}: the standard deviation", rtol=5 / math.sqrt(2 * n))


@dataclass(frozen=True)
class Seen:
    """The mean of the examples that D sees, and nothing to learn from."""

    name: ClassVar[str] = "seen"
    player: ClassVar[str] = "discriminator"
    every: ClassVar[int] = 1
    weight: ClassVar[float] = 1.0

    def __call__(self, m: Moment) -> Any:
        return m.ops.xp.mean(m.draw.real)


def check_every_epoch_has_an_order_of_its_own(subject: Subject) -> None:
    """Minibatches would be made of the same examples in every epoch; or some would be seen often, others never."""
    shades = np.full((EXAMPLES, 3, 2, 1), 1.0) * np.arange(EXAMPLES)[:, None, None, None]
    data = Dataset(shades, None, None, (0, EXAMPLES - 1), "conformance")
    recorder = Recorder()
    trainer = start(subject.open(), small(penalties=[Seen()], batch_size=1), data)
    trainer.fit(steps=3 * EXAMPLES, callbacks=[recorder])
    seen = np.array([terms["seen"] for terms in recorder.terms]) * (EXAMPLES - 1)
    epochs = [tuple(np.rint(epoch).astype(int).tolist()) for epoch in np.split(seen, 3)]
    for i, epoch in enumerate(epochs):
        missing = sorted(set(range(EXAMPLES)) - set(epoch))
        require(not missing, f"Epoch {i} leaves out {len(missing)} of {EXAMPLES} examples. It must see each once.")
    require(len(set(epochs)) == 3, f"Two of three epochs see the examples in one order: {epochs}.")


def check_labels_are_kept_by_the_seed(subject: Subject) -> None:
    """Every seed of a semi-supervised game would have the same labelled examples, or one class more than another."""
    kept = [drawn_sources(with_labelled(seed=seed), examples())["labelled"] for seed in (0, 0, 1, 2)]
    first, again, *others = [tuple(map(bytes, np.ascontiguousarray(data.x))) for data in kept]
    require(first == again, "Two games of one seed keep the labels of different examples.")
    require(all(first != other for other in others), "Games of different seeds keep the labels of the same examples.")
    for data in kept:
        assert data.labels is not None and data.num_classes is not None
        counts = np.bincount(data.labels, minlength=data.num_classes)
        require(counts.max() - counts.min() <= 1, f"Of 7 labelled examples the classes have {counts.tolist()}.")


CHECKS: tuple[Check, ...] = (
    check_starting_values_are_those_of_their_initialiser,
    check_starting_values_of_windows_count_every_pixel,
    check_labels_are_kept_by_the_seed,
    check_every_epoch_has_an_order_of_its_own,
)
