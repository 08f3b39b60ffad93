"""What exports need no framework for: the latents that snippets draw, and what is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from gankit.config import Part
from gankit.errors import ConfigError
from gankit.exporting.generator import agree
from gankit.exporting.snippet import RNG, latents
from gankit.hub import located
from gankit.play.streams import Streams
from gankit.plug import registry
from gankit.plug.making import prior_of
from gankit.switches import on, without

PRIORS = [
    *map(Part, ("normal", "uniform", "sphere", "truncated", "mixture")),
    Part("truncated", {"limit": 0.7}),
    Part("mixture", {"components": 3, "std": 0.25}),
]


@pytest.mark.parametrize("part", PRIORS, ids=str)
def test_a_snippet_draws_the_latents_of_sample(part):
    names = {"n": 6, "seed": 11}
    lines = latents(prior_of(part, 5))
    exec("import zlib, numpy as np\nfrom statistics import NormalDist\n" + "\n".join((RNG, *lines)), names)
    want = Streams(11).first_latents("sample", 6, 5, part)
    np.testing.assert_array_equal(names["z"].astype(np.float32), want.astype(np.float32))


def test_every_prior_that_is_installed_with_core_has_its_lines():
    assert {part.name for part in PRIORS} == set(registry.names("priors"))


def test_a_prior_of_a_stranger_s_is_asked_for():
    assert latents(object()) == ()


def test_the_hub_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"pip install 'gankit\[hub\]'"):
        located("hf://user/repo")


def test_fast_paths_are_off_inside_and_as_they_were_outside(monkeypatch):
    monkeypatch.setenv("GANKIT_WITHOUT", "slopes")
    with without("patches"):
        assert not on("patches") and not on("slopes") and on("onednn")
    assert on("patches") and not on("slopes")
    monkeypatch.delenv("GANKIT_WITHOUT")
    with without("patches"):
        assert not on("patches")
    assert on("patches")


@pytest.mark.parametrize(
    ("got", "want", "same"),
    [
        (np.array([3], np.uint8), np.array([4], np.uint8), True),
        (np.array([3], np.uint8), np.array([5], np.uint8), False),
        (np.array([0], np.uint8), np.array([255], np.uint8), False),
        (np.array([1000.0]), np.array([1000.009]), True),
        (np.array([1000.0]), np.array([1000.02]), False),
        (np.array([1.0], np.float32), np.array([1.0]), False),
        (np.array([[1.0]]), np.array([1.0]), False),
        (np.array([np.nan]), np.array([1.0]), False),
    ],
)
def test_which_examples_are_the_same(got, want, same):
    assert (agree(got, want) == "") == same
