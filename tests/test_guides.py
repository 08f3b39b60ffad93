"""What the pages show is there: every piece of Python in the file that it is from, every command, every link.

A guide's Python is a piece, letter for letter, of a file that the paragraph before it names; where that says "the same
file", of the one before; where it names none, of the package that the page's first paragraph is about.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import array_api_strict
import pytest
import typer.main

from gankit import Dataset
from gankit.cli import app
from gankit.conformance.__main__ import parse
from gankit.conformance.parts import loss, network
from gankit.conformance.suite import PARTS
from gankit.interfaces import Ops
from gankit.scaffold import KINDS

ROOT = Path(__file__).parents[1]
GUIDES = sorted(ROOT.glob("docs/write-a-*.md"))
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*/*/README.md"))]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BEFORE = re.compile(r"^(?:\$ |[A-Z_]+=\S+ |torchrun .*?-m (?=gankit)|python -m (?=gankit ))+")
"""What may come before a command: a prompt, variables, what starts several processes."""
COMMAND = re.compile(r"(?:gankit [a-z]|python -m gankit\.conformance)")


class Command(NamedTuple):
    words: list[str]
    whole: bool
    """Whether it can be typed as it is; a sentence may name it without its arguments."""


class Piece(NamedTuple):
    code: str
    sources: list[Path]


def pieces(page: Path) -> Iterator[Piece]:
    """The Python of a guide, each with the files that it may be from."""
    text, named = page.read_text("utf-8"), list[Path]()
    package = next(path for path in linked(page, text.split("\n\n")[1]) if path.is_dir())
    for block in BLOCK.finditer(text):
        if block[1] != "python":
            continue
        before = text[: block.start()].rstrip().rpartition("\n\n")[2]
        files = [path for path in linked(page, before) if path.is_file()]
        if "the same file" not in before or files:
            named = files
        yield Piece(block[2], named or sorted(package.rglob("*.py")))


def linked(page: Path, text: str) -> list[Path]:
    """Where its links lead that stay within the repository."""
    targets = (link.partition("#")[0] for link in LINK.findall(text) if "://" not in link)
    return [(page.parent / target).resolve() if target else page for target in targets]


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text("utf-8"))


def commands(page: Path) -> Iterator[Command]:
    """What a page tells its reader to type: in blocks of shell, on indented lines, and in a sentence."""
    shell = [code for language, code in BLOCK.findall(page.read_text("utf-8")) if language in ("sh", "bash", "console")]
    typed = [line for code in shell for line in code.replace("\\\n", " ").splitlines()]
    typed += re.findall(r"^    (\S.*)$", prose(page), re.MULTILINE)
    named = re.findall(r"`([^`]+)`", prose(page).replace("\n", " "))
    for line, whole in [*((line, True) for line in typed), *((line, False) for line in named)]:
        for command in (BEFORE.sub("", part) for part in line.split(" && ")):
            if COMMAND.match(command) or command.startswith("pip install"):
                yield Command(shlex.split(command.partition(" > ")[0], comments=True), whole)


PIECES = [pytest.param(piece, id=f"{page.stem}-{i}") for page in GUIDES for i, piece in enumerate(pieces(page))]
COMMANDS = [
    pytest.param(*found, id=f"{page.stem}: {' '.join(found.words)}") for page in PAGES for found in commands(page)
]


def test_the_guides_have_pieces_and_commands():
    assert {page.stem for page in GUIDES} == {"write-a-backend", "write-a-loss", "write-a-network", "write-a-part"}
    assert len(PIECES) >= 15
    assert len(COMMANDS) >= 40


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_of_python_is_in_the_file_that_it_is_from(piece):
    assert any(piece.code in source.read_text("utf-8") for source in piece.sources), [*map(str, piece.sources)]


@pytest.mark.parametrize(("words", "whole"), COMMANDS)
def test_a_command_and_its_options_exist(words, whole):
    if words[0] == "python":
        parse(words[3:])
    elif words[0] == "pip":
        for extra in re.findall(r"(?:gankit|\.)\[([\w,]+)\]", " ".join(words)):
            assert set(extra.split(",")) <= EXTRAS.keys()
    else:
        command = typer.main.get_command(app).commands[words[1]]
        try:
            command.make_context(words[1], [word for word in words[2:] if word != "..."])
        except Exception as error:  # of typer's own copy of click
            if whole or type(error).__name__ not in ("MissingParameter", "BadOptionUsage"):
                raise
        if words[1] == "new":
            assert {*words[2:3]} <= KINDS.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for path in linked(page, prose(page)):
        assert path.exists(), path
    for link in LINK.findall(prose(page)):
        target, _, anchor = link.partition("#")
        if anchor and "://" not in link:
            there = page if not target else (page.parent / target).resolve()
            assert anchor in anchors(there), link


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as they are made of them: lower case, hyphens, no punctuation."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("guide", "prefix", "checks"),
    [("loss", "check_loss_", loss.CHECKS), ("network", "check_network_", network.CHECKS)],
    ids=["loss", "network"],
)
def test_a_guide_names_every_check(guide, prefix, checks):
    told = set(re.findall(r"`(\w+)`", (ROOT / f"docs/write-a-{guide}.md").read_text("utf-8")))
    assert {check.__name__.removeprefix(prefix) for check in checks} <= told


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("loss", "penalty", "network", "metric")])
def test_the_guide_of_all_other_parts_names_every_check(kind):
    page = (ROOT / "docs/write-a-part.md").read_text("utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{kind}` |"))
    (plural,) = KINDS[kind][1]
    checks = {check.__name__.removeprefix(f"check_{kind}_") for check in PARTS[plural]}
    assert set(re.findall(r"`(\w+)`", row.split("|")[3])) == checks


def test_the_guide_of_all_other_parts_names_every_field_of_data():
    page = (ROOT / "docs/write-a-part.md").read_text("utf-8")
    assert re.findall(
        r"^\| `(\w+)` \|.*\|.*\|$", page.partition("## The fields")[2].partition("\n## ")[0], re.MULTILINE
    ) == [field.name for field in fields(Dataset)]


@pytest.mark.parametrize("guide", ["loss", "network"])
def test_what_a_guide_calls_of_ops_is_there(guide):
    text = (ROOT / f"docs/write-a-{guide}.md").read_text("utf-8")
    for name in re.findall(r"\bops\.xp\.(\w+)", text):
        assert hasattr(array_api_strict, name), f"ops.xp.{name}"
    for name in re.findall(r"\bops\.(\w+)", text):
        assert hasattr(Ops, name), f"ops.{name}"
