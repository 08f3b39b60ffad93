"""Faults of a backend as a plugin: of its distribution, its refusals, its promises, its manners."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import sys
import tempfile
import warnings
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
from planting import Changed, Mutant, patch, run

from gankit.errors import DeviceError
from gankit.plug import registry
from gankit.plug.capabilities import ALL, FLOAT64, OWN_MODULES
from gankit.plug.discovery import discover

PLUGIN = """
from gankit.plug.hookspecs import Entry, hookimpl
{before}
@hookimpl
def gankit_backends():
    yield Entry(name={name!r}, target={target!r}, api=1, summary={summary!r})
    {more}
"""
TARGET = """
from {module} import {attribute} as Real
{before}
class Forged(Real):
    __module__ = Real.__module__
{after}
"""
FORGED: list[str] = []
"""The folders made so far: every forgery has modules of its own names."""


def forged(*, before="", more="pass", summary=None, said=lambda text: text, target=None, shipped=True):
    """Every backend comes in another distribution of the same name, first on the path, in new processes too.

    before, more: code of the plugin's module, and of its hook after the record; {framework} is an import of the
    backend's framework. said: f(the text of METADATA). target: (code before, code after) the class in a module of its
    own, which is the target then. shipped: whether that module's package has a py.typed.
    """

    def plant(monkeypatch):
        rows = [row for row in registry.listing().rows if row.kind == "backends"]
        folder = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, folder, True)
        FORGED.append(str(folder))
        for row in rows:
            forge(folder, row)
        monkeypatch.syspath_prepend(folder)
        path = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{path}" if path else str(folder))
        monkeypatch.setattr(registry, "_found", cache(discover))

    def forge(folder, row):
        name, real = f"forged_{row.name}_{len(FORGED)}", metadata.distribution(row.distribution)
        words = {"framework": "import " + row.name, "name": row.name, "target": row.target}
        words["summary"] = row.summary if summary is None else summary
        if target:
            module, _, attribute = row.target.partition(":")
            package = folder / f"{name}_package"
            package.mkdir()
            code = TARGET.format(module=module, attribute=attribute, before=target[0], after=target[1])
            (package / "__init__.py").write_text(code)
            if shipped:
                (package / "py.typed").write_text("")
            words["target"] = f"{package.name}:Forged"
        plugin = PLUGIN.format(before=before.format(**words), more=more, **{k: words[k] for k in PLUGIN_WORDS})
        (folder / f"{name}.py").write_text(plugin)
        info = folder / f"{row.distribution.replace('-', '_')}-{row.version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(said(real.read_text("METADATA")))
        (info / "entry_points.txt").write_text(f"[gankit]\n{row.entry_point} = {name}\n")

    return plant


PLUGIN_WORDS = ("name", "target", "summary")


def without(field):
    """METADATA without the lines of a field."""
    return lambda text: "\n".join(line for line in text.split("\n") if not line.startswith(f"{field}:"))


def without_requirement(name):
    return lambda text: "\n".join(line for line in text.split("\n") if not line.startswith(f"Requires-Dist: {name}"))


def without_readme(text):
    return without("Description-Content-Type")(text.partition("\n\n")[0] + "\n")


def says(**attributes):
    """A backend of which some attributes are others: name -> f(the real one)."""
    return lambda backend: Changed(backend, **{name: f(getattr(backend, name)) for name, f in attributes.items()})


def opened(change):
    """The registered class is change(the real one)."""

    def load(real):
        return lambda kind, name: change(real(kind, name)) if kind == "backends" else real(kind, name)

    return patch("gankit.plug.registry", "load", load)


def any_device(real):
    return lambda *, device="auto", **how: real(device="auto" if device.startswith("no-") else device, **how)


def another_error(real):
    def made(*, device="auto", **how):
        try:
            return real(device=device, **how)
        except DeviceError as error:
            raise RuntimeError(str(error)) from error

    return made


def silent_about_devices(real):
    def made(*, device="auto", **how):
        try:
            return real(device=device, **how)
        except DeviceError:
            raise DeviceError(f"There is no {device!r}.") from None

    return made


def closest(real):
    """A registry that takes the nearest name for the one that was meant."""
    return lambda kind, name: real(kind, "".join(dict.fromkeys(name.lower())) if kind == "backends" else name)


def narrow(backend):
    """float64 that is float32 inside."""
    if backend.dtype != "float64":
        return backend
    real = backend.ops

    def asarray(x):
        x = np.asarray(x)
        return real.asarray(x.astype(np.float32).astype(x.dtype) if x.dtype == np.float64 else x)

    return Changed(backend, ops=Changed(real, asarray=asarray))


def wraps(change):
    return lambda backend: Changed(backend, wrap=lambda module: change(backend, module))


def deaf(backend, module):
    """Every module is taken for the same small one."""
    from gankit.layers import Dense, place

    network = backend.network(place((Dense(3),), (4,)))
    return network, {name: np.ones(shape) for name, shape in network.shapes[0].items()}


def refused_in_other_words(backend, module):
    try:
        return backend.wrap(module)
    except ValueError as error:
        raise TypeError(str(error)) from error


def played(effect):
    """Every call of ops.run has an effect beside it."""

    def plant(backend):
        def run(*a, **k):
            effect(backend)
            return backend.ops.run(*a, **k)

        return Changed(backend, ops=Changed(backend.ops, run=run))

    return plant


def framework_seeded(backend):
    """torch's generator is drawn from; where a framework has none of its own, NumPy's."""
    torch = sys.modules.get("torch")
    _ = torch.rand(1) if backend.name == "torch" and torch else np.random.rand()


OPENED = set()
"""The dtypes that a backend was opened in, as a setting of the whole process would know them."""


def leaking(backend):
    """Once an instance is open in float64, those in float32 compute a little otherwise."""
    OPENED.add(backend.dtype)

    def tamper(b):
        return b._replace(numbers={n: 1.01 * x for n, x in b.numbers.items()}) if "float64" in OPENED else b

    return run(tamper)(backend) if backend.dtype == "float32" else backend


def opening(statement):
    """A class that does something whenever it is opened."""
    return ("", f"    def __init__(self, **how):\n        {statement}\n        super().__init__(**how)")


ENTRY = (
    Mutant("listing imports the framework", "check_listing_imports_no_framework", core=forged(before="{framework}")),
    Mutant(
        "one record of the plugin is for a newer gankit",
        "check_plugin_is_read_without_a_problem",
        core=forged(more="yield Entry(name='other', target='a:b', api=99)"),
    ),
    Mutant("no summary", "check_plugin_is_read_without_a_problem", core=forged(summary="")),
    Mutant(
        "the backend calls itself otherwise",
        "check_backend_goes_by_its_registered_name",
        says(name=lambda name: name.title()),
    ),
    Mutant(
        "nothing is meant",
        "check_near_misses_of_its_name_are_answered",
        core=patch("gankit.plug.registry", "did_you_mean", lambda real: lambda *a: ""),
    ),
    Mutant(
        "the nearest name is opened",
        "check_near_misses_of_its_name_are_answered",
        core=patch("gankit.plug.registry", "load", closest),
    ),
    Mutant("no Requires-Python", "check_distribution_says_what_it_is", core=forged(said=without("Requires-Python"))),
    Mutant("no description", "check_distribution_says_what_it_is", core=forged(said=without("Summary"))),
    Mutant("no readme", "check_distribution_says_what_it_is", core=forged(said=without_readme)),
    Mutant(
        "gankit is not required",
        "check_distribution_requires_what_it_imports",
        core=forged(said=without_requirement("gankit")),
    ),
    Mutant(
        "an import that nothing brings",
        "check_distribution_requires_what_it_imports",
        core=forged(target=("import pytest", "")),
    ),
    Mutant("py.typed stayed at home", "check_types_are_shipped", core=forged(target=("", ""), shipped=False)),
    Mutant(
        "versions of a distribution that is not there",
        "check_versions_are_those_installed",
        says(versions=lambda real: {f"py{name}": version for name, version in real.items()}),
    ),
    Mutant(
        "versions written down by hand",
        "check_versions_are_those_installed",
        says(versions=lambda real: dict.fromkeys(real, "1.0")),
    ),
    Mutant("no version", "check_versions_are_those_installed", says(versions=lambda real: {})),
    Mutant("any device is the default one", "check_unknown_devices_are_refused", core=opened(any_device)),
    Mutant("the framework's own error", "check_unknown_devices_are_refused", core=opened(another_error)),
    Mutant("no device is named", "check_unknown_devices_are_refused", core=opened(silent_about_devices)),
    Mutant(
        "any dtype goes",
        "check_unknown_dtypes_are_refused",
        core=patch("gankit.plug.making", "check_choice", lambda real: lambda *a: None),
    ),
    Mutant("a misspelt capability", "check_capabilities_exist", says(capabilities=lambda real: real | {"float46"})),
    Mutant("float64 is float32 inside", "check_float64_is_declared_as_it_is", narrow),
    Mutant(
        "float64 is not declared",
        "check_float64_is_declared_as_it_is",
        says(capabilities=lambda real: real - {FLOAT64}),
    ),
    Mutant("every module is the same one", "check_own_modules_are_declared_as_they_are", wraps(deaf)),
    Mutant(
        "wrap is not declared",
        "check_own_modules_are_declared_as_they_are",
        says(capabilities=lambda real: ALL - {OWN_MODULES}),
    ),
    Mutant("anything is a module", "check_foreign_modules_are_refused", wraps(deaf)),
    Mutant("a TypeError for a foreign module", "check_foreign_modules_are_refused", wraps(refused_in_other_words)),
    Mutant(
        "a greeting from below Python",
        "check_loading_is_silent_and_draws_no_random_numbers",
        core=forged(target=("import os; os.write(1, b'Welcome!')", "")),
    ),
    Mutant(
        "a greeting at every opening",
        "check_loading_is_silent_and_draws_no_random_numbers",
        core=forged(target=opening("print('Welcome!')")),
    ),
    Mutant(
        "Python's generator is seeded",
        "check_loading_is_silent_and_draws_no_random_numbers",
        core=forged(target=opening("import random; random.seed(0)")),
    ),
    Mutant(
        "NumPy is told to ignore errors",
        "check_loading_is_silent_and_draws_no_random_numbers",
        core=forged(target=opening("import numpy; numpy.seterr(all='ignore')")),
    ),
    Mutant(
        "a line for every call", "check_playing_disturbs_nothing", played(lambda backend: print("running", backend))
    ),
    Mutant(
        "Python's generator is drawn from", "check_playing_disturbs_nothing", played(lambda backend: random.random())
    ),
    Mutant("the framework's generator is drawn from", "check_playing_disturbs_nothing", played(framework_seeded)),
    Mutant(
        "warnings are off from now on",
        "check_playing_disturbs_nothing",
        played(lambda backend: warnings.simplefilter("ignore")),
    ),
    Mutant(
        "float64 leaks into other instances",
        "check_instances_do_not_disturb_each_other",
        leaking,
        lambda m: OPENED.clear(),
    ),
)
