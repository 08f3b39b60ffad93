"""A report that people look at: `report.html`, one file that needs no other, and `README.md`, a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gankit.checkpoint import write_atomically
from gankit.report import markdown
from gankit.report.page import page
from gankit.report.story import Story, read

__all__ = ["REPORT", "card", "write"]

REPORT, CARD = "report.html", "README.md"
SIGNATURE = "<!-- Written by gankit report, which writes it anew. Delete this line, and it is yours. -->"


def write(folder: Path) -> list[Path]:
    """Write both into a run folder and return their paths; a README.md of the user's own stays as it is.

    The same folder gives the same bytes. Raises ConfigError when the folder holds no run.
    """
    story = read(folder)
    given = page(story)
    written = {folder / REPORT: environment(html=True).get_template("report.html").render(given)}
    card = folder / CARD
    if not card.exists() or SIGNATURE in card.read_text("utf-8", errors="replace"):
        written[card] = environment(html=False).get_template("card.md").render(given, **_for_card(story, folder))
    for path, text in written.items():
        write_atomically(path, text.encode())
    return list(written)


def card(story: Story, *, load: str, settings: str, picture: str | None = None, more: str = "") -> str:
    """A model card that is read away from the run's folder.

    load: Python that opens the game. settings: the file beside it that has all of them. picture: a file beside it, of
    samples. more: Markdown about how else it is opened.
    """
    given = {"signature": "", "tags": _tags(story), "picture": picture, "load": load, "settings": settings}
    return str(environment(html=False).get_template("card.md").render(page(story), **given, more=more, report=None))


def _for_card(story: Story, folder: Path) -> dict[str, Any]:
    """What only the model card has."""
    conditional, picture = story.config.conditional, story.latest
    load = (
        "import gankit",
        "",
        'gan = gankit.load(".")  # this folder; backend="jax" or "torch" opens it there',
        f"samples = gan.sample(64{', labels=0' if conditional else ''})",
    )
    return {
        "signature": SIGNATURE,
        "tags": _tags(story),
        "picture": None if picture is None else picture.relative_to(folder).as_posix(),
        "load": "\n".join(load),
        "settings": "config.toml",
        "more": "",
        "report": REPORT,
    }


def _tags(story: Story) -> list[str]:
    return [tag for tag in (story.config.recipe, story.config.loss.name, story.backend) if tag]


def environment(html: bool) -> Any:
    """Every value is escaped: in HTML by jinja2 itself, in Markdown by the filters of the template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gankit.report", "templates"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown.text, "code": markdown.code, "block": markdown.block, "yaml": markdown.yaml}
    return environment
