"""Config: what users write, what is stored, and what is refused."""

import tomllib

import numpy as np
import pytest

from gankit.building import configure
from gankit.config import Config, Part
from gankit.data.dataset import Dataset
from gankit.errors import ConfigError, UnknownNameError
from gankit.play.conditions import settled

RECIPES = ["mlp", "cgan", "gan-2014"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_config_survives_toml(recipe):
    config = configure(recipe, seed=7)
    assert Config().with_settings({"penalties": (), **tomllib.loads(config.to_toml())}) == config


def test_a_table_without_a_name_changes_the_recipes_part():
    config = configure("mlp", generator_optimizer={"lr": 0.5})
    assert config.generator_optimizer == Part("adam", {"lr": 0.5, "b1": 0.0, "b2": 0.99})


def test_a_table_without_a_name_changes_the_only_part_of_a_list():
    made = Config().with_settings({"given": {"name": "downsample", "factor": 4}})
    assert made.with_settings({"given": {"factor": 2}}).given == (Part("downsample", {"factor": 2}),)
    assert made.with_settings({"given": {"name": "downsample"}}).given == (Part("downsample"),)
    with pytest.raises(
        ConfigError, match="penalties={'weight': 1}: the table needs a 'name'. This game has 'r1', 'r2'."
    ):
        Config().with_settings({"penalties": ["r1", "r2"]}).with_settings({"penalties": {"weight": 1}})


def test_another_name_replaces_the_recipes_part():
    config = configure("mlp", generator_optimizer={"name": "sgd", "lr": 0.5})
    assert config.generator_optimizer == Part("sgd", {"lr": 0.5})


def test_conditional_alone_wraps_the_recipes_loss():
    loss = configure("gan-2014", loss="conditional").loss
    assert loss == Part("conditional", {"base": {"name": "non-saturating", "d_weight": 0.5}})


def test_a_loss_named_for_a_conditional_recipe_becomes_what_it_plays():
    config = configure("cgan", loss="minimax")
    assert config.conditional and config.loss.settings["base"] == {"name": "minimax"}


def test_penalties_can_be_taken_away():
    assert configure("mlp").penalties and not configure("mlp", penalties=[]).penalties


def test_the_paper_s_numbers():
    config = configure("gan-2014")
    assert (config.latent_dim, config.prior.name, config.batch_size, config.k) == (100, "uniform", 100, 1)
    assert config.schedule == "simultaneous" and config.discriminator_optimizer == config.generator_optimizer


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batchsize": 3}, "Did you mean 'batch_size'"),
        ({"batch_size": 0}, "at least 1"),
        ({"batch_size": 2.5}, "whole number"),
        ({"k": True}, "whole number"),
        ({"seed": -1}, "at least 0"),
        ({"dtype": "float16"}, "Choose 'float32', 'float64'"),
        ({"schedule": "alternate"}, "Did you mean 'alternating'"),
        ({"schedule": "simultaneous", "k": 2}, "Use k=1"),
        ({"ema": 1.0}, r"\[0, 1\)"),
        ({"generator": 3}, "expected a name"),
        ({"penalties": [{"weight": 1}]}, "needs a 'name'"),
    ],
)
def test_a_wrong_setting_says_what_is_possible(settings, message):
    with pytest.raises(ConfigError, match=message):
        configure("mlp", **settings)


def test_unknown_recipe_names_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean 'gan-2014'"):
        configure("gan-2104")


class OfLabels:
    """A stranger's loss that plays with labels by itself."""

    conditional = True
    generator_needs_real = False


def install(monkeypatch, kind, name, target):
    from gankit.plug import registry

    real = registry.load
    monkeypatch.setattr(registry, "load", lambda k, n: target if (k, n) == (kind, name) else real(k, n))


def test_a_game_knows_its_conditions_without_asking_the_loss():
    """Whether labels are played with is settled when the game is built, and written down: the plugin may be gone."""
    data = Dataset(np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1]), 2, given={"pose": np.zeros((4, 3))})
    built = settled(Config().with_settings({"loss": "gone-away"}), data, (), labelled=True)
    assert built.conditional and built.conditions == ("label", "pose")
    assert Config().with_settings(built.to_plain()).conditional
    assert not settled(Config(), data, (), labelled=False).conditional
    with pytest.raises(ConfigError, match="Did you mean 'pose'"):
        settled(Config(conditions=("pos",)), data, (), labelled=False)


def test_such_a_loss_takes_the_place_of_the_wrapper_instead_of_going_into_it(monkeypatch):
    install(monkeypatch, "losses", "of-labels", OfLabels)
    recipe = Config().with_settings({"loss": {"name": "conditional", "base": "minimax"}})
    assert recipe.with_settings({"loss": "of-labels"}).loss.name == "of-labels"


def test_what_is_wrong_inside_of_a_part_is_not_taken_for_a_setting_of_the_user_s(monkeypatch):
    from gankit.building import make
    from gankit.config import Part

    install(monkeypatch, "generators", "broken", lambda spec, width=8: width * spec)
    with pytest.raises(TypeError, match="unsupported operand"):
        make("generators", Part("broken", {}), None)
    with pytest.raises(ConfigError, match=r"does not take \{'width': 4\}: unsupported operand"):
        make("generators", Part("broken", {"width": 4}), None)


@pytest.mark.parametrize(("name", "said"), [("epochs", "--steps N"), ("device", "an option of its own")])
def test_what_is_no_setting_of_the_game_is_said_elsewhere(name, said):
    with pytest.raises(ConfigError, match=said):
        configure("mlp", **{name: 3})
