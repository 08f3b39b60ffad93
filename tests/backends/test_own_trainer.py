"""A trainer of another distribution: whoever has what the `Trainer` protocol says is enough for all of gankit."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

import gankit
from gankit.interfaces import Trainer
from gankit.play.trainer import AdversarialTrainer
from gankit.plug import registry
from tests.cli_runner import Cli

ASKED = [name for name, _ in inspect.getmembers(Trainer) if not name.startswith("_")]


class Narrow:
    """What the protocol says and nothing else, around a real game."""

    def __init__(self, game, dataset, **sources):
        self.__game = AdversarialTrainer(game, dataset, **sources)

    def __getattr__(self, name):
        if name not in ASKED:
            raise AttributeError(f"Trainer has no {name!r}: the protocol does not say it.")
        return getattr(self.__game, name)

    def fit(self, data=None, *, steps, callbacks=()):
        shown = [Shown(self, callback) for callback in callbacks]
        self.__game.fit(data, steps=steps, callbacks=shown)
        return self

    def restore(self, path):
        self.__game.restore(path)
        return self

    def from_the_start(self, data=None):
        own = object.__new__(Narrow)
        own._Narrow__game = self.__game.from_the_start(data)
        return own


class Shown:
    """A callback that is shown the narrow trainer."""

    def __init__(self, trainer, callback):
        self.trainer, self.callback, self.every = trainer, callback, callback.every

    def __call__(self, trainer, step, terms):
        self.callback(self.trainer, step, terms)


class TwiceAsLong(AdversarialTrainer):
    """Derived, as the protocol's docstring advises: every step asked for is two."""

    def fit(self, data=None, *, steps, callbacks=()):
        return super().fit(data, steps=2 * steps, callbacks=callbacks)


@pytest.fixture
def own(monkeypatch):
    """Register trainers: `narrow` and `twice`."""
    load, mine = registry.load, {"narrow": Narrow, "twice": TwiceAsLong}
    monkeypatch.setattr(registry, "load", lambda k, n: mine[n] if k == "trainers" and n in mine else load(k, n))


SMALL = ["generator.hidden=[8]", "discriminator.hidden=[8]", "batch_size=10", "ema=0.9"]


def test_the_whole_command_line_asks_for_no_more_than_the_protocol(backend, own, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli = Cli(monkeypatch, capsys)
    settings = [part for text in ["trainer=narrow", *SMALL] for part in ("--set", text)]
    played = cli("train", "--backend", backend, "--recipe", "cgan", "--data", "digits", "--steps", "6", "--out", "run",
                 "--sample-every", "3", "--checkpoint-every", "3", *settings)  # fmt: skip
    assert played.code == 0, played.err
    again = cli("train", "--backend", backend, "--recipe", "cgan", "--data", "digits", "--steps", "8", "--out", "run",
                *settings)  # fmt: skip
    assert again.code == 0, again.err
    for name in ("samples", "interpolation", "classes"):
        drawn = cli("figure", name, "run")
        assert drawn.code == 0, drawn.err
    assert cli("sample", "run", "--n", "4", "--out", "four.png").code == 0
    measured = cli("evaluate", "run", "--n", "50", "--metric", "sliced-wasserstein")
    assert measured.code == 0, measured.err
    assert cli("report", "run").code == 0
    assert Path("run/report.html").stat().st_size > 10_000


def test_a_derived_trainer_plays_its_own_way(backend, own):
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    small = {"generator": {"hidden": [4]}, "discriminator": {"hidden": [4]}, "batch_size": 5}
    gan = gankit.build(backend, data=x, trainer="twice", **small).fit(steps=3)
    plain = gankit.build(backend, data=x, **small).fit(steps=6)
    assert gan.steps_done == 6
    np.testing.assert_array_equal(gan.sample(4), plain.sample(4))
