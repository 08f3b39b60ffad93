"""What an installation promises: quick imports, no framework before it is chosen, one version, shipped data."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import gankit

ROOT = Path(__file__).parent.parent
MODULES = {"pytest-xdist": "xdist", "pyyaml": "yaml", "scikit-learn": "sklearn"}
"""Packages whose module is called otherwise."""
FRAMEWORKS = {"torch", "jax", "flax", "optax", "gankit_torch", "gankit_jax"}


def test_import_brings_no_framework_and_nothing_heavy():
    code = "import sys, gankit; gankit.plugins; gankit.ConfigError; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "jax", "flax", "optax", "PIL", "safetensors", "rich", "typer"} & set(modules)


def test_listing_plugins_brings_no_framework():
    code = "import sys, gankit; gankit.plugins(), gankit.recipes(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "jax", "flax", "optax"} & set(modules)


def test_core_names_no_framework_in_an_import():
    for path in sorted((ROOT / "gankit").rglob("*.py")):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in FRAMEWORKS, path


def test_every_distribution_has_the_same_version():
    for path in [
        ROOT / "pyproject.toml",
        *ROOT.glob("backends/*/pyproject.toml"),
        *ROOT.glob("plugins/*/pyproject.toml"),
    ]:
        project = tomllib.loads(path.read_text())["project"]
        assert project["version"] == gankit.__version__, path
        pinned = [d for d in project["dependencies"] if d.startswith("gankit")]
        assert all(d.endswith(f"=={gankit.__version__}") for d in pinned), path


def test_every_backend_and_plugin_folder_has_an_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for folder in (*ROOT.glob("backends/*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")):
        name = folder.parent.name
        assert extras[name] == [f"gankit-{name}=={gankit.__version__}"]


def test_types_and_digits_are_shipped():
    assert files("gankit").joinpath("py.typed").is_file()
    assert files("gankit.data").joinpath("digits.npz").is_file()


def test_public_names_exist():
    for name in gankit.__all__:
        assert getattr(gankit, name) is not None
    assert callable(gankit.build), "the function, not the module of that name"


def test_no_module_takes_the_place_of_a_public_name():
    """Once it is imported, `gankit/recipes/` would be `gankit.recipes`, and no longer to be called."""
    files = [*(ROOT / "gankit").glob("*.py"), *(path.parent for path in (ROOT / "gankit").glob("*/__init__.py"))]
    modules = {path.stem for path in files}
    assert modules & set(gankit.__all__) == {"data"}


@pytest.mark.skipif("GANKIT_TEST_GROUP" not in os.environ, reason="nox installs the whole group of test packages")
def test_no_test_is_skipped_for_want_of_a_package() -> None:
    """A test asks for these by importorskip, and would be skipped in silence if one could not be installed."""
    group = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["test"]
    names = {re.split(r"[<>=\[]", requirement)[0] for requirement in group}
    modules = sorted(MODULES.get(name, name.replace("-", "_")) for name in names)
    assert not [module for module in modules if importlib.util.find_spec(module) is None]
