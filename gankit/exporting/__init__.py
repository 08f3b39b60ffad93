"""Export trained generators: `gankit.export`, `gankit export`, and folders for the Hugging Face Hub.

A backend writes the file (`gankit.interfaces.exporting`). What the file computes, and the lines that open it, are here.
gankit writes the file only after a check that it gives the same samples as `gan.sample`.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gankit import checkpoint
from gankit.disk import write_atomically
from gankit.errors import CheckpointError, ConfigError, GankitError, PluginError, did_you_mean, one_of
from gankit.exporting.generator import Generator, agree, open_generator
from gankit.exporting.snippet import snippet
from gankit.hub import located
from gankit.interfaces.exporting import Exporter
from gankit.play.game import G
from gankit.plug import registry

__all__ = ["FOLDER", "Export", "Source", "export", "source_of"]

FOLDER = "safetensors"
"""The target that is a folder, and needs no backend."""
HOMES: Mapping[str, str] = {"torch": "torch", "onnx": "torch", "stablehlo": "jax"}
"""The backends of ours that write each target."""
TRIED = (1, 5)
"""How many rows a file is tried on; it was made from another number of them."""


@dataclass(frozen=True)
class Export:
    """The result of an export.

    path: the file or folder. script: the file with the snippet; None if it is in the README of a folder.
    snippet: Python that opens the file without gankit; "" if nothing in it runs without gankit. inputs, output: the
    inputs and output of G, in words. checked: whether the file was opened here and gave the samples of G. opens_with:
    the package that opens it. steps: how many steps G was trained.
    """

    path: Path
    script: Path | None
    snippet: str
    inputs: str
    output: str
    checked: bool
    opens_with: str
    steps: int


@dataclass(frozen=True)
class Source:
    """A game that was read. name: for files made of it. run: its run folder, where there is one."""

    opened: checkpoint.Opened
    name: str
    run: Path | None


def export(
    source: Any,
    to: str,
    out: str | os.PathLike[str] | None = None,
    *,
    step: int | None = None,
    player: str = G,
) -> Export:
    """Write the generator of a game to a file that opens without gankit, and the Python that opens it.

    The file computes what `gan.sample` computes: it maps z, and conditions in the user's units, to examples in the
    user's units, with the moving average if the game keeps one, in full precision, for any number of rows.

    source: a trainer, a run folder, a checkpoint, or `hf://user/repo`.
    to: "torch" (a `torch.export` program), "onnx", "stablehlo" (`jax.export`), or "safetensors", a folder in the layout
        of the Hugging Face Hub with the whole game, which `gankit.load` opens. You can choose any of them, whatever
        backend trained the game.
    out: by default named after the run, in the current folder.
    step: which checkpoint of a run folder; by default the latest.
    player: which G, if the game has several.

    Raises ConfigError for an unknown target, a missing library, a G that is the user's own module, or if `out` exists;
    CheckpointError if there is no checkpoint. In these cases nothing is written.
    """
    if to == FOLDER:
        from gankit.exporting.folder import export_folder

        found = source_of(source, step)
        return export_folder(found, _free(out, f"{found.name}-{FOLDER}"), player)
    backend, exporter = exporter_of(to)
    found = source_of(source, step)
    path = _free(out, f"{found.name}{exporter.suffix}")
    script = _free(path.with_name(f"{re.sub(r'[^0-9A-Za-z_]', '_', path.name)}.py"), "")
    generator = open_generator(found.opened, backend, player, exporter.integers)
    content, checked = written(generator, exporter)
    text = snippet(generator, exporter, path.name)
    write_atomically(path, content)
    write_atomically(script, text.encode())
    return Export(path, script, text, *generator.told, checked, exporter.opens_with, generator.steps)


def written(generator: Generator, exporter: Exporter) -> tuple[bytes, bool]:
    """(the file's bytes, whether they were tried); raises GankitError where they give other examples than G."""
    try:
        made = exporter.write(generator.backend, generator.function, generator.weights, generator.some(3))
    except GankitError:
        raise
    except Exception as error:  # the exporter's own, whatever it is: a layer of a plugin's may do what no graph can
        said = str(error).strip().partition("\n")[0][:300]
        raise GankitError(f"G could not be written as {exporter.suffix}: {type(error).__name__}: {said}") from error
    if made.run is None:
        return made.content, False
    for n in TRIED:
        inputs = generator.some(n, seed=n)
        if apart := agree(made.run(list(inputs.values())), generator.run(inputs)):
            raise GankitError(
                f"The {exporter.suffix} file gives other examples than gan.sample for n={n}: {apart}. Nothing was "
                "written. Please tell gankit's authors, with the game's settings."
            )
    return made.content, True


def exporter_of(to: str) -> tuple[str, Exporter]:
    """(backend, what writes a target); raises ConfigError where nothing installed does."""
    installed = registry.names("backends")
    home = HOMES.get(to)
    if home is not None and home in installed:
        registry.load("backends", home)  # which raises, and says why, if that is broken
    possible = {*HOMES, FOLDER}
    for name in sorted(installed, key=lambda name: name != home):
        with suppress(PluginError):
            declared: Mapping[str, str] = getattr(registry.load("backends", name), "exports", {})
            if to in declared:
                module, _, attribute = declared[to].partition(":")
                return name, getattr(importlib.import_module(module), attribute)()
            possible |= declared.keys()
    if home is not None:
        raise ConfigError(
            f"{to!r} is written by the {home} backend, which is not installed; it opens runs of every backend. To get "
            f"it: pip install 'gankit[{home}]'"
        )
    raise ConfigError(f"There is no export to {to!r}.{did_you_mean(str(to), possible)} Choose {one_of(possible)}.")


def source_of(source: Any, step: int | None = None) -> Source:
    """A game as it is on disk, from a trainer, a path or an address on the Hub."""
    if not isinstance(source, str | os.PathLike):
        if step is not None:
            raise ConfigError(f"step={step} is for run folders; a game in memory is exported as it is.")
        with TemporaryDirectory() as folder:
            return Source(checkpoint.opened(source.save(Path(folder) / "game")), source.config.recipe, None)
    path = located(source)
    opened = checkpoint.opened(path if step is None else _of_step(path, step))
    folders = (path,) if path.is_dir() else path.resolve().parents[:2]
    run = next((folder for folder in folders if (folder / "config.toml").is_file()), None)
    address = re.fullmatch(r"hf:/+[^/]+/([^@/]+).*", os.fspath(source))
    name = address[1] if address else (run or path).resolve().name.removesuffix(checkpoint.SUFFIX)
    return Source(opened, name, run)


def _of_step(run: Path, step: int) -> Path:
    there = {checkpoint.step_of(path): path for path in checkpoint.in_folder(run)}
    if step not in there:
        raise CheckpointError(f"{run} has no checkpoint of step {step}. There: {', '.join(map(str, there)) or 'none'}.")
    return there[step]


def _free(out: str | os.PathLike[str] | None, usual: str) -> Path:
    path = Path(usual if out is None else out)
    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} is there already. Move it away, or write elsewhere: out=..., --out.")
    return path
