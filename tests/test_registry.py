"""The registry, held against real distributions: folders with METADATA and entry_points.txt on `sys.path`."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import textwrap
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import gankit.errors
from gankit.errors import PluginError, UnknownNameError
from gankit.plug import registry
from gankit.plug.hookspecs import Entry, hookimpl
from tests.broken_plugins import BROKEN, GOOD, Site, loss


class World(Site):
    """A `site-packages` of our own, with a fake `gankit.plug.builtin` and none of the venv's distributions."""

    def install_good(self) -> None:
        self.write("good_parts", "class Good: pass")
        self.install("gankit-good", GOOD)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    builtin = types.ModuleType("gankit.plug.builtin")

    @hookimpl
    def gankit_losses() -> list[Entry]:
        return [Entry(name="hinge", target="collections:OrderedDict", api=1, summary="max-margin scores")]

    builtin.gankit_losses = gankit_losses  # type: ignore[attr-defined]
    modules = set(sys.modules)
    monkeypatch.setitem(sys.modules, "gankit.plug.builtin", builtin)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(path for path in sys.path if "site-packages" not in path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for variable in ("GANKIT_DISABLE_PLUGINS", "GANKIT_STRICT_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    registry.refresh()
    yield World(tmp_path)
    registry.refresh()
    for name in set(sys.modules) - modules:
        if (tmp_path / f"{name}.py").exists():
            del sys.modules[name]


def warned(action: Callable[[], object]) -> list[str]:
    """The plugin warnings of an action, each of which must be one line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    lines = [str(item.message) for item in caught if item.category is registry.GankitPluginWarning]
    assert all(line.isprintable() for line in lines)
    return lines


# --- what works


def test_a_part_is_found_by_kind_and_name_wherever_it_comes_from(world: World) -> None:
    world.install_good()
    assert registry.names("losses") == ("good", "hinge")
    assert registry.names("backends") == ()
    assert isinstance(registry.load("losses", "hinge"), type)
    assert registry.load("losses", "good").__name__ == "Good"  # type: ignore[attr-defined]
    assert registry.problems() == ()


def test_listing_names_the_source_of_every_part_and_goes_to_json(world: World) -> None:
    world.install_good()
    good, hinge = json.loads(json.dumps(dataclasses.asdict(registry.listing())))["rows"]
    expected = {"kind": "losses", "name": "good", "summary": "works", "distribution": "gankit-good", "version": "1.0"}
    assert good == expected | {"entry_point": "plug", "target": "good_parts:Good"}
    assert (hinge["distribution"], hinge["entry_point"]) == ("gankit", "builtin")


def test_no_target_is_imported_before_it_is_loaded(world: World) -> None:
    world.install_good()
    registry.listing()
    assert "good_parts" not in sys.modules
    registry.load("losses", "good")
    assert "good_parts" in sys.modules


def test_discovery_happens_once_until_refreshed(world: World) -> None:
    assert registry.names("losses") == ("hinge",)
    world.install_good()
    assert registry.names("losses") == ("hinge",)
    registry.refresh()
    assert registry.names("losses") == ("good", "hinge")


@pytest.mark.parametrize(
    "code",
    [
        "@hookimpl\ndef gankit_losses(): return [R]",
        "@hookimpl\ndef gankit_losses(): return (R,)",
        "@hookimpl\ndef gankit_losses(): yield R",
        "@hookimpl\ndef gankit_losses(): return {R}",
        "@hookimpl\ndef gankit_losses(): return [R, R]",
        "@hookimpl(specname='gankit_losses')\ndef other(): yield R",
        "@hookimpl(tryfirst=True)\ndef gankit_losses(): yield R",
        "@hookimpl(optionalhook=True)\ndef gankit_future(): yield R\n@hookimpl\ndef gankit_losses(): yield R",
    ],
)
def test_a_hook_may_be_written_in_any_usual_way(world: World, code: str) -> None:
    world.install("gankit-any", "R = Entry(name='mine', target='collections:deque', api=1)\n" + code)
    assert registry.names("losses") == ("hinge", "mine")
    assert registry.problems() == ()
    registry.load("losses", "mine")


@pytest.mark.parametrize("attribute", ["Plugin", "instance", "Static"])
def test_a_plugin_may_be_a_class_or_an_object(world: World, attribute: str) -> None:
    record = 'return [Entry(name="mine", target="collections:deque", api=1)]'
    code = f"""
    class Plugin:
        @hookimpl
        def gankit_losses(self): {record}
    class Static:
        @staticmethod
        @hookimpl
        def gankit_losses(): {record}
    instance = Plugin()
    """
    world.install("gankit-object", code, attribute=f":{attribute}")
    assert registry.names("losses") == ("hinge", "mine")
    assert registry.problems() == ()


def test_two_distributions_with_the_same_entry_point_name_both_count(world: World) -> None:
    world.install("gankit-one", loss("one"), point="losses")
    world.install("gankit-two", loss("two"), point="losses")
    assert registry.names("losses") == ("hinge", "one", "two")


@pytest.mark.parametrize("second", [("1.0", "egg-info"), ("0.9", "dist-info")])
def test_a_distribution_listed_twice_is_no_duplicate(world: World, second: tuple[str, str]) -> None:
    world.install_good()
    world.metadata("gankit_good", "[gankit]\nplug = gankit_good_plugin\n", *second)
    assert registry.load("losses", "good")
    assert [row.name for row in registry.listing().rows] == ["good", "hinge"]


def test_one_module_behind_two_entry_points_of_a_distribution_is_no_duplicate(world: World) -> None:
    world.write("good_parts", "class Good: pass")
    world.write("shared", GOOD)
    world.metadata("gankit-twice", "[gankit]\na = shared\nb = shared\n")
    assert registry.load("losses", "good")


# --- what is broken


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_one_line_and_the_good_one_works(world: World, case: str) -> None:
    code, error = BROKEN[case]
    world.install_good()
    world.install("gankit-broken", code, point="parts", version="0.3")
    lines = warned(registry.listing)
    [problem] = registry.problems()
    assert (problem.distribution, problem.version, problem.entry_point) == ("gankit-broken", "0.3", "parts")
    assert error in problem.error
    assert lines == [f"gankit plugin gankit-broken 0.3 (entry point 'parts'): {problem.error}"]
    assert registry.names("losses") == ("good", "hinge")
    assert registry.load("losses", "good")
    assert registry.listing().rows[1].distribution == "gankit"


def test_all_broken_plugins_together_cost_the_good_one_nothing(world: World) -> None:
    world.install_good()
    for case, (code, _) in BROKEN.items():
        world.install(f"gankit-broken-{case}", code)
    assert len(warned(registry.listing)) == len(BROKEN)
    assert registry.names("losses") == ("good", "hinge")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("no_such_plugin", "ModuleNotFoundError: No module named 'no_such_plugin'"),
        ("good_parts:missing", "AttributeError: module 'good_parts' has no attribute 'missing'"),
        ("not a module!", "Error: "),
    ],
)
def test_an_entry_point_that_leads_nowhere_is_a_problem(world: World, value: str, error: str) -> None:
    world.install_good()
    world.metadata("gankit-broken", f"[gankit]\nparts = {value}\n")
    assert len(warned(registry.listing)) == 1
    assert error in registry.problems()[0].error
    assert registry.names("losses") == ("good", "hinge")


@pytest.mark.parametrize(("group", "expected"), [("gankit", 1), ("strangers", 0)])
def test_a_malformed_entry_points_file_is_a_problem_only_if_it_names_gankit(
    world: World, group: str, expected: int
) -> None:
    world.install_good()
    world.metadata("broken", f"[{group}]\nno equals sign\n")
    assert len(warned(registry.listing)) == expected
    assert registry.names("losses") == ("good", "hinge")


def test_a_bad_record_is_dropped_alone_and_all_slips_of_a_plugin_are_one_line(world: World) -> None:
    world.install("gankit-partly", loss("mine") + "    yield 1\n    yield 2\n    yield 3\n    yield 4")
    assert len(warned(registry.listing)) == 1
    assert registry.problems()[0].error.endswith("; and 1 more")
    assert registry.names("losses") == ("hinge", "mine")


def test_a_hook_that_raises_does_not_cost_the_plugin_its_other_hooks(world: World) -> None:
    code = "\n@hookimpl\ndef gankit_penalties(): 1 / 0"
    world.install("gankit-partly", loss("mine") + code)
    assert len(warned(registry.listing)) == 1
    assert registry.names("losses") == ("hinge", "mine")


def test_a_broken_core_is_a_problem_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.install_good()
    monkeypatch.setitem(sys.modules, "gankit.plug.builtin", None)
    assert len(warned(registry.listing)) == 1
    assert registry.problems()[0].entry_point == "builtin"
    assert registry.names("losses") == ("good",)


def test_keyboard_interrupt_is_the_users_and_passes(world: World) -> None:
    world.install("gankit-broken", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        registry.listing()
    world.write("gankit_broken_plugin", loss("mine"))
    registry.refresh()
    assert registry.names("losses") == ("hinge", "mine")


def test_what_a_plugin_prints_does_not_reach_stdout(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write("good_parts", "print('target')\nclass Good: pass")
    world.install("gankit-loud", "print('import')\n" + loss("mine") + "    print('hook')")
    registry.load("losses", "mine")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.split() == ["import", "hook", "target"]


def test_imports_that_draw_random_numbers_do_not_change_the_users(world: World) -> None:
    draw = "import random, numpy\nrandom.random(), numpy.random.rand()\n"
    world.write("good_parts", draw + "class Good: pass")
    world.install("gankit-drawing", draw + loss("mine"))
    pythons, numpys = random.getstate(), np.random.get_state()[1].tolist()
    registry.load("losses", "mine")
    assert random.getstate() == pythons
    assert np.random.get_state()[1].tolist() == numpys


# --- what the user is told


def test_an_unknown_name_says_what_was_asked_the_closest_and_what_is_installed(world: World) -> None:
    world.install_good()
    with pytest.raises(UnknownNameError) as caught:
        registry.load("losses", "Hinje")
    assert str(caught.value) == "No 'Hinje' among the losses. Did you mean 'hinge'? Installed: 'good', 'hinge'."


def test_an_unknown_backend_says_what_to_install_and_what_failed(world: World) -> None:
    world.install("gankit-jax", "import no_such_module", point="jax")
    warned(registry.listing)
    with pytest.raises(UnknownNameError) as caught:
        registry.load("backends", "jax")
    assert "Installed: none. To get it: pip install 'gankit[jax]'." in str(caught.value)
    assert "gankit-jax 1.0 (entry point 'jax'): ModuleNotFoundError" in str(caught.value)


@pytest.mark.parametrize("name", [None, 3, ["hinge"], ""])
def test_a_name_of_any_type_is_an_unknown_name(world: World, name: object) -> None:
    with pytest.raises(UnknownNameError, match="among the losses"):
        registry.load("losses", name)  # type: ignore[arg-type]


def test_a_name_of_another_kind_is_pointed_to(world: World) -> None:
    with pytest.raises(UnknownNameError, match="There is one among the losses"):
        registry.load("penalties", "hinge")


@pytest.mark.parametrize("ask", [registry.names, lambda kind: registry.load(kind, "hinge")])
def test_an_unknown_kind_lists_the_kinds(world: World, ask: Callable[[str], object]) -> None:
    kinds = "'augmentations', 'backends', 'conditions', 'constraints', 'data'"
    with pytest.raises(UnknownNameError, match=f"no kind of part 'loss'. Did you mean 'losses'.*{kinds}"):
        ask("loss")


def test_a_duplicate_name_is_an_error_only_when_used_and_names_the_way_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.install_good()
    world.install("gankit-one", loss("same", "collections:deque"))
    world.install("gankit-two", loss("same"))
    assert registry.problems() == ()
    assert registry.names("losses") == ("good", "hinge", "same")
    assert registry.load("losses", "good")
    with pytest.raises(PluginError, match=r"gankit-one 1\.0 .*gankit-two 1\.0 .*GANKIT_DISABLE_PLUGINS=gankit-two"):
        registry.load("losses", "same")
    monkeypatch.setenv("GANKIT_DISABLE_PLUGINS", "gankit-two")
    registry.refresh()
    assert registry.load("losses", "same").__name__ == "deque"  # type: ignore[attr-defined]


def test_a_name_twice_in_one_distribution_is_its_authors_to_mend(world: World) -> None:
    world.install("gankit-one", loss("same") + "    yield Entry(name='same', target='collections:deque', api=1)")
    with pytest.raises(PluginError, match="Its author must rename one of them"):
        registry.load("losses", "same")


@pytest.mark.parametrize(
    ("target", "code", "error"),
    [
        ("bad_parts:Loss", "import torch_of_another_name", "ModuleNotFoundError: No module named 'torch_of_another_n"),
        ("bad_parts:Loss", "", "AttributeError: module 'bad_parts' has no attribute 'Loss'"),
        ("bad_parts:Loss", "from os import nothing", "ImportError: cannot import name 'nothing' from 'os'"),
        ("bad_parts:Loss", "raise SystemExit('bye')", "SystemExit: bye"),
        ("no_such_parts:Loss", "", "ModuleNotFoundError: No module named 'no_such_parts'"),
    ],
)
def test_a_target_that_cannot_be_imported_names_its_source_and_the_real_error(
    world: World, target: str, code: str, error: str
) -> None:
    world.write("bad_parts", code)
    world.install("gankit-bad", loss("mine", target), version="2.1")
    assert registry.problems() == ()
    with pytest.raises(PluginError) as caught:
        registry.load("losses", "mine")
    assert f"'{target}' of gankit-bad 2.1" in str(caught.value)
    assert error in str(caught.value)
    assert "pip install" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_missing_framework_says_how_to_get_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    world.write("bad_parts", "import torch")
    world.install("gankit-bad", loss("mine", "bad_parts:Loss"))
    with pytest.raises(PluginError, match="No module named 'torch'. To get it: pip install torch$"):
        registry.load("losses", "mine")


# --- what the user can switch


@pytest.mark.parametrize("value", ["1", "all", "gankit-good", " Gankit_Good , other", "gankit.good"])
def test_a_switched_off_plugin_is_not_even_imported(world: World, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    world.install_good()
    monkeypatch.setenv("GANKIT_DISABLE_PLUGINS", value)
    assert registry.names("losses") == ("hinge",)
    assert registry.listing().disabled == ("gankit-good",)
    assert "gankit_good_plugin" not in sys.modules
    with pytest.raises(UnknownNameError, match="Switched off by GANKIT_DISABLE_PLUGINS: gankit-good"):
        registry.load("losses", "good")


def test_switching_off_compares_names_as_package_indexes_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("my_plugin", loss("mine"))
    world.metadata("My.Losses", "[gankit]\nplug = my_plugin\n")
    monkeypatch.setenv("GANKIT_DISABLE_PLUGINS", "my-losses")
    assert registry.names("losses") == ("hinge",)


@pytest.mark.parametrize("value", ["", "0", "other", ","])
def test_other_plugins_stay_on(world: World, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    world.install_good()
    monkeypatch.setenv("GANKIT_DISABLE_PLUGINS", value)
    assert registry.names("losses") == ("good", "hinge")


def test_strict_raises_every_time_with_the_plugins_own_error_as_cause(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.install("gankit-broken", "import no_such_module")
    monkeypatch.setenv("GANKIT_STRICT_PLUGINS", "1")
    for _ in range(2):
        with pytest.raises(PluginError, match="gankit-broken 1.0") as caught:
            registry.names("losses")
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_listing_imports_no_framework(world: World) -> None:
    world.install("gankit-jax", loss("mine", "jax:jit"))
    code = """
        import sys, types
        sys.modules["gankit.plug.builtin"] = types.ModuleType("gankit.plug.builtin")
        from gankit.plug import registry
        assert "mine" in registry.names("losses"), registry.listing()
        print(sorted({"torch", "jax", "flax"} & set(sys.modules)))
    """
    path = os.pathsep.join([str(world.folder), str(Path(gankit.errors.__file__).parents[1])])
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    result = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr
