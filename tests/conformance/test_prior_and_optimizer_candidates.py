"""Every check of a prior or an optimizer catches a broken one, and the ones that we ship are green."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from gankit.conformance.parts import optimizer, prior
from gankit.conformance.results import judge
from gankit.conformance.subject import Candidate, registered
from gankit.layers import Parameter, Portable
from gankit.parts.initializers import Constant
from gankit.parts.optimizers import Adam, Sgd
from gankit.parts.priors import Mixture, Normal
from gankit.parts.schedules import at
from gankit.plug import registry

CHECKS = {"priors": prior.CHECKS, "optimizers": optimizer.CHECKS}
BY_NAME = {check.__name__: check for checks in CHECKS.values() for check in checks}
BACKENDS = registry.names("backends")

pytestmark = pytest.mark.skipif(not BACKENDS, reason="No backend is installed: pip install 'gankit[torch]'.")


# ---- priors


class Single(Normal):
    def draw(self, rng, lead):
        return super().draw(rng, lead).astype(np.float32)


class Narrow(Normal):
    """One number fewer than G is told."""

    def __init__(self, latent_dim):
        super().__init__(latent_dim - 1)


class Sticky(Normal):
    """The first draw, again and again."""

    kept: ClassVar[dict[Any, Any]] = {}

    def draw(self, rng, lead):
        return self.kept.setdefault(lead, super().draw(rng, lead))


class OfNumpy(Normal):
    def draw(self, rng, lead):
        return np.random.standard_normal((*lead, self.width))


class ByColumns(Normal):
    """The first number of every row, then the second of every row."""

    def draw(self, rng, lead):
        return np.stack([rng.standard_normal(lead) for _ in range(self.width)], axis=-1)


class OneForAll(Normal):
    """The last two numbers of a row are one."""

    def draw(self, rng, lead):
        z = super().draw(rng, lead)
        z[..., -1] = z[..., -2]
        return z


class Wide(Normal):
    def draw(self, rng, lead):
        return 3.0 * super().draw(rng, lead)


class Cube(Normal):
    """Draws from a cube, and lets z out of it."""

    def draw(self, rng, lead):
        return np.sqrt(3.0) * (2.0 * rng.random((*lead, self.width)) - 1.0)

    def confined(self, z, start):
        return 0.5 * z


@dataclass(frozen=True)
class Dead(Portable):
    """A layer that grows with each step of G until nothing is finite."""

    def output_shape(self, shape):
        return shape

    def parameters(self, shape):
        return {"scale": Parameter((1,), Constant(1e30))}

    def compute(self, ops, params, x, condition):
        return x * (params["scale"] / 1e30) ** 1e6 + 0.0 * ops.xp.exp(params["scale"])


class Exploding(Normal):
    layers = (Dead(),)


class Restless(Mixture):
    """Its noise depends on how often it was made."""

    made: ClassVar[list[int]] = []

    def __init__(self, latent_dim):
        super().__init__(latent_dim)
        self.made.append(0)
        object.__setattr__(self, "times", len(self.made))

    def draw(self, rng, lead):
        z = super().draw(rng, lead)
        z[..., self.components :] *= 1.0 + 1e-3 * np.sin(self.times)
        return z


class Ordered(Normal):
    """Sorted, number by number."""

    def draw(self, rng, lead):
        return np.sort(super().draw(rng, lead), axis=0)


class InPairs(Normal):
    """Every second row is the one before it."""

    def draw(self, rng, lead):
        z = super().draw(rng, lead)
        z[1::2] = z[: len(z) - 1 : 2]
        return z


class Shifted(Normal):
    def draw(self, rng, lead):
        return super().draw(rng, lead) + 1.0


class HalfWayBack(Normal):
    """Brings back half of the way, again and again."""

    def confined(self, z, start):
        return 0.5 * (z + start)


@dataclass(frozen=True)
class Zero(Portable):
    """A layer that lets nothing through."""

    def compute(self, ops, params, x, condition):
        return 0.0 * x


class Collapsed(Normal):
    layers = (Zero(),)


class Drifting(Normal):
    """Wider with every draw of the process."""

    drawn: ClassVar[list[int]] = []

    def draw(self, rng, lead):
        self.drawn.append(0)
        return super().draw(rng, lead) * (1.0 + 1e-3 * len(self.drawn))


HEAVY = "mlx.core" if BACKENDS == ("mlx",) else "torch" if "torch" in BACKENDS else "jax"


class HeavyPrior(Normal):
    pass


HeavyPrior.__module__ = HEAVY


# ---- optimizers


class Unkept(Adam):
    """A slot that `update` does not hand on."""

    slots = ("first", "second", "third")

    def update(self, ops, p, g, slots, numbers, count):
        p, kept = super().update(ops, p, g, slots, numbers, count)
        return p, {**kept, "third": None}


class OnHost(Sgd):
    """On this backend another number than in NumPy: a constant in float32."""

    def update(self, ops, p, g, slots, numbers, count):
        return p - numbers["lr"] * (g + 1e-4 * (type(ops).__name__ != "TinyOps")), {"velocity": g}


class Upwards(Sgd):
    def update(self, ops, p, g, slots, numbers, count):
        return p + numbers["lr"] * g, {"velocity": g}


class Divides(Adam):
    """No epsilon."""

    def update(self, ops, p, g, slots, numbers, count):
        second = 0.9 * slots["second"] + 0.1 * g * g
        return p - numbers["lr"] * g / ops.xp.sqrt(second), {"first": g, "second": second}


class OwnRate(Sgd):
    """Its rate is what it is."""

    def update(self, ops, p, g, slots, numbers, count):
        return p - 0.1 * g, {"velocity": g}


@dataclass(frozen=True)
class Unfollowed(Sgd):
    """The schedule of its rate stays at its beginning."""

    def numbers(self, steps):
        return {"lr": at(self.lr, 0 * steps), "momentum": at(self.momentum, steps)}

    def update(self, ops, p, g, slots, numbers, count):
        return p - numbers["lr"] * g, {"velocity": g}


class Counting(Sgd):
    """Slower with each step that any player takes."""

    taken: ClassVar[list[int]] = []

    def update(self, ops, p, g, slots, numbers, count):
        self.taken.append(0)
        return p - numbers["lr"] / len(self.taken) * g, {"velocity": g}


class OfNumpyToo(Sgd):
    def update(self, ops, p, g, slots, numbers, count):
        return p - numbers["lr"] * ops.xp.tanh(g).clip(-1, 1), {"velocity": g}


class Vanishing(Sgd):
    """NaN after six updates."""

    def update(self, ops, p, g, slots, numbers, count):
        return p - numbers["lr"] * g * ops.xp.sqrt(6.0 - count), {"velocity": g}


class Forgetful(Sgd):
    """A velocity that is halved whenever slots are made, as a resumed game makes them."""

    slots = ()
    velocity: ClassVar[dict[Any, Any]] = {}

    def update(self, ops, p, g, slots, numbers, count):
        kept = ops.stop_gradient(g)
        return p - numbers["lr"] * kept * (1.0 + 1.0 / (1.0 + len(self.velocity.setdefault("c", [])))), {}

    def numbers(self, steps):
        self.velocity.setdefault("c", []).append(0)
        return {"lr": at(self.lr, steps)}


class Reserved(Sgd):
    """Takes the name that is kept anyway."""

    slots = ("count",)


class Biased(Adam):
    """On this backend its first step is a little longer."""

    def update(self, ops, p, g, slots, numbers, count):
        out, kept = super().update(ops, p, g, slots, numbers, count)
        return out + 1e-4 * (out - p) * hasattr(ops, "to_numpy"), kept


class Marching(Sgd):
    """One step in one direction, whatever the gradient says."""

    def update(self, ops, p, g, slots, numbers, count):
        return p - numbers["lr"] * ops.xp.ones_like(p), {"velocity": g}


class Shaking(Sgd):
    """A little noise by NumPy."""

    def update(self, ops, p, g, slots, numbers, count):
        return p - numbers["lr"] * g * float(np.random.uniform(0.99, 1.0)), {"velocity": g}


class OfMethods(Sgd):
    """Norms by the arrays' own methods."""

    def update(self, ops, p, g, slots, numbers, count):
        return p - numbers["lr"] * g / (1.0 + abs(g).sum()), {"velocity": g}


class Frozen(Sgd):
    """Waits for something."""

    def update(self, ops, p, g, slots, numbers, count):
        return p, {"velocity": slots["velocity"] + g}


IMPORTS = """
from gankit.parts.{module} import {base}

import {heavy}


class Part({base}):
    pass
"""


class HeavyOptimizer(Sgd):
    pass


HeavyOptimizer.__module__ = HEAVY

BROKEN: dict[str, tuple[str, Any, str]] = {
    "draws float32": ("priors", Single, "check_prior_contract"),
    "is narrower than latent_dim": ("priors", Narrow, "check_prior_contract"),
    "draws the same again": ("priors", Sticky, "check_prior_draws_from_its_stream_alone"),
    "draws by NumPy": ("priors", OfNumpy, "check_prior_draws_from_its_stream_alone"),
    "draws column by column": ("priors", ByColumns, "check_prior_draws_row_after_row"),
    "one number twice": ("priors", OneForAll, "check_prior_rows_differ"),
    "three deviations wide": ("priors", Wide, "check_prior_is_scaled"),
    "confines what lies inside": ("priors", Cube, "check_prior_confines"),
    "a layer that is not finite": ("priors", Exploding, "check_prior_plays"),
    "another draw each time it is made": ("priors", Restless, "check_prior_resumes"),
    "sorts what it has drawn": ("priors", Ordered, "check_prior_draws_row_after_row"),
    "rows in pairs": ("priors", InPairs, "check_prior_rows_differ"),
    "about 1 instead of 0": ("priors", Shifted, "check_prior_is_scaled"),
    "comes back half of the way": ("priors", HalfWayBack, "check_prior_confines"),
    "a layer that lets nothing through": ("priors", Collapsed, "check_prior_plays"),
    "wider with every draw": ("priors", Drifting, "check_prior_resumes"),
    "imports a framework": ("priors", HeavyPrior, "check_prior_imports_no_framework"),
    "imports it in its module": (
        "priors",
        IMPORTS.format(module="priors", base="Normal", heavy=HEAVY),
        "check_prior_imports_no_framework",
    ),
    "keeps a count of its own": ("optimizers", Reserved, "check_optimizer_contract"),
    "longer steps on a backend": ("optimizers", Biased, "check_optimizer_is_its_mathematics"),
    "marches on": ("optimizers", Marching, "check_optimizer_goes_down"),
    "moves where it is flat": ("optimizers", Marching, "check_optimizer_stands_where_it_is_flat"),
    "draws by NumPy too": ("optimizers", Shaking, "check_optimizer_keeps_nothing_to_itself"),
    "methods of arrays": ("optimizers", OfMethods, "check_optimizer_without_a_framework"),
    "does not move": ("optimizers", Frozen, "check_optimizer_plays"),
    "slower with each step of the process": ("optimizers", Counting, "check_optimizer_resumes"),
    "imports a framework in its module": (
        "optimizers",
        IMPORTS.format(module="optimizers", base="Sgd", heavy=HEAVY),
        "check_optimizer_imports_no_framework",
    ),
    "loses a slot": ("optimizers", Unkept, "check_optimizer_contract"),
    "other numbers on a backend": ("optimizers", OnHost, "check_optimizer_is_its_mathematics"),
    "climbs": ("optimizers", Upwards, "check_optimizer_goes_down"),
    "divides by 0": ("optimizers", Divides, "check_optimizer_stands_where_it_is_flat"),
    "has a rate of its own": ("optimizers", OwnRate, "check_optimizer_takes_its_rate"),
    "does not follow its schedule": ("optimizers", Unfollowed, "check_optimizer_takes_its_rate"),
    "counts by itself": ("optimizers", Counting, "check_optimizer_keeps_nothing_to_itself"),
    "leaves the array standard": ("optimizers", OfNumpyToo, "check_optimizer_without_a_framework"),
    "is NaN after six steps": ("optimizers", Vanishing, "check_optimizer_plays"),
    "depends on when it was made": ("optimizers", Forgetful, "check_optimizer_resumes"),
    "needs a framework": ("optimizers", HeavyOptimizer, "check_optimizer_imports_no_framework"),
}


@pytest.fixture
def broken(monkeypatch):
    """A function that makes a class the registered part "broken", a candidate on the first backend."""
    real = registry.load

    def put(kind, part):
        monkeypatch.setattr(registry, "load", lambda k, n: part if (k, n) == (kind, "broken") else real(k, n))
        return Candidate(kind, "broken", registered(BACKENDS[0], device="cpu"))

    return put


@pytest.mark.filterwarnings("default")  # a broken part may divide by zero
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_part_is_caught(fault, broken, monkeypatch, tmp_path):
    kind, part, check = BROKEN[fault]
    if isinstance(part, str):
        (tmp_path / "broken_part.py").write_text(part)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "broken_part", raising=False)
        part = importlib.import_module("broken_part").Part
    outcome, message = judge(BY_NAME[check], broken(kind, part))
    assert outcome == "fail", f"{check} did not catch it: {outcome}. {message}"


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in CHECKS for name in registry.names(kind)])
def test_what_we_ship_is_green(kind, name):
    on = registered(BACKENDS[0], device="cpu")
    verdicts = {check.__name__: judge(check, Candidate(kind, name, on)) for check in CHECKS[kind]}
    assert not [f"{check}: {message}" for check, (outcome, message) in verdicts.items() if outcome == "fail"]


def test_every_check_has_two_broken_parts():
    faults = Counter(check for _, _, check in BROKEN.values())
    assert {name: faults[name] for name in BY_NAME if faults[name] < 2} == {}


def test_every_check_says_what_a_user_loses():
    assert [name for name, check in BY_NAME.items() if not (check.__doc__ or "").strip()] == []


def test_the_prior_of_the_guide_is_green(broken):
    page = (Path(__file__).parents[2] / "docs" / "coordination.md").read_text("utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "class Laplace" in block)
    written = {"__name__": Normal.__module__}
    exec(code, written)
    verdicts = [judge(check, broken("priors", written["Laplace"])) for check in CHECKS["priors"]]
    assert [message for outcome, message in verdicts if outcome == "fail"] == []
