"""What came out of a sweep: a line for each run and for each combination of settings, sorted by the metric."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gankit.checkpoint import write_atomically
from gankit.config import as_toml
from gankit.report.charts import number as shown_number
from gankit.report.compare import MOST, NONE, compare
from gankit.report.compare import write as write_page
from gankit.runs.folder import Run
from gankit.runs.lines import lines, number
from gankit.sweeping.checks import header, steps_done
from gankit.sweeping.spec import TERMS, Planned, Spec

CSV, JSON, PAGE = "table.csv", "table.json", "compare.html"


@dataclass(frozen=True)
class Result:
    """What one run came to. state: "done", "failed", "not finite", "stopped" (it can go on) or "waiting".

    label: the metric with its protocol. value: None where there is none. why: of a run that failed or has no value.
    """

    run: Planned
    state: str
    steps: int
    label: str = ""
    value: float | None = None
    error: float | None = None
    better: str | None = None
    terms: Mapping[str, float] | None = None
    why: str = ""


@dataclass(frozen=True)
class Mean:
    """One combination of settings over its seeds. spread: the standard deviation of one run; None for a single one."""

    values: Mapping[str, Any]
    n: int
    mean: float | None
    spread: float | None


@dataclass(frozen=True)
class Outcome:
    """results: the best first, then those without a value, as they were planned. means: the same way."""

    label: str
    better: str | None
    results: tuple[Result, ...]
    means: tuple[Mean, ...]


def outcome(spec: Spec, runs: Sequence[Planned], failed: Mapping[str, str]) -> Outcome:
    """Read what the run folders hold. failed: why, by name, of those that failed just now."""
    results = [_result(spec, run, failed.get(run.name)) for run in runs]
    better = spec.better or next((each.better for each in results if each.better), None)
    label = next((each.label for each in results if each.label), spec.by or spec.metric or "")
    by_values: dict[str, list[Result]] = {}
    for each in results:
        by_values.setdefault(as_toml(each.run.values), []).append(each)
    means = [_mean(group) for group in by_values.values()]
    return Outcome(
        label,
        better,
        tuple(sorted(results, key=lambda each: _rank(each.value, better))),
        tuple(sorted(means, key=lambda each: _rank(each.mean, better))),
    )


def _rank(value: float | None, better: str | None) -> float:
    if value is None:
        return math.inf
    return -value if better == "higher" else value if better == "lower" else 0.0


def _result(spec: Spec, run: Planned, failed: str | None) -> Result:
    folder = Run(run.folder)
    head, done = header(run), steps_done(run)
    logged = [line for line in lines(folder.metrics_file) if line["step"] <= run.options.steps]
    terms = {name: value for name in logged[-1] if (value := number(logged[-1][name])) is not None} if logged else {}
    terms.pop("step", None)
    if head is not None and head.get("finite") is False:
        return Result(run, "not finite", done, terms=terms, why="Its parameters are infinite, or no numbers.")
    if failed is not None or head is None:
        state = "failed" if failed is not None else "stopped" if folder.config_file.is_file() else "waiting"
        return Result(run, state, done, terms=terms, why=failed or "")
    if spec.is_term:
        assert spec.metric is not None
        value = terms.get(spec.metric)
        why = "" if value is not None else f"Its log has no {spec.metric!r}."
        return Result(run, "done", done, spec.metric, value, None, spec.better, terms, why)
    return _measured(spec, run, folder, done, terms)


def _measured(spec: Spec, run: Planned, folder: Run, done: int, terms: Mapping[str, float]) -> Result:
    """By the line that `--evaluate-every` wrote of the last step."""
    line = next((each for each in lines(folder.evaluations_file) if each["step"] == run.options.steps), None)
    if line is None:
        return Result(run, "done", done, terms=terms, why="It was not measured at its last step; its log says why.")
    asked = line.get("asked")
    metric = asked.get("metric") if isinstance(asked, Mapping) else None
    if spec.metric is not None and metric != spec.metric:
        why = f"It was measured by {metric!r}, before the spec asked for {spec.metric!r}."
        return Result(run, "done", done, terms=terms, why=why)
    every = [each for each in line.get("measurements", []) if isinstance(each, Mapping)]
    named = line if spec.by is None else next((each for each in every if each.get("metric") == spec.by), None)
    if named is None:
        there = ", ".join(dict.fromkeys(repr(each.get("metric")) for each in every))
        return Result(run, "done", done, terms=terms, why=f"It has no {spec.by!r}; it has {there}.")
    value, better = number(named.get("value")), spec.better or named.get("better")
    why = "" if value is not None else "Its number is not finite."
    label = str(named.get("label", ""))
    return Result(run, "done", done, label, value, number(named.get("error")), better, terms, why)


def _mean(group: Sequence[Result]) -> Mean:
    found = [each.value for each in group if each.value is not None]
    mean = statistics.fmean(found) if found else None
    return Mean(group[0].run.values, len(found), mean, statistics.stdev(found) if len(found) > 1 else None)


# ---- files


def write(found: Outcome, folder: Path) -> list[Path]:
    """The table as CSV and as JSON, and a page with the curves and samples of the best; the files that were written."""
    write_atomically(folder / CSV, _csv(found).encode())
    write_atomically(folder / JSON, (json.dumps(_plain(found), indent=2, allow_nan=False) + "\n").encode())
    best = [each.run.folder for each in found.results if each.state == "done"][:MOST]
    if len(best) < 2:
        return [folder / CSV, folder / JSON]
    write_page(compare(best), folder / PAGE)
    return [folder / CSV, folder / JSON, folder / PAGE]


def _csv(found: Outcome) -> str:
    keys = tuple(found.results[0].run.values)
    terms = [name for name in TERMS if any(name in (each.terms or {}) for each in found.results)]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*keys, "seed", "state", "steps", found.label or "value", "error", *terms, "run"])
    for each in found.results:
        values = [_cell(value) for value in each.run.values.values()]
        last = [(each.terms or {}).get(name, "") for name in terms]
        number_ = ["" if value is None else value for value in (each.value, each.error)]
        rows.writerow([*values, each.run.seed, each.state, each.steps, *number_, *last, each.run.name])
    return text.getvalue()


def _plain(found: Outcome) -> dict[str, Any]:
    runs = [
        {
            "run": each.run.name,
            "settings": each.run.values,
            "seed": each.run.seed,
            "state": each.state,
            "steps": each.steps,
            "label": each.label,
            "value": each.value,
            "error": each.error,
            "terms": each.terms or {},
            "why": each.why,
            "command": each.run.options.command(),
        }
        for each in found.results
    ]
    means = [{"settings": m.values, "n": m.n, "mean": m.mean, "deviation": m.spread} for m in found.means]
    return {"metric": found.label, "better": found.better, "runs": runs, "means": means}


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else as_toml(value)


def cells(found: Outcome) -> tuple[list[str], list[list[str]]]:
    """(heads, rows) for a terminal: by combination where there are several seeds, else by run."""
    keys = list(found.results[0].run.values)
    several = len({each.run.seed for each in found.results}) > 1
    if not several:
        rows = [
            [*map(_said, each.run.values.values()), _value(each.value, each.error), each.state]
            for each in found.results
        ]
        return [*keys, found.label, "state"], rows
    rows = []
    for mean in found.means:
        seeds = sorted((r for r in found.results if r.run.values == mean.values), key=lambda each: each.run.seed)
        each = " ".join(NONE if r.value is None else shown_number(r.value) for r in seeds)
        rows.append([*map(_said, mean.values.values()), _value(mean.mean, mean.spread), each])
    return [*keys, f"{found.label}, mean ± deviation over seeds", "each seed"], rows


def _value(value: float | None, error: float | None) -> str:
    if value is None:
        return NONE
    return shown_number(value) + (f" ± {shown_number(error)}" if error is not None else "")


def _said(value: Any) -> str:
    return value if isinstance(value, str) else as_toml(value)
