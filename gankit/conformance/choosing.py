"""Latents that are chosen after training: where D leads to, what it lets pass, and what answers an example better.

The networks are computed once more in NumPy, and slopes are differences of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree, require
from gankit.conformance.games import examples, small
from gankit.conformance.open_games import begin, flat, inverted
from gankit.conformance.open_oracle import Net
from gankit.conformance.opened import latents
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.data.dataset import Dataset
from gankit.play.completing import complete

N = 6
G, D = Net(slope=0.0, end="sigmoid"), Net()


def measured() -> Dataset:
    """The small pictures as numbers from 0 to 1, which are not rounded on the way to the user."""
    data = examples()
    return replace(data, x=data.x / 255.0, labels=None, num_classes=None, value_range=(0.0, 1.0))


def played(subject: Subject, config: Any, steps: int = 20) -> Any:
    """A game after some steps, so that no slope is that of the first moment."""
    return begin(subject.open(), config, measured()).fit(steps=steps)


def made(trainer: Any, z: Array) -> Array:
    """(n, pixels) G(z)."""
    return G.forward(trainer.players["generator"].parameters, z, {}).out


def judged(trainer: Any, z: Array) -> Array:
    """(n,) D's logits of G(z)."""
    return D.forward(trainer.players["discriminator"].parameters, made(trainer, z), {}).out[:, 0]


def slope(f: Callable[[Array], Array], z: Array, h: float = 1e-5) -> Array:
    """(n, width) the derivative of each row's f in its own latents."""
    ahead = [(f(z + step) - f(z - step)) / (2 * h) for step in np.eye(z.shape[1]) * h]
    return np.stack(ahead, axis=1)


def check_latent_optimisation_is_the_papers(subject: Subject) -> None:
    """`sample(by="latent-optimisation")` would go too far up D's slope, or not far enough, or up another's."""
    trainer = played(subject, small())
    for rate, damping, steps in ((0.9, 5.0, 1), (0.3, 0.05, 2)):
        z = latents(trainer, N)
        for _ in range(steps):
            g = slope(lambda at: judged(trainer, at), z)
            z = z + rate * g / (damping + (g**2).sum(axis=1, keepdims=True))
        by = {"name": "latent-optimisation", "rate": rate, "damping": damping, "steps": steps}
        what = f"{steps} steps of latent optimisation, rate {rate}, damping {damping}"
        agree(flat(trainer.sample(N, by=by, ema=False)), made(trainer, z), what, rtol=1e-5, atol=1e-7)


def check_rejection_takes_as_many_as_d_says(subject: Subject) -> None:
    """`sample(by="rejection")` would not bring samples nearer to the data: it would take others than D lets pass."""
    sees = {"discriminator_optimizer": {"name": "adam", "lr": 0.02}, "generator_optimizer": {"name": "sgd", "lr": 0.0}}
    trainer, n = played(subject, small(**sees), 100), 4_000
    logits = judged(trainer, latents(trainer, 4 * n))
    weights = np.exp(logits - logits.max())
    taken = trainer.score(trainer.sample(n, by="rejection", ema=False))
    mean = float((weights * logits).sum() / weights.sum())
    error = float(taken.std()) / np.sqrt(n) + float(logits.std()) / np.sqrt((weights.sum() ** 2) / (weights**2).sum())
    apart = abs(float(taken.mean()) - mean)
    plain = abs(float(logits.mean()) - mean)
    require(plain > 8 * error, f"D tells too little apart to see anything: {plain:.3f} beside {error:.3f}.")
    what = f"D's mean logit of samples by rejection is {apart:.3f} from that of samples weighted by exp(logit)"
    require(apart < 5 * error, f"{what}; the standard error is {error:.3f}.")


def check_refined_latents_follow_adam(subject: Subject) -> None:
    """`encode(refine=...)` would end elsewhere on every framework, or move one example by the error of another."""
    trainer = played(subject, inverted())
    x = measured().x[:N]
    z = trainer.encode(x, ema=False)
    mean, square = np.zeros_like(z), np.zeros_like(z)
    for t in range(1, 6):
        g = slope(lambda at: ((made(trainer, at) - flat(x)) ** 2).mean(axis=1), z)
        mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
        z = z - 0.03 * (mean / (1 - 0.9**t)) / np.sqrt(square / (1 - 0.99**t))
    agree(trainer.encode(x, ema=False, refine=5), z, "latents after 5 steps of refinement", rtol=1e-5, atol=1e-6)


def check_completions_answer_what_is_known(subject: Subject) -> None:
    """`gankit complete` would change what is known, or complete another example, or one under another mask."""
    config = small(given=[{"name": "mask", "kind": "pixels", "share": 0.4}])
    trainer = played(subject, config)
    x, known = measured().x[3], np.array([[1, 0], [1, 1], [0, 0]], bool)[..., None]
    answers = complete(trainer, x, known, n=N, ema=False)
    require(bool((answers[:, known] == x[known]).all()), "Known pixels are changed where an example is completed.")
    given = {"image": np.tile(flat((x * known)[None]), (N, 1)), "mask": np.tile(flat(known[None]), (N, 1))}
    net = Net(tuple(trainer.config.conditions), 0.0, "sigmoid")
    want = net.forward(trainer.players["generator"].parameters, latents(trainer, N), given).out
    hidden = ~known.reshape(-1)
    got = flat(answers)[:, hidden]
    agree(got, want[:, hidden], "the hidden pixels of a completion", rtol=1e-9, atol=1e-9)
    without = complete(trainer, np.where(known, x, np.nan), n=N, ema=False)
    agree(without, answers, "a completion where NaN says what is hidden", rtol=0)


CHECKS: tuple[Check, ...] = (
    check_completions_answer_what_is_known,
    check_latent_optimisation_is_the_papers,
    check_rejection_takes_as_many_as_d_says,
    check_refined_latents_follow_adam,
)
