"""What is typed means what it says: values are TOML, dots lead into tables, and a command can be said again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from gankit.building import configure
from gankit.cli.settings import Options, assigned, parsed, told_steps
from gankit.errors import ConfigError
from gankit.plug import registry
from gankit.runs.folder import Run


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("true", True),
        ("[64, 64]", [64, 64]),
        ('"adam"', "adam"),
        ("adam", "adam"),
        ("", ""),
        ('{name = "r1", weight = 2.0}', {"name": "r1", "weight": 2.0}),
        ("1\nk = 2", "1\nk = 2"),
    ],
)
def test_a_value_is_toml_or_else_text(text: str, value: Any) -> None:
    assert parsed(text) == value


def test_dotted_keys_lead_into_tables() -> None:
    assert assigned(["generator.hidden=[64,64]", "generator_optimizer.lr=1e-3", "loss.base=minimax", "k=2"]) == {
        "generator": {"hidden": [64, 64]},
        "generator_optimizer": {"lr": 1e-3},
        "loss": {"base": "minimax"},
        "k": 2,
    }


def test_a_part_can_be_named_before_or_after_its_settings() -> None:
    sgd = {"generator_optimizer": {"name": "sgd", "lr": 0.1}}
    assert assigned(["generator_optimizer=sgd", "generator_optimizer.lr=0.1"]) == sgd
    assert assigned(["generator_optimizer.lr=0.1", "generator_optimizer=sgd"]) == sgd


def test_a_part_keeps_the_settings_that_the_recipe_gave_it() -> None:
    config = configure("mlp", **assigned(["generator_optimizer.lr=5e-4"]))
    assert config.generator_optimizer.settings == {"lr": 5e-4, "b1": 0.0, "b2": 0.99}


@pytest.mark.parametrize("text", ["k", "=3", "generator.=3", ".hidden=3"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected key=value"):
        assigned([text])


def test_a_number_has_no_settings_of_its_own() -> None:
    with pytest.raises(ConfigError, match="no settings of its own"):
        assigned(["k=2", "k.deep=3"])


def test_names_with_flags_of_their_own_are_sent_there() -> None:
    with pytest.raises(ConfigError, match="--data ring"):
        assigned(["data=ring"])


def test_a_misspelt_setting_gets_its_closest_match() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'batch_size'"):
        configure("mlp", **assigned(["bach_size=3"]))


def test_flags_and_assignments_join() -> None:
    options = Options(loss="conditional", set=("loss.base=minimax", "seed=4"), seed=3, penalty=("r1", "r2"))
    config = configure("mlp", **options.settings())
    assert config.loss.settings["base"] == {"name": "minimax"}
    assert config.seed == 4 and [part.name for part in config.penalties] == ["r1", "r2"]


def test_the_command_to_go_on_says_the_same_again() -> None:
    options = Options(recipe="cgan", steps=70, set=("generator.hidden=[8, 8]", "k=2"), seed=0, out=Path("my runs/x"))
    assert shlex.split(options.command()) == [
        *("gankit", "train", "--recipe", "cgan", "--steps", "70", "--seed", "0"),
        *("--set", "generator.hidden=[8, 8]", "--set", "k=2", "--out", "my runs/x"),
    ]


def test_shared_commands_hold_no_paths() -> None:
    options = Options(data="/home/ada/secret/x.npz", out=Path("/home/ada/runs/x"))
    assert options.without_paths().command() == "gankit train --data x.npz"


def test_only_settings_of_the_game_name_a_game() -> None:
    assert not Options(backend="jax", steps=3, device="cpu", out=Path("x"), log_every=3).names_a_game()
    assert Options(seed=0).names_a_game() and Options(set=("k=2",)).names_a_game()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("64,64", [64, 64]),
        ("64, 32,16", [64, 32, 16]),
        ("1e-3,0.5", [1e-3, 0.5]),
        ('{"schedule": "cosine", "start": 1e-3}', {"schedule": "cosine", "start": 1e-3}),
        ('{schedule = "cosine", start = 1e-3}', {"schedule": "cosine", "start": 1e-3}),
        ("null", None),
        ("a,b", "a,b"),
        ("mlp", "mlp"),
    ],
)
def test_values_are_read_as_people_type_them(typed, meant):
    assert assigned([f"x={typed}"]) == {"x": meant}


def test_what_begins_as_a_table_and_is_none_says_what_is_missing():
    with pytest.raises(
        ConfigError,
        match=r"--set g.lr: '\{schedule=ramp\}' is neither a table nor a list.*"
        r"Put quotes around text: \{schedule = \"ramp\"",
    ):
        assigned(["g.lr={schedule=ramp}"])


def test_a_recipe_says_how_long_it_is_trained_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 steps of the paper's MNIST game draw nothing but ones."""
    assert told_steps("gan-2014", None) == 20_000
    assert told_steps("mlp", None) == told_steps(None, None) == told_steps(None, tmp_path / "new") == 5_000
    run = Run(tmp_path / "run")
    run.begin(configure("gan-2014", "digits"))
    assert told_steps(None, run.folder) == 20_000, "of a run that goes on"
    assert told_steps("mlp", run.folder) == 5_000, "what is asked for comes first"
    monkeypatch.setattr(registry, "names", lambda kind: ())
    assert told_steps(None, run.folder) == 5_000, "of a run whose recipe is not installed here"


def test_how_long_is_no_setting_of_the_game() -> None:
    assert "steps" not in configure("gan-2014").to_plain()
    with pytest.raises(ConfigError, match="steps"):
        configure("gan-2014", steps=3)
