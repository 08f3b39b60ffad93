"""Build the documentation as a site: `python docs/make_site.py --out site`. Needs no network.

The pages are those of this folder and its notebooks, README.md as the first, and an API reference from docstrings.
Links that lead to files of the repository become links of the site, or plain text where the file is code. A link that
leads nowhere is an error.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MORE = {"README.md": "index.md", "SECURITY.md": "security.md", "CHANGELOG.md": "changelog.md"}
"""Pages that lie elsewhere in the repository, and what they are called here."""
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
NOTEBOOKS = DOCS / "notebooks"
KEPT = (".png", ".json", ".gif")
"""Files that are copied when a page links to them."""

OUT = "site"
NAV: dict[str, list[str]] = {
    "Start": ["index", "install", "first-five-minutes", "tutorial", "faq"],
    "Notebooks": ["digits-in-two-minutes", "own-photos", "own-loss"],
    "Use": [
        "your-data",
        "your-images",
        "your-table",
        "recipes",
        "settings",
        "parts",
        "in-python",
        "series",
        "conditions",
        "networks",
        "reading-a-run",
        "sweep",
    ],
    "Measure": ["evaluate", "metrics", "figures", "table-1"],
    "Section 7": ["section-7", "inference", "completion", "semi-supervised", "coordination"],
    "Extend": [
        "export",
        "plugins",
        "write-a-loss",
        "write-a-network",
        "write-a-part",
        "write-a-backend",
        "test-suite",
        "how-it-is-made",
    ],
    "Operate": ["scale", "speed", "when-things-go-wrong", "security", "changelog"],
}
API = {
    "Building and loading": "building.build building.load config.Config",
    "The trainer": "play.trainer.AdversarialTrainer runs.listening.History networks.native.Native",
    "Data": "data.sources.open_data data.dataset.Dataset data.folders.folder data.folders.pairs data.stream.batches",
    "Measuring": "metrics.evaluation.evaluate metrics.base alarms.callback.Alarms",
    "Contracts": "interfaces.ops.Ops interfaces.parts interfaces.trainer plug.hookspecs",
    "Layers": "networks.spec.GameSpec layers.dense layers.convolution layers.normalization layers.activations "
    "layers.resampling layers.composite layers.conditioning layers.given layers.series layers.shaping",
    "Losses, penalties, optimizers": "parts.losses parts.penalties parts.terms parts.optimizers parts.optimistic "
    "parts.schedules parts.priors parts.augmentations parts.constraints",
}
"""What the API reference has, in gankit."""


def pages() -> dict[str, Path]:
    """The pages by their name on the site."""
    notebooks = {f"{path.stem}.md": path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    own = {path.name: path for path in sorted(DOCS.glob("*.md"))}
    return own | notebooks | {name: ROOT / at for at, name in MORE.items()}


def markdown(notebook: Path) -> str:
    """A notebook as a page, and where to get the file."""
    text = ""
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            source = f"```python\n{source}\n```"
        text += f"{source}\n\n"
    return text + f"This page is a notebook: [{notebook.name}]({notebook.name}?file).\n"


def written(path: Path, into: Path) -> str:
    """A page with links that lead somewhere on the site."""
    text = markdown(path) if path.suffix == ".ipynb" else path.read_text("utf-8")
    if path == ROOT / "README.md":
        text = text.replace("# gankit\n", "---\ntitle: gankit\n---\n\n# gankit\n", 1)

    def link(found: re.Match[str]) -> str:
        picture, words, target, part = found.groups()
        if re.match(r"[a-z]+:", target):
            return found[0]
        target, file, _ = target.partition("?file")
        to = (path.parent / target).resolve()
        if not to.exists():
            raise SystemExit(f"{path.relative_to(ROOT)}: the link to {target} leads nowhere.")
        name = str(to.relative_to(ROOT))
        if to.suffix == ".md" and (to.parent == DOCS or name in MORE):
            return f"{picture}[{words}]({MORE.get(name, to.name)}{part or ''})"
        if to.parent == NOTEBOOKS and not file:
            return f"{picture}[{words}]({to.stem}.md)"
        if to.suffix in KEPT or file:
            copy = into / "files" / name.replace("/", "-")
            copy.parent.mkdir(exist_ok=True)
            shutil.copy(to, copy)
            return f"{picture}[{words}](files/{copy.name})"
        return words if words.startswith("`") else f"{words} (`{name}`)"

    pieces = re.split(r"(```.*?```|^(?:    [^\n]*\n)+)", text, flags=re.DOTALL | re.MULTILINE)  # code stays as it is
    return "".join(piece if i % 2 else LINK.sub(link, piece) for i, piece in enumerate(pieces))


def reference(into: Path) -> list[tuple[str, str]]:
    """(title, file) of the pages that are made from docstrings."""
    found = []
    for title, names in API.items():
        file = f"api-{re.sub('[^a-z]+', '-', title.lower())}.md"
        blocks = "\n\n".join(f"::: gankit.{name}" for name in names.split())
        (into / file).write_text(f"# {title}\n\n{blocks}\n", "utf-8")
        found.append((title, file))
    return found


def config(into: Path, api: list[tuple[str, str]]) -> str:
    known = {name.removesuffix(".md") for name in pages()}
    listed = {name for names in NAV.values() for name in names}
    missing = known - listed | listed - known
    if missing:
        raise SystemExit(
            f"The navigation and the pages differ in {', '.join(sorted(missing))}: see NAV in docs/make_site.py."
        )
    sections = {section: [json.dumps(f"{name}.md") for name in names] for section, names in NAV.items()}
    sections["API"] = [f"{{ {json.dumps(title)} = {json.dumps(file)} }}" for title, file in api]
    nav = "\n".join(f'  {{ "{section}" = [{", ".join(entries)}] }},' for section, entries in sections.items())
    return f"""[project]
site_name = "gankit"
site_description = "The adversarial game written once, every array framework a plugin"
docs_dir = "{into.name}"
site_dir = "{OUT}"
use_directory_urls = false
nav = [
{nav}
]
[project.theme]
font = false
features = ["navigation.footer", "navigation.sections", "content.code.copy", "search.highlight"]
[[project.theme.palette]]
media = "(prefers-color-scheme: light)"
scheme = "default"
[[project.theme.palette]]
media = "(prefers-color-scheme: dark)"
scheme = "slate"
[project.plugins.mkdocstrings.handlers.python]
paths = ["{ROOT.as_posix()}"]
[project.plugins.mkdocstrings.handlers.python.options]
show_source = false
show_root_heading = true
heading_level = 2
members_order = "source"
docstring_style = "google"
"""


def build(out: Path) -> None:
    """Raises SystemExit, after what is wrong was printed, unless the site is built without a warning."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "docs"
        into.mkdir()
        for name, path in pages().items():
            (into / name).write_text(written(path, into), "utf-8")
        (Path(folder) / "zensical.toml").write_text(config(into, reference(into)), "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{done.stdout}{done.stderr}\nThe site has warnings.")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(Path(folder) / OUT, out)
    print(f"{len(list(out.glob('*.html')))} pages are in {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "site")
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
