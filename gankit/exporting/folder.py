"""A game as a folder in the Hugging Face Hub's layout: config.json, model.safetensors, README.md, and a graph of G.

model.safetensors    the whole game, a checkpoint: `gankit.load` opens it, and other programs read its arrays
config.json          the settings of the game, its data and what G takes
model.onnx           G without gankit, where ONNX can be written here
README.md            a model card with front matter, and how to open either
samples.png          of the run, where it has some
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gankit import __version__, checkpoint
from gankit.config import Config
from gankit.disk import write_atomically
from gankit.errors import ConfigError, PluginError
from gankit.exporting import Export, Source, exporter_of, written
from gankit.exporting.generator import Generator, open_generator
from gankit.exporting.snippet import snippet
from gankit.report import card, markdown
from gankit.report.story import Story, read
from gankit.runs.folder import Run

GRAPH, PICTURE, CONFIG, CARD = "model.onnx", "samples.png", "config.json", "README.md"


def export_folder(source: Source, out: Path, player: str, address: str | None = None) -> Export:
    """Write the folder. address: where it will be opened from, for its card; by default the folder itself."""
    _, arrays, meta = source.opened
    generator, graph, text, checked, opens_with = _graph(source, player)
    with TemporaryDirectory() as temporary:
        steps, story = meta["steps_done"], _story(source, Path(temporary))
        picture = _picture(story, steps)
        readme = card(
            replace(story, steps=steps),
            load=_loading(generator, address),
            settings=CONFIG,
            picture=PICTURE if picture else None,
            more=_without_gankit(text),
        )
        out.mkdir(parents=True)
        try:
            checkpoint.write(out / checkpoint.MODEL, arrays, meta)
            write_atomically(out / CONFIG, (json.dumps(_config(generator, meta), indent=2) + "\n").encode())
            write_atomically(out / CARD, readme.encode())
            if graph is not None:
                write_atomically(out / GRAPH, graph)
            if picture is not None:
                shutil.copyfile(picture, out / PICTURE)
        except BaseException:
            shutil.rmtree(out, ignore_errors=True)  # a half of it would be taken for the whole
            raise
    return Export(out, None, text, *generator.told, checked, opens_with, generator.steps)


def _graph(source: Source, player: str) -> tuple[Generator, bytes | None, str, bool, str]:
    """(G, its graph as ONNX and the lines that open it, whether they were tried, what to install for them)."""
    try:
        backend, exporter = exporter_of("onnx")
        generator = open_generator(source.opened, backend, player, exporter.integers)
        content, checked = written(generator, exporter)
        return generator, content, snippet(generator, exporter, GRAPH), checked, exporter.opens_with
    except (ConfigError, PluginError):
        # No torch, or no onnx: then the folder has the game alone. A G that cannot be exported raises again.
        return open_generator(source.opened, None, player), None, "", False, "gankit"


def _story(source: Source, temporary: Path) -> Story:
    """The run's; of a game without a run what its checkpoint tells."""
    _, arrays, meta = source.opened
    if source.run is not None:
        return read(source.run)
    run = Run(temporary / "run")
    run.begin(Config().with_settings({"penalties": (), **meta["config"]}))
    checkpoint.write(run.checkpoint_file(meta["steps_done"]), arrays, meta)
    return read(run.folder)


def _picture(story: Story, step: int) -> Path | None:
    """Samples of that very step."""
    return next((path for at, path in story.samples if at == step), story.latest if story.steps == step else None)


def _config(generator: Generator, meta: Any) -> dict[str, Any]:
    """What config.json says: plain data, to be read by people and by the Hub."""
    own = {
        each.name: {"kind": each.port.kind, "shape": list(each.port.shape), "dtype": each.dtype}
        | ({"classes": each.port.num_classes} if each.port.num_classes else {})
        for each in generator.inputs
    }
    return {
        "model_type": "gankit",
        "library_name": "gankit",
        "gankit_version": __version__,
        "steps": meta["steps_done"],
        "inputs": {"z": {"shape": [generator.prior.width], "dtype": generator.config.dtype}, **own},
        "output": {"shape": list(generator.spec.shape), "dtype": generator.dtype},
        "game": meta["config"],
        "data": meta["data"],
    }


def _loading(generator: Generator, address: str | None) -> str:
    labels = ", labels=0" if generator.config.conditional else ""
    where = '"."' if address is None else f'"{address}"'
    return "\n".join(
        (
            "import gankit  " + ("# in this folder" if address is None else "# pip install 'gankit[hub]'"),
            "",
            f"gan = gankit.load({where})",
            *([f"samples = gan.sample(64{labels})"] if {own.of for own in generator.inputs} <= {"label"} else []),
        )
    )


def _without_gankit(text: str) -> str:
    if not text:
        return f"Without gankit, `safetensors.numpy.load_file({checkpoint.MODEL!r})` gives its arrays by name."
    return (
        f"Without gankit, in the folder of [{GRAPH}]({GRAPH}), which holds the generator and its units:\n\n"
        + markdown.block(text.rstrip("\n"), "python")
    )
