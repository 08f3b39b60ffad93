"""Which backend plays where several processes are started together and nobody names one."""

from __future__ import annotations

from gankit import checkpoint
from tests.backends.test_workers import ended
from tests.backends.workers import together

TRAIN = ["gankit", "train", "--data", "ring", "--steps", "4", "--set", "generator.hidden=[8]", "--out", "run"]


def test_the_one_that_shares_a_game_among_processes(tmp_path):
    for code, _, err in ended(together(TRAIN, 2, cwd=tmp_path)):
        assert code == 0, err
    assert checkpoint.outline(checkpoint.find(tmp_path / "run"))[0]["backend"] == "torch"


def test_another_one_says_what_to_type(tmp_path):
    for code, _, err in ended(together([*TRAIN, "--backend", "jax"], 2, cwd=tmp_path)):
        assert code == 2 and "the whole game by itself. Start one process, or choose --backend torch." in err
    assert not (tmp_path / "run").exists()
