"""Several runs side by side: what their games differ in, their curves over each other, their numbers and samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gankit.checkpoint import write_atomically
from gankit.errors import ConfigError
from gankit.report.charts import Chart, chart, number
from gankit.report.numbers import Table, table
from gankit.report.page import OWN, STRIP, data_uri, measured, spread_out
from gankit.report.story import Line, Story, read
from gankit.runs.folder import Run

NONE = "\N{EN DASH}"
MOST = 8
"""Runs on one page: more lines than these nobody can tell apart."""
NAMES = {
    "d_loss": "Loss of D",
    "g_loss": "Loss of G",
    "D(x)": "D(x), on the data",
    "D(G(z))": "D(G(z)), on samples",
}
VITALS = {"advantage": "D's advantage", "spread": "Variety of samples: spread"}
WHOLE = ("D(x)", "D(G(z))", "advantage")
"""Whose axis is from 0 to 1."""


@dataclass(frozen=True)
class Comparison:
    """names: of the runs, each its own. differing: (setting, its value in each run), settings of one value left out."""

    names: tuple[str, ...]
    stories: tuple[Story, ...]
    differing: tuple[tuple[str, tuple[str, ...]], ...]
    numbers: Table | None

    @property
    def facts(self) -> list[tuple[str, tuple[str, ...]]]:
        """(what, of each run): where they are, and what they ended with."""
        last = [story.terms[-1] if story.terms else {} for story in self.stories]
        terms = [key for key in ("d_loss", "g_loss", "D(x)", "D(G(z))") if any(key in line for line in last)]
        return [
            ("steps", tuple(f"{story.steps:,}" for story in self.stories)),
            ("backend", tuple(story.backend or NONE for story in self.stories)),
            ("alarms", tuple(", ".join(_alarms(story)) or "none" for story in self.stories)),
            *((f"last {key}", tuple(_shown(line.get(key)) for line in last)) for key in terms),
        ]


def compare(folders: Sequence[Path]) -> Comparison:
    """Read some runs. Raises ConfigError for fewer than two, more than can be told apart, and what is no run folder."""
    if not 2 <= len(folders) <= MOST:
        raise ConfigError(f"{len(folders)} runs: name 2 to {MOST} run folders to compare.")
    for folder in folders:
        if not Run(folder).exists():
            raise ConfigError(f"{folder} is not a run folder: it has no config.toml. `gankit train` makes run folders.")
    stories = tuple(map(read, folders))
    names = _named(folders)
    settings = [{each.name: each.value for each in story.settings} for story in stories]
    every = dict.fromkeys(name for each in settings for name in each)
    rows = [(name, tuple(each.get(name, NONE) for each in settings)) for name in every if name != "conditions"]
    return Comparison(names, stories, tuple(row for row in rows if len(set(row[1])) > 1), _numbers(names, stories))


def write(found: Comparison, out: Path) -> None:
    """The comparison as one page that needs no other file."""
    from gankit.report import environment

    strips = [
        (name, [(step, data_uri(path)) for step, path in spread_out(story.over_time, STRIP // 2)])
        for name, story in zip(found.names, found.stories, strict=True)
    ]
    given = {
        "found": found,
        "marks": [_mark(i) for i in range(len(found.names))],
        "charts": list(charts(found)),
        "latest": [
            (name, story.latest_step, None if story.latest is None else data_uri(story.latest))
            for name, story in zip(found.names, found.stories, strict=True)
        ],
        "strips": [(name, strip) for name, strip in strips if len(strip) > 1],
        "table": found.numbers,
    }
    write_atomically(out, environment(html=True).get_template("compare.html").render(given).encode())


def charts(found: Comparison) -> Iterator[Chart]:
    """One for each term of the logs, and for each number that was measured on the way, with a line for each run."""
    logs = [story.terms for story in found.stories]
    terms = dict.fromkeys(key for log in logs for line in log for key in line if key != "step")
    ordered = [*(key for key in OWN if key in terms), *(key for key in terms if key not in OWN)]
    for key in ordered:
        yield from _over_each_other(found, NAMES.get(key, key), key, logs)
    vitals = [story.vitals for story in found.stories]
    for key, title in VITALS.items():
        yield from _over_each_other(found, title, key, vitals)
    labels = dict.fromkeys(title for story in found.stories for title, *_ in measured(story.evaluations))
    for label in labels:
        series = [
            [line for title, lines, *_ in measured(story.evaluations) if title == label for line in lines]
            for story in found.stories
        ]
        yield from _over_each_other(found, label, "value", series)


def _over_each_other(found: Comparison, title: str, key: str, logs: Sequence[Sequence[Line]]) -> Iterator[Chart]:
    lines = [{"step": line["step"], str(i): line[key]} for i, log in enumerate(logs) for line in log if key in line]
    series = {str(i): (name, _mark(i)) for i, name in enumerate(found.names)}
    within = (0.0, 1.0) if key in WHOLE else (0.0,) if key not in ("d_loss", "g_loss", "value") else ()
    if (drawn := chart(title, lines, series, within=within)) is not None:
        yield drawn


def _numbers(names: Sequence[str], stories: Sequence[Story]) -> Table | None:
    """What `gankit evaluate` found of the last state of each, by its average where it keeps one."""
    columns = []
    for name, story in zip(names, stories, strict=True):
        rows = [row for row in story.measured.get("rows", []) if isinstance(row, Mapping) and row.get("measurements")]
        rows.sort(key=lambda row: (row.get("checkpoint") != "last", row.get("weights") != "ema"))
        if rows:
            columns.append({**rows[0], "checkpoint": name, "skipped": []})
    return table({"rows": columns})


def _named(folders: Sequence[Path]) -> tuple[str, ...]:
    """The folders' names, with as many of the folders above as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    if len(set(parts)) < len(parts):
        raise ConfigError("One run is named twice.")
    depth = 1
    while len({each[-depth:] for each in parts}) < len(parts):
        depth += 1
    return tuple("/".join(each[-depth:]) for each in parts)


def _mark(i: int) -> str:
    return f"r{i}"


def _alarms(story: Story) -> list[str]:
    return list(dict.fromkeys(str(alarm["alarm"]) for alarm in story.alarms))


def _shown(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else NONE
