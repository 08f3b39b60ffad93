"""A network's setting that cannot be: an error that names the network and the setting, or the layer it ends in."""

from __future__ import annotations

import inspect

import pytest

from gankit import layers
from gankit.config import Part
from gankit.errors import GankitError
from gankit.networks import GameSpec
from gankit.plug import registry
from gankit.plug.making import make

SPEC = GameSpec(shape=(16, 16, 1), latent_dim=8, num_classes=4)
INPUTS = {"generators": (8,), "discriminators": (16, 16, 1)}
SETTINGS = [
    (kind, name, setting)
    for kind in INPUTS
    for name in registry.names(kind)
    for setting, parameter in inspect.signature(registry.load(kind, name)).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY
]


@pytest.mark.parametrize(("kind", "name", "setting"), SETTINGS)
@pytest.mark.parametrize("value", [0.5, -1, 0, [0], "x", {}])
def test_a_setting_that_cannot_be_is_a_gankit_error(kind, name, setting, value):
    try:
        layers.parameters(layers.place(make(kind, Part(name, {setting: value}), SPEC), INPUTS[kind]))
    except GankitError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("kind", "name", "setting", "value", "said"),
    [
        ("generators", "u-net", "depth", 0.5, "expected a whole number"),
        ("discriminators", "dcgan", "width", -1, "every size must be a whole number, 1 or more"),
        ("discriminators", "dcgan", "width", "64", "expected a whole number"),
    ],
)
def test_the_error_says_what_is_wrong(kind, name, setting, value, said):
    with pytest.raises(GankitError, match=said):
        layers.place(make(kind, Part(name, {setting: value}), SPEC), INPUTS[kind])
