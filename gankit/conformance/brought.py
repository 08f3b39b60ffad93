"""Modules of a user's own, as `gankit.build(generator=module)` takes them: what they are is what is played.

The modules here are those that the backend itself makes of layers, brought back to it as a stranger's. Examples are
vectors, since frameworks differ in how they lay out images.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, agree_by_name, require
from gankit.conformance.games import IDLE, Recorder, examples, leaves, small, start
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.data.dataset import Dataset
from gankit.layers import BatchNorm, Dense, Dropout, LeakyRelu, Relu, Reshape, Sigmoid, place
from gankit.networks.native import Native
from gankit.plug.capabilities import demand, needs

LATENT, PIXELS = 4, 6
G = (Dense(7, bias=None), BatchNorm(), Relu(), Dense(PIXELS), Sigmoid())
D = (Dense(5), BatchNorm(), LeakyRelu(), Dense(1), Reshape(()))
DROPPING = (Dense(5), Dropout(0.5), LeakyRelu(), Dense(1), Reshape(()))
ENTRIES = {"generator": (LATENT,), "discriminator": (PIXELS,)}


def points() -> Dataset:
    """The small pictures as vectors, without labels."""
    data = examples()
    return Dataset(data.x.reshape(len(data), PIXELS), None, None, data.value_range, "conformance")


def alike() -> Dataset:
    """One example, many times."""
    data = points()
    return replace(data, x=np.repeat(data.x[:1], len(data), axis=0))


def both(subject: Subject, d: Any, data: Dataset | None = None, **settings: Any) -> tuple[Any, Any]:
    """The same game twice: of layers, and of the modules that they are, with the same numbers in them."""
    backend = subject.open(settings.get("dtype", "float64"))
    demand(backend, needs((*G, *d)), "A module with batch norm or dropout")
    config = small(generator="native", discriminator="native", latent_dim=LATENT, **settings)
    rows = {"generator": G, "discriminator": d}
    data = data or points()
    by_layers = start(backend, config, data, brought=rows)
    held, modules = leaves(by_layers), dict[str, Native]()
    for role, row in rows.items():
        network = backend.network(place(row, ENTRIES[role]))
        prefixes = (f"{role}/params/", f"{role}/buffers/")
        own = {n.split("/", 2)[2]: a.copy() for n, a in held.items() if n.startswith(prefixes)}
        modules[role] = Native(network.with_params(*network.init(own)), output="unit")
    return by_layers, start(backend, config, data, brought=modules)


def check_a_module_plays_as_what_it_is(subject: Subject) -> None:
    """A module with batch norm would see real and fake in one batch, or start from other numbers than it holds."""
    by_layers, by_modules = both(subject, D, k=2)
    want, got = Recorder(), Recorder()
    by_layers.fit(steps=6, callbacks=[want])
    by_modules.fit(steps=6, callbacks=[got])
    for t, (mine, right) in enumerate(zip(got.terms, want.terms, strict=True)):
        for name, value in right.items():
            what = f"a game of modules, {name} at step {t + 1}"
            agree(np.array(mine[name]), value, what, rtol=1e-9, atol=1e-12, cause="real and fake in one batch.")
    agree(by_modules.sample(5, ema=False), by_layers.sample(5, ema=False), "samples of a module", rtol=0)
    of_rows(by_modules, by_layers)


def of_rows(by_modules: Any, by_layers: Any) -> None:
    """What the modules hold in the end, whatever names and layouts their framework has for it."""
    for role in ENTRIES:
        held, want = (sorted_norms(getattr(game, role).parameters) for game in (by_modules, by_layers))
        agree(held, want, f"norms of the parameters of a {role} that is a module", rtol=1e-8, atol=1e-10)


def sorted_norms(arrays: dict[str, Array]) -> Array:
    """The same for the same arrays in another order or layout."""
    return np.sort([np.linalg.norm(array) for array in arrays.values()])


def check_a_modules_dropout_goes_by_the_seed(subject: Subject) -> None:
    """A run with dropout in a module of one's own could not be repeated, or its mask would be one for the whole run."""
    _, first = both(subject, DROPPING)
    _, second = both(subject, DROPPING)
    one, other = Recorder(), Recorder()
    first.fit(steps=6, callbacks=[one])
    second.fit(steps=6, callbacks=[other])
    require(one.terms == other.terms, "Two runs of one seed differ. Likely cause: dropout from a state that is hidden.")
    agree_by_name(leaves(second), leaves(first), "the state of the second run", atol=0.0)
    _, idle = both(subject, DROPPING, alike(), **IDLE)
    still = Recorder()
    idle.fit(steps=4, callbacks=[still])
    said = [terms["D(x)"] for terms in still.terms]
    apart = min(abs(a - b) for a, b in combinations(said, 2))
    cause = "one mask for the whole run."
    require(apart > 1e-9, f"D stands still, all examples are one, and it says {said} of them. Likely cause: {cause}")


def check_a_module_that_was_taken_out_lives(subject: Subject) -> None:
    """The module that you took, `trainer.generator.native`, would die as the game goes on, or be of no step at all."""
    trainer, _ = both(subject, D)
    trainer.fit(steps=2)
    taken = {role: Native(getattr(trainer, role).native, output="unit") for role in ENTRIES}
    then = {role: sorted_norms(getattr(trainer, role).parameters) for role in ENTRIES}
    trainer.fit(steps=2)
    again = start(subject.open(), small(generator="native", discriminator="native", latent_dim=LATENT), points(), taken)
    for role, held in then.items():
        now, got = (sorted_norms(getattr(game, role).parameters) for game in (trainer, again))
        apart = min(float(np.abs(got - of).max()) for of in (held, now))  # a backend may copy, or show its own memory
        said = f"a {role} taken out after 2 steps and used after 4"
        require(apart < 1e-9, f"{said}: its arrays are {apart:.2g} from those of either step.")


CHECKS: tuple[Check, ...] = (
    check_a_module_plays_as_what_it_is,
    check_a_modules_dropout_goes_by_the_seed,
    check_a_module_that_was_taken_out_lives,
)
