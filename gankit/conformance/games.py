"""The small games that the step is judged by, on the backend and in the oracle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.arrays import Array
from gankit.building import assemble, make
from gankit.config import Config
from gankit.conformance.oracle import Adam, Minibatches, Momentum, Oracle, Rule
from gankit.data.dataset import Dataset, scaling
from gankit.data.digits import load as digits
from gankit.data.spec import DataSpec
from gankit.interfaces import Backend
from gankit.play.batches import Batches, Stock, Wants
from gankit.play.game import PHASES

CLASSES = 3

# Schedules that change soon and end soon, so that a short run sees all of them; G's and D's differ.
SGD_D: dict[str, Any] = {
    "name": "sgd",
    "lr": {"schedule": "decay", "start": 0.1, "factor": 1.02, "floor": 0.05},
    "momentum": {"schedule": "ramp", "start": 0.5, "stop": 0.7, "begin": 5, "end": 80},
}
SGD_G: dict[str, Any] = {**SGD_D, "lr": {"schedule": "decay", "start": 0.06, "factor": 1.01, "floor": 0.04}}
ADAM_D = {"name": "adam", "lr": 2e-3, "b1": 0.5, "b2": 0.99, "eps": 1e-8}
ADAM_G = {"name": "adam", "lr": 1e-3, "b1": 0.3, "b2": 0.999, "eps": 1e-7}
SGD = {"generator_optimizer": SGD_G, "discriminator_optimizer": SGD_D}
MIXED = {"generator_optimizer": SGD_G, "discriminator_optimizer": ADAM_D}
ADAM = {"generator_optimizer": ADAM_G, "discriminator_optimizer": ADAM_D}
IDLE = {f"{role}_optimizer": {"name": "sgd", "lr": 0.0} for role in ("generator", "discriminator")}
NO_NETWORKS: Mapping[str, Any] = MappingProxyType({})
CONDITIONAL = {"loss": {"name": "conditional", "base": "non-saturating"}}


def examples() -> Dataset:
    """41 labelled pictures of 3 by 2 pixels, uint8."""
    rng = np.random.default_rng(11)
    labels = rng.integers(0, CLASSES, 41)
    x = rng.integers(0, 160, (41, 3, 2, 1)) + 40 * labels[:, None, None, None]
    return Dataset(x.astype(np.uint8), labels, CLASSES, (0, 255), "conformance")


def small(**settings: Any) -> Config:
    """The oracle's game: G 4 -> 7 -> 6, D 6 -> 5 -> 1, batches of 8, float64, with a moving average of G."""
    base = {
        "data": "conformance",
        "generator": {"name": "mlp", "hidden": [7]},
        "discriminator": {"name": "mlp", "hidden": [5]},
        "dtype": "float64",
        "latent_dim": 4,
        "batch_size": 8,
        "ema": 0.98,
        "seed": 5,
    }
    return Config().with_settings({**base, **ADAM, **settings})


def with_dropout(**settings: Any) -> Config:
    """The paper's pair on the digits, a few units wide, with Adam and a moving average."""
    base = {
        "data": "digits",
        "generator": {"name": "gan-2014", "units": 12},
        "discriminator": {"name": "gan-2014", "units": 6, "pieces": 3, "keep_hidden": 1.0},
        "dtype": "float32",
        "latent_dim": 5,
        "batch_size": 16,
        "ema": 0.99,
        "seed": 3,
    }
    return Config().with_settings({**base, **ADAM, **settings})


def start(
    backend: Backend, config: Config, dataset: Dataset | None = None, brought: Mapping[str, Any] = NO_NETWORKS
) -> Any:
    """A trainer before its first step. brought: networks for the players whose config says "native"."""
    if dataset is None:
        dataset = digits() if config.data == "digits" else examples()
    spec = DataSpec(dataset.shape, dataset.num_classes if config.conditional else None, scaling(dataset, "unit"))
    return assemble(config, backend, spec, dataset, brought)


def leaves(trainer: Any) -> dict[str, Array]:
    """The whole state by canonical name, the way a user gets it: from a checkpoint. Without the data's units."""
    with tempfile.TemporaryDirectory() as folder:
        arrays, _ = checkpoint.read(trainer.save(Path(folder) / "state"))
    return {name: array for name, array in arrays.items() if not name.startswith("data/")}


class Recorder:
    """A callback that keeps the terms of every step."""

    every = 1

    def __init__(self) -> None:
        self.terms: list[dict[str, float]] = []

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self.terms.append(dict(terms))


def oracle_of(trainer: Any, **changes: Any) -> Oracle:
    """The same game in the oracle, from the trainer's parameters of this moment; changes: other fields of it."""
    c: Config = trainer.config
    loss = c.loss.settings["base"]["name"] if "base" in c.loss.settings else c.loss.name
    fields = {
        "g": trainer.generator.parameters,
        "d": trainer.discriminator.parameters,
        "g_rule": rule(c.generator_optimizer.to_plain()),
        "d_rule": rule(c.discriminator_optimizer.to_plain()),
        "loss": loss,
        "schedule": c.schedule,
        "num_classes": CLASSES if c.conditional else None,
        "ema_decay": c.ema_decay,
    }
    return Oracle(**{**fields, **changes})


def rule(settings: Mapping[str, Any]) -> Rule:
    """The oracle's optimizer for a config's."""
    if settings["name"] == "adam":
        return Adam(settings["lr"], settings["b1"], settings["b2"], settings["eps"])
    lr, mu = settings["lr"], settings.get("momentum", 0.0)
    if not isinstance(lr, Mapping):
        return Momentum(lr, mu0=mu, mu1=mu)
    return Momentum(lr["start"], lr["factor"], lr["floor"], mu["start"], mu["stop"], mu["begin"], mu["end"])


def minibatches(config: Config, start: int, stop: int) -> Iterator[Minibatches]:
    """The very batches of these iterations, in the oracle's units."""
    data = examples()
    optimizers = {role: make("optimizers", getattr(config, f"{role}_optimizer")) for role in PHASES}
    stock = Stock(len(data), data.labels if config.conditional else None)
    wants = Wants.of(make("losses", config.loss), num_classes=CLASSES)
    batch = Batches(config, optimizers, wants=wants).make(start, stop, stock)
    x = data.x.reshape(len(data), -1) / 255.0

    def at(array: Any, i: int) -> Any:
        return None if array is None else array[i]

    d, g = batch.discriminator, batch.generator
    for i in range(stop - start):
        yield Minibatches(
            x=x[at(d.real, i)],
            y=at(d.labels, i),
            z=d.z[i],
            g_y=at(g.fake_labels, i),
            g_z=g.z[i],
            fake_y=at(d.fake_labels, i),
            wrong_y=at(d.others["mismatched"].labels, i) if "mismatched" in d.others else None,
            g_x=None if g.real is None else x[g.real[i]],
        )
