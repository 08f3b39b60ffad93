"""Same seed, same run: in float64 every parameter, average, slot and logged term agrees between backends to 1e-8."""

import pytest

from tests.parity.agreement import assert_same_log, assert_same_state, play

NO_DROPOUT = {"keep_input": 1.0, "keep_hidden": 1.0}
PAPER = {
    "recipe": "gan-2014",
    "schedule": "alternating",
    "generator": {"units": 200},
    "discriminator": {"units": 60, **NO_DROPOUT},
    "data": "digits",
}

SMALL = {"generator": {"hidden": [64, 64]}, "discriminator": {"hidden": [64, 64]}}
RISING = {"name": "sgd", "lr": 0.02, "momentum": {"schedule": "ramp", "start": 0, "stop": 0.9, "begin": 20, "end": 80}}

GAMES = {
    "mlp, 1000 Adam steps": (1000, SMALL),
    "conditional mlp, 1000 Adam steps": (1000, {"recipe": "cgan", **SMALL}),
    "the paper's pair, 300 SGD steps": (300, PAPER),
    "the paper's pair, simultaneous": (100, {**PAPER, "schedule": "simultaneous"}),
    "k=3, minimax, on a 2-D ring": (100, {"data": "ring", "k": 3, "loss": "minimax", **SMALL}),
    "a momentum that rises from 0": (
        100,
        {"generator_optimizer": RISING, "discriminator_optimizer": RISING, **SMALL},
    ),
    "lazy r1 and r2, conditional minimax": (
        100,
        {"recipe": "cgan", "loss": "minimax", "penalties": [{"name": "r1", "every": 4}, {"name": "r2", "every": 3}]},
    ),
}


@pytest.mark.parametrize(("steps", "game"), GAMES.values(), ids=GAMES.keys())
def test_backends_play_the_same_game(backends, steps, game):
    first, *others = backends
    state, log = play(first, steps, seed=1, **game)
    for other in others:
        other_state, other_log = play(other, steps, seed=1, **game)
        assert_same_state(state, other_state)
        assert_same_log(log, other_log)


def test_another_seed_is_another_game(backends):
    first, second = (play(backends[0], 1, seed=seed)[0] for seed in (1, 2))
    with pytest.raises(AssertionError, match="differs by"):
        assert_same_state(first, second)


def test_float32_starts_together(backends):
    """float32 follows until rounding chaos parts the runs; the first steps are the same to its precision."""
    import gankit
    from tests.parity.agreement import leaves

    first, *others = [leaves(gankit.build(backend=b, seed=3, dtype="float32").fit(steps=5)) for b in backends]
    for other in others:
        assert_same_state(first, other, bound=2e-4)
