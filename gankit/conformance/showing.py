"""The results as a table for people, as JSON for programs, and as JUnit's XML for CI."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

from gankit.checkpoint import write_atomically
from gankit.conformance.results import Result, counts

WIDTHS = (14, 56, 17)


def heading() -> str:
    """The first line of the table."""
    return _row("group", "check", "result", "seconds")


def line(result: Result) -> str:
    """One line of the table, with the message below it."""
    first = _row(result.group, result.check, result.outcome, f"{result.seconds:7.2f}")
    return "\n".join([first, *(f"    {text}" for text in result.message.splitlines())])


def as_json(results: Sequence[Result], short: Sequence[str]) -> str:
    """Every result, the counts for each subject, and what fell short of the floor."""
    subjects = dict.fromkeys(result.subject for result in results)
    counted = {name: counts([r for r in results if r.subject == name]) for name in subjects}
    plain = {"counts": counted, "shortfalls": list(short), "results": [asdict(result) for result in results]}
    return json.dumps(plain, indent=1)


def write_junit(path: Path, results: Sequence[Result], short: Sequence[str]) -> None:
    """A test suite for each subject; what fell short of the floor is a failure of its own."""
    root = ElementTree.Element("testsuites", name="gankit.conformance")
    for name in dict.fromkeys(result.subject for result in results):
        those = [result for result in results if result.subject == name]
        missed = [text for text in short if text.startswith(f"{name}: ")]
        n = counts(those)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=name,
            tests=str(len(those) + len(missed)),
            failures=str(n["fail"] + len(missed)),
            skipped=str(n["not applicable"] + n["expected failure"]),
            errors="0",
            time=f"{sum(result.seconds for result in those):.3f}",
        )
        for result in those:
            classname = f"{name}.{result.group}".replace(" ", "_")
            case = ElementTree.SubElement(
                suite, "testcase", classname=classname, name=result.check, time=f"{result.seconds:.3f}"
            )
            if result.outcome != "pass":
                tag = "failure" if result.outcome == "fail" else "skipped"
                first = result.message.partition("\n")[0]
                ElementTree.SubElement(case, tag, message=f"{result.outcome}: {first}").text = result.message
        for text in missed:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name="floor")
            ElementTree.SubElement(case, "failure", message=text)
    write_atomically(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _row(*cells: str) -> str:
    """Cells in columns; the last is not padded."""
    return " ".join([*(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=False)), cells[-1]])
