"""The paper's formula beside the part: what no suite can know, and an author can write down in NumPy.

    from gankit.conformance.paper import BACKENDS, loss_follows

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_it_is_the_paper_s(backend):
        loss_follows(backend, MyLoss(), d_objective, g_objective)

The suite catches a loss that is not finite, not a mean, not differentiable. A wrong sign, a target of 0.8 where the
paper has 0.9, a norm that is not squared: each is a game too, and only the formula tells. `gankit new` writes a formula
that is right for the part that it begins with; change the two together. All functions raise AssertionError with both
numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.building import open_backend
from gankit.conformance.compare import agree, epsilon, require
from gankit.conformance.parts.net import Net
from gankit.conformance.parts.probe import Given, draws, given, on_generator, value
from gankit.conformance.parts.scores import PLAYERS, SITUATIONS, ask, shown
from gankit.conformance.subject import Candidate, registered
from gankit.interfaces import Backend, Scores
from gankit.layers import Layers, buffers, draw, parameters, place
from gankit.networks.spec import GameSpec
from gankit.play.streams import Streams
from gankit.plug import registry
from gankit.plug.capabilities import FLOAT64

BACKENDS = registry.names("backends")
"""Those that are installed."""
Objective = Callable[[Scores, Scores], Any]
"""What D says of real and of fake, as NumPy in float64, to the number that a player minimises."""


def loss_follows(backend: str, loss: Any, discriminator: Objective, generator: Objective) -> None:
    """Both players' objectives are the formulas', on ordinary logits, on logits of 0 and on very large ones.

    The formulas get `Scores` of NumPy arrays: `logits`, and `labels`, `class_logits`, `features`, `mismatched` where
    the loss asks for them. real is there for G's too.
    """
    opened = _exact(backend)
    for situation, logits in SITUATIONS.items():
        batch = shown(loss, logits)
        told = [said.scores(said.parts, lambda x: x) for said in batch]
        most = max(float(np.abs(side).max()) for side in logits)
        for player, formula in zip(PLAYERS, (discriminator, generator), strict=True):
            convert = opened.ops.asarray
            sides = [said.scores({n: convert(p) for n, p in said.parts.items()}, convert) for said in batch]
            got = opened.ops.to_numpy(ask(opened.ops, loss, player, *sides))
            with np.errstate(all="ignore"):
                want = np.asarray(formula(*told), np.float64)
            if not np.isfinite(want):
                continue  # a formula that overflows says nothing here
            what = f"{type(loss).__name__}, {player}, {situation}, on {backend}: the loss against the formula"
            eps = epsilon(opened.dtype)
            agree(got, want, what, rtol=256 * eps, atol=256 * eps * (1 + most))


@dataclass(frozen=True)
class Critic:
    """The D that a penalty is shown, in NumPy: a small network of which everything is known."""

    at: Given

    def logits(self, x: Array) -> Array:
        """(n,) of examples (n, ...)."""
        w, b, v = (self.at.params[name] for name in "wbv")
        return np.asarray(np.tanh(x.reshape(len(x), -1) @ w + b) @ v)

    def slopes(self, x: Array) -> Array:
        """The gradient of each logit in its own example, shaped like x."""
        w, b, v = (self.at.params[name] for name in "wbv")
        bent = 1 - np.tanh(x.reshape(len(x), -1) @ w + b) ** 2
        return np.asarray(((bent * v) @ w.T).reshape(x.shape))


def penalty_follows(backend: str, penalty: Any, formula: Callable[..., Any], *, times: int = 400) -> None:
    """A penalty of D's, before it is weighted, is the formula: (critic, real, fake) to a number.

    critic: `Critic`. real, fake: (n, h, w, c). Of a penalty that draws, the formula takes a NumPy Generator as well,
    (critic, real, fake, rng), and the means over `times` draws must be within five standard errors.
    """
    require(not on_generator(penalty), f"{type(penalty).__name__} looks at G; penalty_follows is for terms of D's.")
    opened = _exact(backend)
    at = replace(given(penalty), labels=None)
    what = f"{type(penalty).__name__} on {backend}: the penalty against the formula"
    if not draws(opened.ops, penalty, at):
        got, want = value(opened.ops, penalty, at), float(formula(Critic(at), at.real, at.fake))
        agree(np.array(got), np.array(want), what, rtol=1e-6 if opened.dtype == "float64" else 1e-3, atol=1e-9)
        return
    rng = np.random.default_rng(0)
    ours = np.array([value(opened.ops, penalty, replace(at, seed=seed)) for seed in range(times)])
    theirs = np.array([float(formula(Critic(at), at.real, at.fake, rng)) for _ in range(times)])
    error = float(np.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / times))
    off = abs(float(ours.mean() - theirs.mean()))
    require(
        off <= 5 * error + 1e-9,
        f"{what}: {ours.mean():.6g} and {theirs.mean():.6g}, means of {times} draws, are {off / (error or 1e-300):.1f} "
        "standard errors apart.",
    )


def metric_follows(name: str, formula: Callable[[Any], float], *, backend: str | None = None) -> None:
    """A registered metric's first number is the formula's, wherever it applies: digits by class, points of a plane.

    formula: takes the same `gankit.metrics.Evidence` as the metric: `samples`, `split("test").x`, `features`, ...
    """
    from gankit.conformance.parts.metric_games import measured

    chosen = BACKENDS[0] if backend is None else backend
    for game, evidence, _, found in measured(Candidate("metrics", name, registered(chosen, device="cpu"))):
        want = np.asarray(float(formula(evidence)))
        agree(np.array(found[0].value), want, f"{name}, {game}: the metric against the formula", rtol=1e-5, atol=1e-7)


def network_follows(
    backend: str,
    role: str,
    layers: Layers,
    spec: GameSpec,
    formula: Callable[[Mapping[str, Array], Array, Mapping[str, Array]], Any],
) -> None:
    """What layer records compute in evaluation is the formula: (arrays by name, inputs, conditions by name) to outputs.

    role: "generator", whose inputs are latents, or "discriminator", of which the logits are compared. spec: of the game
    that the layers were made for.
    """
    opened = _exact(backend)
    placed = place(layers, (spec.latent_dim,) if role == "generator" else spec.shape)
    arrays = draw(parameters(placed) | buffers(placed), f"init/{role}", Streams(0))
    network = opened.network(placed)
    net = Net(role, spec, layers, opened, network, arrays, placed[-1].output_shape, {})
    for seed in range(2):
        known, x, y = net.generic(seed), net.inputs(seed=seed), net.given(seed=seed)
        got = net.outputs(known, x, y)[net.main]
        want = np.asarray(formula(known, x, y), np.float64)
        tolerance = 1e-9 if opened.dtype == "float64" else 1e-4
        agree(got, want, f"{net.what} on {backend}: its output against the formula", rtol=tolerance, atol=tolerance)


def _exact(backend: str) -> Backend:
    """In float64 where the backend has that."""
    first = open_backend(backend, "cpu", "float32")
    return open_backend(backend, "cpu", "float64") if FLOAT64 in first.capabilities else first
