"""What the guides show of the suite's words is what a reader who makes that mistake is told, on every backend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gankit.conformance.parts import loss, loss_steps, network
from gankit.conformance.results import run
from gankit.conformance.showing import line
from gankit.conformance.subject import Candidate, registered
from gankit.layers import Dense, Flatten, LeakyRelu
from gankit.parts.losses import NonSaturating

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Mistaken(Candidate):
    """A candidate whose author made a mistake: `part` is what its entry leads to."""

    part: Any = None

    @property
    def known_failures(self):
        return {}

    def made(self, *arguments, **settings):
        return self.part(*arguments, **settings)


class Flipped(NonSaturating):
    def discriminator(self, ops, real, fake):
        return -super().discriminator(ops, real, fake)


class ByHand(NonSaturating):
    def discriminator(self, ops, real, fake):
        xp = ops.xp
        return xp.mean(xp.log(1 + xp.exp(-real.logits))) + xp.mean(xp.log(1 + xp.exp(fake.logits)))


def without_reshape(spec, *, width=128):
    return (Flatten(), *spec.labels(), Dense(width), LeakyRelu(), Dense(1))


def told(check, group, candidate):
    """The words of the table, without the seconds that it took."""
    return without_seconds(line(run(group, check, candidate)))


def shown(page):
    return [without_seconds(text) for text in re.findall(r"```text\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)]


def without_seconds(text):
    return re.sub(r" fail \d+\.\d\d ", " fail ", " ".join(text.split()))


def test_mistakes_in_a_loss(backend):
    for kind, check in (
        (Flipped, loss_steps.check_loss_discriminator_step),
        (ByHand, loss.check_loss_is_finite),
    ):
        part = type("LecamLike", (kind,), {})
        candidate = Mistaken("losses", "non-saturating", registered(backend, device="cpu"), part=part)
        assert told(check, "loss", candidate) in shown("write-a-loss.md")


def test_a_mistake_in_a_network(backend):
    candidate = Mistaken("discriminators", "my-nets", registered(backend, device="cpu"), part=without_reshape)
    assert told(network.check_network_shapes, "discriminator", candidate) in shown("write-a-network.md")


def test_nothing_else_is_shown():
    assert [len(shown(page)) for page in ("write-a-loss.md", "write-a-network.md")] == [2, 1]
