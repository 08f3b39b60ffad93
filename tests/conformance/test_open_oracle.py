"""The oracle of open games, judged without any framework: its terms written out, its gradients by differences."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.conformance.open_oracle import Drawn, Net, OpenOracle
from gankit.conformance.oracle import Momentum
from gankit.conformance.reference import central_differences

LATENT, HIDDEN, PIXELS, VECTOR, M = 3, 4, 2, 3, 6
PAIRS = {"": ("generator", "discriminator"), "b": ("generator-b", "discriminator-b")}


def params(rng, entry, out):
    shapes = {
        "dense0/kernel": (entry, HIDDEN),
        "dense0/bias": HIDDEN,
        "dense1/kernel": (HIDDEN, out),
        "dense1/bias": out,
    }
    return {name: rng.normal(size=shape) for name, shape in {**shapes, "dense1/bias": out}.items()}


def given(**terms):
    """p(x | vector), and its minibatches."""
    rng = np.random.default_rng(0)
    nets = {"generator": Net(("vector",), 0.0, "sigmoid"), "discriminator": Net(("vector",))}
    own = {"generator": params(rng, LATENT + VECTOR, PIXELS), "discriminator": params(rng, PIXELS + VECTOR, 1)}
    drawn = Drawn(
        rng.random((M, PIXELS)),
        {"vector": rng.normal(size=(M, VECTOR))},
        rng.normal(size=(M, LATENT)),
        {"vector": rng.normal(size=(M, VECTOR))},
    )
    return OpenOracle(own, nets, dict.fromkeys(own, Momentum(0.1)), **terms), {"": drawn}


def crossed(**terms):
    """Two domains, each G given the pictures of the other's."""
    rng = np.random.default_rng(1)
    nets = {g: Net(("image",), 0.0, "sigmoid") for g, _ in PAIRS.values()} | {d: Net() for _, d in PAIRS.values()}
    own = {g: params(rng, LATENT + PIXELS, PIXELS) for g, _ in PAIRS.values()}
    own |= {d: params(rng, PIXELS, 1) for _, d in PAIRS.values()}
    x, b = rng.random((2, M, PIXELS))
    z = rng.normal(size=(2, M, LATENT))
    drawn = {"": Drawn(x, {}, z[0], {"image": b}), "b": Drawn(b, {}, z[1], {"image": x})}
    return OpenOracle(own, nets, dict.fromkeys(own, Momentum(0.1)), PAIRS, **terms), drawn


GAMES = {
    "conditions": (given, {"l1": 2.0}),
    "two pairs": (crossed, {"cycle": (3.0, 2)}),
}


@pytest.mark.parametrize("phase", ["d", "g"])
@pytest.mark.parametrize("game", GAMES)
def test_gradients_are_those_of_finite_differences(game, phase):
    make, terms = GAMES[game]
    o, drawn = make(**terms, r1=0.7 if game == "conditions" else 0.0)
    played = getattr(o, f"{phase}_phase")
    gradients, _ = played(drawn)
    start = o.params
    for role, gradient in gradients.items():
        for name, got in gradient.items():

            def objective(p, role=role, name=name):
                o.params = {**start, role: {**start[role], name: p}}
                values = played(drawn)[1]
                return sum(value for term, value in values.items() if not term.startswith("D("))

            want = central_differences(objective, start[role][name])
            o.params = start
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7, err_msg=f"{role} {name}")


def network(p, v, *given, hinge, end=lambda x: x):
    v = np.concatenate([v, *given])
    return end(hinge(v @ p["dense0/kernel"] + p["dense0/bias"]) @ p["dense1/kernel"] + p["dense1/bias"])


def generated(p, z, *given):
    return network(p, z, *given, hinge=lambda a: a * (a > 0), end=lambda x: 1 / (1 + np.exp(-x)))


def probability(p, x, *given):
    logit = network(p, x, *given, hinge=lambda a: np.where(a > 0, a, 0.2 * a))[0]
    return 1 / (1 + np.exp(-logit))


def test_terms_of_a_game_with_conditions_written_out():
    o, drawn = given(l1=2.0)
    g, d, own = o.params["generator"], o.params["discriminator"], drawn[""]
    c, other = own.given["vector"], own.fake_given["vector"]
    fakes = [generated(g, own.z[i], other[i]) for i in range(M)]
    real = np.array([probability(d, own.x[i], c[i]) for i in range(M)])
    fake = np.array([probability(d, fakes[i], other[i]) for i in range(M)])
    d_terms, g_terms = o.d_phase(drawn)[1], o.g_phase(drawn)[1]
    assert np.isclose(d_terms["d_loss"], -np.mean(np.log(real) + np.log(1 - fake)), rtol=1e-12)
    assert np.isclose(g_terms["g_loss"], -np.mean(np.log(fake)), rtol=1e-12)
    assert np.isclose(g_terms["l1"], 2.0 * np.mean([abs(fakes[i] - own.x[i]) for i in range(M)]), rtol=1e-12)


def test_the_cycle_written_out():
    o, drawn = crossed(cycle=(3.0, 2))
    x, b = drawn[""], drawn["b"]
    here, there = o.params["generator"], o.params["generator-b"]
    apart = 0.0
    for i in range(M):
        to_x, to_b = generated(here, x.z[i], b.x[i]), generated(there, b.z[i], x.x[i])
        apart += np.abs(generated(there, b.z[i], to_x) - b.x[i]).mean()
        apart += np.abs(generated(here, x.z[i], to_b) - x.x[i]).mean()
    assert np.isclose(o.g_phase(drawn)[1]["cycle"], 2 * 3.0 * apart / M, rtol=1e-12)
