"""Checkpoints that older versions wrote open for ever, and the game goes on as theirs did, to rounding, in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from tests.before.write import RECIPES, STEPS
from tests.parity.agreement import leaves
from tests.parity.test_recipes import game

SETS = sorted(
    path for path in (Path(__file__).parents[1] / "before").iterdir() if path.is_dir() and path.name[0].isdigit()
)

pytestmark = pytest.mark.filterwarnings("ignore:.*has no hash, because an older version wrote it")


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("version", SETS, ids=lambda path: path.name)
def test_a_checkpoint_of_before_is_resumed(version, recipe, backend):
    want = checkpoint.read(version / f"{recipe}-whole.safetensors")[0]
    trainer = gankit.load(version / f"{recipe}-half.safetensors", backend=backend, device="cpu")
    assert trainer.steps_done == STEPS
    before = checkpoint.read(version / f"{recipe}-half.safetensors")[0]
    opened = leaves(trainer)
    assert all(np.array_equal(opened[name], before[name]) for name in before), "no number changed on the way"
    got = leaves(trainer.fit(game(recipe, dropout=False)["data"], steps=STEPS))
    assert got.keys() == want.keys()
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=0, atol=1e-9, err_msg=name)


def test_it_is_said_that_nothing_tells_whether_they_are_whole(backend):
    with pytest.warns(checkpoint.CheckpointWarning, match="It cannot be checked for damage"):
        gankit.load(SETS[0] / f"{RECIPES[0]}-half.safetensors", backend=backend, device="cpu")


def test_there_is_a_set():
    assert SETS and all(len([*path.glob("*.safetensors")]) == 2 * len(RECIPES) for path in SETS)
