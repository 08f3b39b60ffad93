"""The maintainer's manual: `nox -l` lists it, `nox` runs all of it. Backends and plugins are found by their folders."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nox

HERE = Path(__file__).parent
BACKENDS = sorted(path.parent.name for path in HERE.glob("backends/*/pyproject.toml"))
PLUGINS = sorted(path.parent.name for path in HERE.glob("plugins/*/pyproject.toml"))
PYTEST = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "test")
LINT = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "lint")

DOCS = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "docs")

NOTEBOOKS = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "notebooks")

SPREAD = ("-n", "auto")
"""Over all cores: each test computes with one thread."""

nox.options.error_on_missing_interpreters = True
nox.needs_version = ">=2024.10.9"


def session(function: Callable[..., None] | None = None, **options: Any) -> Any:
    """`nox.session`; where the variable CI is set, the environment is removed after it: all together take 28 GB."""
    if function is None:
        return functools.partial(session, **options)

    @functools.wraps(function)
    def played(session: nox.Session, *arguments: Any, **named: Any) -> None:
        try:
            function(session, *arguments, **named)
        finally:
            if os.environ.get("CI"):
                shutil.rmtree(session.virtualenv.location, ignore_errors=True)

    return nox.session(played, **options)


def install(session: nox.Session, *backends: str, plugins: Sequence[str] = (), extras: str = "") -> None:
    """gankit with some of its backends and plugins from this checkout, and what CI pins."""
    paths = [f"backends/{name}" for name in backends] + [f"plugins/{name}" for name in plugins]
    folders = [argument for path in paths for argument in ("-e", path)]
    session.install("-c", "constraints.txt", "-e", f".{extras}", *folders, *PYTEST)
    session.env["GANKIT_TEST_GROUP"] = "installed"  # no test may be skipped for want of one of it
    settled(session)


def settled(session: nox.Session) -> None:
    """What tests are run with: where the data is, and one thread."""
    session.env["GANKIT_DATA"] = os.environ.get("GANKIT_DATA", "")
    session.env["OMP_NUM_THREADS"] = "1"  # tiny networks; two processes' spinning threads would starve each other


@session
def lint(session: nox.Session) -> None:
    """Ruff on everything, mypy strict on the core."""
    session.install("-c", "constraints.txt", "-e", ".[conformance,figures,tensorboard]", *LINT)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@session
def core(session: nox.Session) -> None:
    """The core's tests where no framework is installed."""
    install(session)
    session.run("python", "-c", "import sys, gankit; assert not {'torch', 'jax'} & set(sys.modules)")
    candidates = ("candidates", "metric_candidates", "kind_candidates", "prior_and_optimizer_candidates")
    judged = ("suite_has_teeth", *candidates, "judging_with_settings")  # with a backend each, in its session
    elsewhere = (
        "tests/backends",
        "tests/parity",
        "tests/faults",
        *(f"tests/conformance/test_{name}.py" for name in judged),
    )
    session.run("pytest", *SPREAD, "tests", *(f"--ignore={path}" for path in elsewhere), *session.posargs)


@session
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def conformance(session: nox.Session, backend: str) -> None:
    """The conformance suite on one backend, where only its framework is installed; with `-- --full` whole on JAX."""
    install(session, backend, extras="[conformance]")
    # JAX compiles for minutes what the longer runs of the whole suite add.
    quick = ["--quick"] if backend == "jax" and "--full" not in session.posargs else []
    session.run("python", "-m", "gankit.conformance", "--backend", backend, *quick)


@session
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def backend(session: nox.Session, backend: str) -> None:
    """Trainers, recipes and the command line on one backend; the suite's mutants; the backend's own tests."""
    install(session, backend, plugins=PLUGINS)
    own = [str(path) for path in HERE.glob(f"backends/{backend}/tests")]
    session.run("pytest", *SPREAD, "tests/backends", "tests/conformance", *own, *session.posargs)


@session
def parity(session: nox.Session) -> None:
    """Same seed, same run, every recipe; open anywhere: every backend beside every other, float64. The notebooks."""
    install(session, *BACKENDS, plugins=PLUGINS)
    across = "tests/backends/test_cli_training.py::test_a_checkpoint_is_resumed_by_the_other_backend"
    exports = "tests/backends/test_exports.py::test_an_export_opened_without_gankit_gives_the_samples_of_the_game"
    crossed = [f"{exports}[{way}]" for way in ("jax-torch", "jax-onnx", "torch-stablehlo", "mlx-onnx")]
    session.run("pytest", *SPREAD, "tests/parity", across, *crossed, *session.posargs)
    session.install(*NOTEBOOKS)
    session.run("python", "docs/run_notebooks.py")


@session
def faults(session: nox.Session) -> None:
    """Crashes, disks, signals, hostile files, counted; with `-- --full`, hours of them."""
    install(session, *BACKENDS, plugins=PLUGINS)
    full = "--full" in session.posargs
    session.env["GANKIT_FAULTS"] = "full" if full else "quick"
    more = [argument for argument in session.posargs if argument != "--full"]
    session.run("pytest", *SPREAD, "--dist", "loadscope", "tests/faults", *more)


@session(default=False)
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of what gankit needs, as pip-audit finds them. Asks a public database."""
    session.install("-c", "constraints.txt", ".", *(f"backends/{name}/" for name in BACKENDS if name != "mlx"))
    session.install("pip-audit")
    session.run("pip-audit", "--skip-editable", *session.posargs)


@session
@nox.parametrize("plugin", PLUGINS, ids=PLUGINS)
def plugins(session: nox.Session, plugin: str) -> None:
    """A plugin's own tests on every backend, where no other plugin is installed."""
    install(session, *BACKENDS, plugins=[plugin])
    session.run("pytest", *SPREAD, f"plugins/{plugin}/tests", *session.posargs)


@session
def docs(session: nox.Session) -> None:
    """The documentation as a site, into `site/`: every link leads somewhere, every page is in the navigation."""
    session.install("-c", "constraints.txt", "-e", ".", *DOCS)
    session.run("python", "docs/make_site.py", "--out", "site")


@session
def gpu_script(session: nox.Session) -> None:
    """The script that checks and times what a GPU is for, on the CPU and in small: does the road hold?"""
    install(session, "torch", "jax", plugins=PLUGINS)
    out = str(Path(session.create_tmp()).resolve() / "gpu")
    command = ("bash", "benchmarks/gpu/run.sh", "--device", "cpu", "--quick", "--out", out)
    session.run(*command, *session.posargs, external=True)


@session
def wheels(session: nox.Session) -> None:
    """Every distribution as its wheel, away from the checkout: the demo, the suite, and a plugin begun from nothing."""
    folder = Path(session.create_tmp()).resolve()
    projects = [".", *(f"backends/{name}" for name in BACKENDS), *(f"plugins/{name}" for name in PLUGINS)]
    session.install("build", "hatchling")
    for project in projects:
        session.run("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), project, silent=True)
    built = [str(path) for path in folder.glob("*.whl")]
    session.install("-c", "constraints.txt", *built, "array-api-strict", "pytest")
    settled(session)
    session.chdir(folder)
    session.run("gankit", "doctor")
    for name in BACKENDS:
        session.run("gankit", "demo", "--backend", name, "--steps", "200", "--out", f"runs/{name}")
        session.run("python", "-m", "gankit.conformance", "--backend", name, "--quick", "--only", "step")
    # The guide's first minutes: by these lines alone a stranger has a loss that is right on every backend.
    session.run("gankit", "new", "loss", "lecam-like")
    session.install("-e", "gankit-lecam-like")
    session.run("python", "-m", "gankit.conformance", "--loss", "lecam-like")
    session.run("pytest", "-q", "gankit-lecam-like", env={"GANKIT_CONFORMANCE_QUICK": "1"})


@session
def minimums(session: nox.Session) -> None:
    """The lowest versions that are declared, where they can be had without a framework's gigabytes: core and JAX."""
    lowest = [
        requirement.split(";")[0].replace(">=", "==")
        for path in ("pyproject.toml", "backends/jax/pyproject.toml")
        for requirement in nox.project.load_toml(path)["project"]["dependencies"]
        if ">=" in requirement
    ]
    jaxlib = [pin.replace("jax==", "jaxlib==") for pin in lowest if pin.startswith("jax==")]
    session.install(*lowest, *jaxlib, "array-api-strict")
    session.install("--no-deps", "-e", ".", "-e", "backends/jax")
    settled(session)
    session.run("gankit", "demo", "--steps", "100", "--out", str(Path(session.create_tmp()) / "demo"))
    session.run("python", "-m", "gankit.conformance", "--backend", "jax", "--quick")


@session(default=False)
@nox.parametrize("backend", BACKENDS, ids=BACKENDS)
def mutants(session: nox.Session, backend: str) -> None:
    """Every planted fault, and every check that catches it; with `-- --own`, only the check that is meant for it."""
    install(session, backend, extras="[conformance]")
    session.run("python", "tests/conformance/mutant_report.py", "--backend", backend, *session.posargs)


@session(default=False)
def benchmark(session: nox.Session) -> None:
    """gankit beside hand-written loops and other toolkits, in turn. Needs MNIST and a quiet machine."""
    install(session, *BACKENDS, plugins=["relativistic"])
    session.install(
        "-c", "constraints.txt", "pytorch-lightning", "keras", "tensorboard", "matplotlib", "pandas", "scikit-learn"
    )
    # These ask for a torch of years ago, and run on today's.
    session.install("--no-deps", "torchgan", "vegans", "torch-mimicry")
    del session.env["OMP_NUM_THREADS"]
    command = [] if session.posargs[:1] in (["run"], ["compare"]) else ["run"]
    session.run("python", "-m", "benchmarks", *command, *session.posargs)
