"""A backend as a plugin: what its distribution says, what it costs before it is chosen, and how it refuses.

What it says that it can do is in `gankit.conformance.promises`; what it does to the process that it is opened in, in
`gankit.conformance.manners`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata

from gankit.building import open_backend
from gankit.conformance import manners, promises
from gankit.conformance.compare import require
from gankit.conformance.installed import distribution_of, imports, packages_of, required, row_of, tops_of
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.errors import ConfigError, DeviceError, UnknownNameError
from gankit.plug import registry
from gankit.plug.discovery import DISABLE, normalise

PATIENCE = 300
"""Seconds given to a new process."""

LIST = """
import sys, gankit
from gankit.cli import main
gankit.plugins(), gankit.recipes()
sys.argv = ["gankit", "--help"]
try:
    main()
finally:
    print("\\nMODULES", *{name.partition(".")[0] for name in sys.modules})
"""


def check_listing_imports_no_framework(subject: Subject) -> None:
    """`gankit --help` and `gankit plugins` would take seconds, and break for everybody when the framework does."""
    others = {row.distribution for row in registry.listing().rows} - {"gankit", row_of(subject).distribution}
    environment = os.environ | {DISABLE: ",".join(sorted(others))}
    command = [sys.executable, "-c", LIST]
    child = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment)
    require(child.returncode == 0, f"Listing parts in a new process failed:\n{child.stderr[-1500:]}")
    listed = set(child.stdout.rpartition("MODULES")[2].split())
    framework = imports(subject) - tops_of("gankit")
    cause = "an import at the top of the module that the entry point names, or of its package's __init__.py."
    found = ", ".join(sorted(listed & framework))
    require(not found, f"Listing parts imports {found}. Likely cause: {cause}")


def check_plugin_is_read_without_a_problem(subject: Subject) -> None:
    """Some parts of the package would be missing, with a warning at every command."""
    row = row_of(subject)
    problems = [problem for problem in registry.problems() if problem.distribution == row.distribution]
    require(not problems, f"{'; '.join(map(str, problems))}")
    require(row.summary != "", f"{row.name!r} has no summary: a user who reads `gankit plugins` learns nothing of it.")


def check_backend_goes_by_its_registered_name(subject: Subject) -> None:
    """A checkpoint would name a backend that nobody can open."""
    name = subject.make("float32").name
    require(name == subject.name, f"The backend calls itself {name!r}; it is registered as {subject.name!r}.")


def check_near_misses_of_its_name_are_answered(subject: Subject) -> None:
    """A user who mistypes the backend's name would get no suggestion."""
    for typed in (subject.name + subject.name[-1], subject.name.upper()):
        try:
            open_backend(typed, subject.device, "float32")
        except UnknownNameError as error:
            hint = f"Did you mean {subject.name!r}?"
            require(hint in str(error), f"{typed!r} is answered without {hint!r}: {error}")
            continue
        raise AssertionError(f"{typed!r} is opened, and it is the name of no backend.")


def check_distribution_says_what_it_is(subject: Subject) -> None:
    """The package would have an empty page on the index, and installers would install it for an unsupported Python."""
    distribution = distribution_of(subject)
    said = distribution.metadata
    readme = said["Description"] if "Description" in said else said.get_payload()  # type: ignore[attr-defined]
    fields = {
        "version": bool(re.match(r"\d", distribution.version)),
        "requires-python": "Requires-Python" in said,
        "description": "Summary" in said and said["Summary"].strip() != "",
        "readme": str(readme or "").strip() != "",
        "license": any(field.startswith("License") for field in said),
    }
    missing = [name for name, there in fields.items() if not there]
    require(not missing, f"The metadata of {said['Name']} has no {', '.join(missing)}: write it into pyproject.toml.")


def check_distribution_requires_what_it_imports(subject: Subject) -> None:
    """`pip install` would install a backend that cannot be imported, or that does not work with the installed
    gankit."""
    name = distribution_of(subject).metadata["Name"]
    require("gankit" in required(name), f"{name} does not require gankit: add it to the dependencies.")
    homes, brought = metadata.packages_distributions(), required(name) | required("gankit")
    for top in sorted(imports(subject)):
        providers = {normalise(provider) for provider in homes.get(top, ())}  # none where it was not installed by pip
        if providers and not providers & brought:
            raise AssertionError(f"{name} imports {top} and does not require {' or '.join(sorted(providers))}.")


def check_types_are_shipped(subject: Subject) -> None:
    """A type checker would silently treat everything of the backend as Any."""
    for package in packages_of(subject):
        there = (package / "py.typed").is_file()
        require(there, f"There is no py.typed in {package.name}: an empty file of that name tells type checkers.")


def check_versions_are_those_installed(subject: Subject) -> None:
    """A run would record versions that nobody can install again."""
    versions = subject.make("float32").versions
    require(len(versions) > 0, "`versions` is empty: a run cannot be reproduced without the framework's version.")
    for package, version in versions.items():
        try:
            installed = metadata.version(package)
        except metadata.PackageNotFoundError:
            raise AssertionError(f"`versions` names {package!r}, and no such distribution is installed.") from None
        # "2.5.0+cu124" is how torch calls what is installed as 2.5.0: the label is not a part of the release.
        same = version.partition("+")[0] == installed.partition("+")[0]
        require(same, f"`versions` says {package} {version!r}; installed is {installed!r}.")


def check_unknown_devices_are_refused(subject: Subject) -> None:
    """A misspelt device would silently become another device, or give an error that does not say what to type."""
    asked = "no-such-device:9"
    try:
        open_backend(subject.name, asked, "float32")
    except DeviceError as error:
        named = set(re.findall(r"'([^']+)'", str(error))) - {asked}
        require(asked in str(error), f"The error does not repeat the device that was asked for: {error}")
        require(any(opens(subject, name) for name in named), f"The error names no device that can be opened: {error}")
        return
    raise AssertionError(f"device={asked!r} is opened without a word.")


def opens(subject: Subject, device: str) -> bool:
    """Whether the backend opens on that device."""
    try:
        open_backend(subject.name, device, "float32")
    except DeviceError:
        return False
    return True


def check_unknown_dtypes_are_refused(subject: Subject) -> None:
    """A misspelt dtype would give an error of the framework, or silently compute in another dtype."""
    for asked in ("float65", "int32"):
        try:
            open_backend(subject.name, subject.device, asked)
        except ConfigError as error:
            require(asked in str(error) and "float32" in str(error), f"It does not say what is possible: {error}")
            continue
        raise AssertionError(f"dtype={asked!r} is opened without a word.")


CHECKS: tuple[Check, ...] = (
    check_listing_imports_no_framework,
    check_plugin_is_read_without_a_problem,
    check_backend_goes_by_its_registered_name,
    check_near_misses_of_its_name_are_answered,
    check_distribution_says_what_it_is,
    check_distribution_requires_what_it_imports,
    check_types_are_shipped,
    check_versions_are_those_installed,
    check_unknown_devices_are_refused,
    check_unknown_dtypes_are_refused,
    *promises.CHECKS,
    *manners.CHECKS,
)
