"""What any prior is judged by, a stranger's included: what it draws, and a game on it.

python -m gankit.conformance --prior sphere
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, bit_equal, require
from gankit.conformance.games import leaves, small, start
from gankit.conformance.parts.common import LATENT_DIM, exact, imports_no_framework, made, play, wish
from gankit.conformance.subject import Candidate
from gankit.layers import draw, end_shape, parameters, place
from gankit.play.streams import Streams

N = 4_000
"""Rows, where it takes many to tell."""


def generator(seed: int = 0) -> np.random.Generator:
    """A stream of core's, as a game hands it over."""
    return Streams(seed).generator("conformance/prior")


def check_prior_contract(candidate: Candidate) -> None:
    """A game would fail on the prior, with an error that does not name it."""
    prior = made(candidate)
    what, width = type(prior).__name__, getattr(prior, "width", None)
    whole = type(width) is int and width > 0
    require(whole, f"{what}.width is {width!r}; it must be a whole number above 0.")
    for lead in ((), (5,), (2, 3)):
        z = prior.draw(generator(), lead)
        shape, dtype = np.shape(z), getattr(z, "dtype", type(z).__name__)
        require(shape == (*lead, width), f"{what}.draw(rng, {lead}) has shape {shape}; it must have {(*lead, width)}.")
        require(dtype == np.float64, f"{what}.draw returns {dtype}; it must return float64, which backends round.")
        require(bool(np.isfinite(z).all()), f"{what}.draw returns what is not finite.")
    ends = end_shape(prior.layers, (prior.width,))
    require(
        ends == (LATENT_DIM,),
        f"{what}.layers make {ends} of ({width},) numbers; they must make z, ({LATENT_DIM},). Without layers, width "
        "must be latent_dim.",
    )


def check_prior_draws_row_after_row(candidate: Candidate) -> None:
    """A longer draw would not start with the shorter one, and samples would depend on how many are drawn at once."""
    prior = made(candidate)
    whole, rng = prior.draw(generator(), (40,)), generator()
    parts = np.concatenate([prior.draw(rng, (17,)), prior.draw(rng, (23,))])
    cause = "arrays of the whole draw's size, one after the other: draw one array, row by row, and cut its columns."
    bit_equal({"z": parts}, {"z": whole}, "17 rows and 23 beside 40 at once", cause=cause)
    square = prior.draw(generator(), (4, 10)).reshape(whole.shape)
    bit_equal({"z": square}, {"z": whole}, "(4, 10) rows beside 40", cause=cause)


def check_prior_draws_from_its_stream_alone(candidate: Candidate) -> None:
    """The same seed would give another run after a restart, or beside a script that draws random numbers."""
    prior = made(candidate)
    kept = np.random.get_state()
    try:
        drawn = []
        for seed in (1, 2):
            np.random.seed(seed)
            before = np.random.get_state()[1].tobytes()  # type: ignore[index]
            drawn.append(prior.draw(generator(), (50,)))
            after = np.random.get_state()[1].tobytes()  # type: ignore[index]
            require(
                before == after, f"{type(prior).__name__} draws from NumPy's global generator. Draw from rng alone."
            )
    finally:
        np.random.set_state(kept)
    cause = "a generator of its own, or something kept from draw to draw."
    bit_equal({"z": drawn[1]}, {"z": drawn[0]}, "the same stream, twice", cause=cause)
    other = prior.draw(generator(1), (50,))
    require(bool((other != drawn[0]).any()), f"{type(prior).__name__} draws the same for every seed.")


def check_prior_rows_differ(candidate: Candidate) -> None:
    """G would always get the same z, or z would have fewer dimensions than G expects."""
    z = latents(candidate, N)
    along = np.mean(z[1:] * z[:-1]) / np.mean(z**2)
    require(abs(along) < 0.1, f"Rows that follow each other are alike: their correlation is {along:.3f}.")
    require(len(np.unique(z, axis=0)) == N, f"Of {N} rows only {len(np.unique(z, axis=0))} differ.")
    least = float(np.linalg.eigvalsh(np.cov(z.T)).min())
    require(
        least > 0.01,
        f"The numbers of a row follow from each other: the least variance in any direction is {least:.2g}.",
    )


def check_prior_is_scaled(candidate: Candidate) -> None:
    """G would start far from where its initialisers expect, and learn slowly or not at all."""
    z = latents(candidate, N)
    mean, square = float(z.mean()), float((z**2).mean())
    require(abs(mean) < 0.35, f"z has mean {mean:.3g} at the start; it should be 0.")
    require(0.5 < square < 2.0, f"z has mean square {square:.3g} at the start; it should be 1.")


def latents(candidate: Candidate, n: int) -> Array:
    """(n, latent_dim): z as G's own layers see it before the first step."""
    prior, backend = made(candidate), exact(candidate)
    drawn = prior.draw(generator(), (n,))
    if not prior.layers:
        return np.asarray(drawn)
    placed = place(prior.layers, (prior.width,))
    network = backend.network(placed)
    numbers = network.init(draw(parameters(placed), "init/generator", Streams(0)))
    out, _ = network.apply(*numbers, backend.ops.asarray(drawn), {}, train=False, key=None)
    return np.asarray(backend.ops.to_numpy(out), np.float64)


def check_prior_confines(candidate: Candidate) -> None:
    """`sample(by="latent-optimisation")` would give G latents that it was never trained on."""
    prior = made(candidate)
    z = prior.draw(generator(), (200,))
    agree(prior.confined(z, z), z, "confined(z, z) of z that was drawn", rtol=1e-9, atol=1e-12)
    far = prior.confined(z + 3.0 * generator(1).standard_normal(z.shape), z)
    require(bool(np.isfinite(far).all()), "confined returns what is not finite.")
    agree(prior.confined(far, z), far, "confined twice beside once", rtol=1e-9, atol=1e-12)


def check_prior_plays(candidate: Candidate) -> None:
    """No game would train with the prior, or all its samples would be the same."""
    trainer, _ = play(candidate, steps=12, prior=wish(candidate), latent_dim=LATENT_DIM)
    x = trainer.sample(8, seed=1).reshape(8, -1)
    require(len(np.unique(x, axis=0)) > 1, f"{candidate}: eight samples are one.")
    bit_equal({"samples": trainer.sample(3, seed=1).reshape(3, -1)}, {"samples": x[:3]}, "3 samples beside 8")


def check_prior_resumes(candidate: Candidate) -> None:
    """The checkpoint would lack what the prior learns, or its draws would depend on where the run was stopped."""
    config = small(dtype="float32", prior=wish(candidate), latent_dim=LATENT_DIM)
    with tempfile.TemporaryDirectory() as folder:
        first = start(candidate.on.open("float32"), config)
        path = first.fit(steps=5).save(Path(folder) / "state")
        second = start(candidate.on.open("float32"), config).restore(path)
        bit_equal(leaves(second.fit(steps=3)), leaves(first.fit(steps=3)), "5 steps resumed for 3 more")


def check_prior_imports_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the prior, and everybody would wait for the import."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_prior_contract,
    check_prior_draws_from_its_stream_alone,
    check_prior_draws_row_after_row,
    check_prior_rows_differ,
    check_prior_is_scaled,
    check_prior_confines,
    check_prior_plays,
    check_prior_resumes,
    check_prior_imports_no_framework,
)
