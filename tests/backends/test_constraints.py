"""What parameters are brought back to, against NumPy. Both players stand still, so that nothing else moves them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

import gankit
from gankit.building import open_backend
from gankit.conformance.compare import agree_by_name, bit_equal
from gankit.conformance.games import IDLE, leaves, small, start
from gankit.layers import Bias, Conv, ConvTranspose, Dense, Flatten, LeakyRelu, ProjectionHead, Reshape, SpectralNorm
from gankit.parts.constraints import MaxNorm
from gankit.play.trainer import AdversarialTrainer

G = (Dense(8), Reshape((2, 1, 4)), ConvTranspose(3, size=4, stride=2), Conv(1, size=2, padding=0), Bias())
G = (*G, Flatten(), Dense(6), Reshape((3, 2, 1)))
D = (Conv(4, 3, groups=1), LeakyRelu(), Conv(4, 3, groups=2), Flatten(), SpectralNorm(Dense(5)), ProjectionHead(3))


def game(backend, constraints=(), **settings):
    conditional = {"loss": {"name": "conditional", "base": "non-saturating"}}
    config = small(generator="native", discriminator="native", constraints=constraints, **conditional, **settings)
    unlabelled = {"generator": G, "discriminator": D}
    return start(open_backend(backend, "auto", "float64"), config, brought=unlabelled)


def shortened(params, limit):
    """Srivastava et al. 2014: the weights into one output, over everything that it sees."""
    out = {}
    for name, p in params.items():
        out[name] = p
        if name.split("/")[-1] == "kernel":
            columns = p.reshape(-1, p.shape[-1]).copy()
            for j in range(columns.shape[1]):
                norm = np.linalg.norm(columns[:, j])
                if norm > limit:
                    columns[:, j] *= limit / norm
            out[name] = columns.reshape(p.shape)
    return out


def test_the_weights_into_each_unit_are_shortened_in_dense_layers_and_convolutions_alone(backend):
    """Biases, untied ones too, and embeddings stay; what is short stays to 1e-7, pylearn2's guard against 0."""
    limit = 0.7
    trainer = game(backend, [{"name": "max-norm", "limit": limit}], **IDLE)
    before = {role: getattr(trainer, role).parameters for role in ("generator", "discriminator")}
    trainer.fit(steps=1)
    changed = 0
    for role, params in before.items():
        want = shortened(params, limit)
        agree_by_name(getattr(trainer, role).parameters, want, role, atol=1e-6)
        for name in params:
            if not name.endswith("kernel"):
                bit_equal({name: getattr(trainer, role).parameters[name]}, {name: params[name]}, role)
        changed += sum(np.abs(want[name] - params[name]).max() > 0.01 for name in params)
    assert changed >= 6  # there was something to shorten


@dataclass(frozen=True)
class Halved:
    """Not idempotent, so that each time it is applied is seen; in an order of its own."""

    name: str
    player: str
    factor: float = 0.5

    def __call__(self, ops, params):
        return {name: self.factor * params[name] for name in sorted(params, reverse=True)}


@pytest.mark.parametrize("schedule", ["alternating", "simultaneous"])
def test_a_constraint_is_applied_after_each_update_of_its_player(backend, schedule):
    """k=3: three times to D and once to G in an iteration; with one more for both, each once more."""
    k = 3 if schedule == "alternating" else 1
    plain = start(open_backend(backend, "auto", "float64"), small(k=k, schedule=schedule, accumulate=2, **IDLE))
    constraints = (Halved("d", "discriminator"), Halved("g", "generator"), Halved("both", "both", 0.9))
    rules = replace(plain._game.rules, constraints=constraints)
    trainer = AdversarialTrainer(replace(plain._game, rules=rules), plain._dataset)
    before = {role: getattr(trainer, role).parameters for role in ("generator", "discriminator")}
    trainer.fit(steps=2)
    for role, updates in (("discriminator", 2 * k), ("generator", 2)):
        want = {name: p * 0.45**updates for name, p in before[role].items()}
        agree_by_name(getattr(trainer, role).parameters, want, role, atol=1e-14)


def test_the_average_is_of_constrained_parameters_and_the_run_goes_on_from_them(backend, tmp_path):
    limited = [{"name": "max-norm", "limit": 0.5}]
    whole, resumed = (
        start(open_backend(backend, "auto", "float64"), small(constraints=limited, ema=0.001)) for _ in range(2)
    )
    resumed.restore(whole.fit(steps=4).save(tmp_path / "state"))
    bit_equal(leaves(resumed.fit(steps=3)), leaves(whole.fit(steps=3)), "4 steps resumed for 3 more")
    for name, mean in leaves(whole).items():
        if name.startswith("ema/") and name.endswith("kernel"):
            assert np.linalg.norm(mean, axis=0).max() < 0.51


class Nothing:
    """ops of a constraint that must fail before it computes."""


def test_max_norm_says_what_it_cannot_do():
    for bad, message in (
        (lambda: MaxNorm(limit=0.0), "limit=0.0; it must be above 0"),
        (lambda: MaxNorm(player="critic"), "player='critic'; possible: 'discriminator', 'generator' and 'both'"),
        (lambda: MaxNorm()(Nothing(), {"conv.weight": None}), "no kernels among conv.weight.*end in 'kernel'"),
    ):
        with pytest.raises(gankit.ConfigError, match=message):
            bad()
