"""The model card is Markdown with YAML before it, whatever names it is told, and a user's own stays."""

from __future__ import annotations

import re

import pytest
import yaml

from gankit.config import Config
from gankit.report import markdown, write
from gankit.runs.folder import Run
from tests.report.folders import HOSTILE


def test_hostile_names_are_text_in_the_model_card(run: Run) -> None:
    run.begin(Config().with_settings({"data": HOSTILE, "recipe": HOSTILE}))
    text = write(run.folder)[1].read_text("utf-8")
    _, front, body = text.split("---\n", 2)
    matter = yaml.safe_load(front)
    assert matter["datasets"] == [HOSTILE] and matter["library_name"] == "gankit" and "license" not in matter
    bare = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", re.sub(r"(?ms)^(`{3,}).*?^\1$", "", body))  # what is not code
    assert "<script" not in bare and "](b)" not in bare.replace("\\]", "")
    assert "[report.html](report.html)" in bare


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("non-saturating", "non-saturating"),
        ("batch_size", r"batch\_size"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("a | b", r"a \| b"),
        ("[x](y)", r"\[x\](y)"),
        ("two\nlines", "two lines"),
        (r"\*", r"\\\*"),
    ],
)
def test_text_in_markdown(given: str, expected: str) -> None:
    assert markdown.text(given) == expected


def test_code_in_markdown_is_fenced_by_more_than_it_holds() -> None:
    assert markdown.code("digits") == "`digits`"
    assert markdown.code("a`b``c") == "``` a`b``c ```"
    assert markdown.block("x\n```\ny", "sh") == "````sh\nx\n```\ny\n````"


def test_yaml_reads_back_what_was_written() -> None:
    for name in ("digits", HOSTILE, "- a: b", "null", "\x00", "é"):
        assert yaml.safe_load(f"- {markdown.yaml(name)}") == [name]


def test_a_readme_of_the_users_own_stays(run: Run) -> None:
    report, card = write(run.folder)
    card.write_text("# Mine\n")
    assert write(run.folder) == [report] and card.read_text() == "# Mine\n"
