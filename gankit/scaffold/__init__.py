"""A plugin from nothing: a package that installs, is found, and passes the conformance suite before it is changed."""

from __future__ import annotations

import re
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from gankit import __version__
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.plug import registry
from gankit.plug.hookspecs import PLUGIN_API

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "loss": ("loss", ("losses",)),
    "penalty": ("penalty", ("penalties",)),
    "network": ("networks", ("generators", "discriminators")),
    "metric": ("metric", ("metrics",)),
    "optimizer": ("optimizer", ("optimizers",)),
    "prior": ("prior", ("priors",)),
    "constraint": ("constraint", ("constraints",)),
    "augmentation": ("augmentation", ("augmentations",)),
    "conditions": ("conditions", ("conditions",)),
    "data": ("data", ("data",)),
    "recipe": ("recipe", ("recipes",)),
    "logger": ("logger", ("loggers",)),
    "extractor": ("extractor", ("extractors",)),
}
"""What can be begun: the module that the author writes, and the kinds of part that it registers."""
WHAT = {"data": "A data set", "conditions": "A maker of conditions"}
"""What a kind is called in a sentence, where that is not its own word."""

_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")


def write_plugin(kind: str, name: str, into: Path = Path()) -> list[Path]:
    """Write the folder `gankit-NAME` and return its files, the author's module first.

    Raises ConfigError, before anything is written, for an unknown kind, a name that cannot be a part's or is one's
    already, and a folder that is there.
    """
    if kind not in KINDS:
        raise ConfigError(f"gankit new {kind}: no such kind.{did_you_mean(kind, KINDS)} Possible: {one_of(KINDS)}.")
    module, kinds = KINDS[kind]
    _require_free(kind, name, kinds)
    distribution = f"gankit-{name}"
    if _is_taken(distribution):
        raise ConfigError(
            f"{name!r}: its package would be called {distribution}, but that package exists, and pip would replace "
            "it. Choose another name."
        )
    package = distribution.replace("-", "_")
    folder = into / distribution
    if folder.exists():
        raise ConfigError(f"{folder} already exists; nothing was changed. Choose another folder: --into DIR")
    templates = files("gankit.scaffold").joinpath("templates")
    own, common = templates.joinpath(kind), templates.joinpath("common")
    test = next(file.name for file in own.iterdir() if file.name.startswith("test_"))
    article = "An" if kind[0] in "aeiou" else "A"
    words = {
        "kind": kind,
        "what": WHAT.get(kind, f"{article} {kind}"),
        "test": test.removesuffix(".txt"),
        "name": name,
        "distribution": distribution,
        "package": package,
        "module": module,
        "Class": "".join(word.capitalize() for word in name.split("-")),
        "api": str(PLUGIN_API),
        "version": __version__,
    }
    written = {
        f"{package}/{module}.py": own.joinpath(f"{module}.py.txt"),
        f"{package}/plugin.py": own.joinpath("plugin.py.txt"),
        f"{package}/__init__.py": common.joinpath("init.py.txt"),
        f"{package}/py.typed": None,
        "tests/test_conformance.py": common.joinpath("test_conformance.py.txt"),
        f"tests/{words['test']}": own.joinpath(test),
        "pyproject.toml": common.joinpath("pyproject.toml.txt"),
        "README.md": common.joinpath("README.md.txt"),
    }
    for path, template in written.items():
        _write(folder / path, template, words)
    return [folder / path for path in written]


def _require_free(kind: str, name: str, kinds: tuple[str, ...]) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a part's name: lower-case letters, digits and hyphens, such as 'my-{kind}'."
        )
    for row in registry.listing().rows:
        if row.kind in kinds and row.name == name:
            raise ConfigError(f"{name!r} among the {row.kind} is taken by {row.distribution}; choose another name.")


def _is_taken(distribution: str) -> bool:
    """Whether it is installed, or one that gankit's own extras bring."""
    brought = _requirements("gankit") or []
    return _requirements(distribution) is not None or any(text.startswith(f"{distribution}==") for text in brought)


def _requirements(distribution: str) -> list[str] | None:
    """What an installed distribution needs; None where it is not installed."""
    try:
        return metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return None


def _write(path: Path, template: Traversable | None, words: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "" if template is None else Template(template.read_text("utf-8")).substitute(words)
    path.write_text(text, "utf-8")
