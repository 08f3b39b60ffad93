"""What a run folder has to tell, read without a framework. Whatever is missing or damaged is just not told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gankit import checkpoint
from gankit.alarms.objective import Objective, objective
from gankit.config import Config
from gankit.errors import CheckpointError, GankitError
from gankit.runs.folder import Run, differences, flat, unlike
from gankit.runs.lines import LAST, lines, number
from gankit.runs.reproductions import FILE as PUBLISHED

Line = dict[str, Any]

GREATEST = 1e150
"""Of the numbers in charts: the square of a greater one is none."""
LARGEST = 8 * 2**20
"""Bytes of a figure that is put into the report; larger ones stay where they are."""


@dataclass(frozen=True)
class Setting:
    """One setting of the game, and what the recipe has in its place; None where that has none."""

    name: str
    value: str
    usual: str | None


@dataclass(frozen=True)
class Change:
    """From that step on a run was trained by `after`, not by `before`. what: the differences, in words."""

    step: int
    before: Config
    after: Config
    what: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """A run, as plain data.

    changed: the settings in which the game differs from its recipe. settings: all of them.
    changes: where the run went on with other settings.
    objective: what D's loss says of the game; None where the loss is not installed or cannot be asked.
    parameters: how many numbers each player learns. shape: of an example. versions, environment: what it ran on.
    terms, vitals, evaluations: the logs, a line each so many steps. alarms: those that were raised.
    samples: (step, file) of every picture. latest: the last picture. figures: files.
    measured: what `gankit evaluate` found, as it wrote it. published: numbers of others to compare with, as
    `gankit reproduce` wrote them. best: the line of the best evaluation while training.
    """

    run: Run
    config: Config
    changed: tuple[Setting, ...]
    changes: tuple[Change, ...]
    settings: tuple[Setting, ...]
    objective: Objective | None
    steps: int
    checkpoints: int
    parameters: Mapping[str, int]
    shape: tuple[int, ...] | None
    environment: Mapping[str, Any]
    terms: tuple[Line, ...]
    vitals: tuple[Line, ...]
    evaluations: tuple[Line, ...]
    alarms: tuple[Line, ...]
    samples: tuple[tuple[int, Path], ...]
    latest: Path | None
    figures: tuple[Path, ...]
    measured: Mapping[str, Any]
    published: tuple[Mapping[str, Any], ...]
    best: Line | None

    @property
    def title(self) -> str:
        return f"{self.config.recipe} on {self.config.data}"

    @property
    def over_time(self) -> tuple[tuple[int, Path], ...]:
        """`samples`, and those of the last step, which is seldom one at which samples were asked for."""
        ends = self.latest is not None and self.latest_step > max((step for step, _ in self.samples), default=-1)
        return (*self.samples, *([(self.latest_step, self.latest)] if ends and self.latest is not None else []))

    @property
    def latest_step(self) -> int:
        """The step of `latest`: `samples.png` is drawn where a process ends, and removed where another goes on."""
        return self.steps if self.latest == self.run.picture or not self.samples else self.samples[-1][0]

    @property
    def loss(self) -> str:
        """`conditional non-saturating`, as one would say it."""
        base = self.config.loss.settings.get("base", "")
        inner = base.get("name", "") if isinstance(base, Mapping) else base
        return f"{self.config.loss.name} {inner}".strip()

    @property
    def backend(self) -> str:
        """That the run is on since it was last taken up; "" when nothing says so."""
        return str(self.sessions[-1].get("backend", "")) if self.sessions else ""

    @property
    def sessions(self) -> list[Mapping[str, Any]]:
        """What each process ran on, the first one first."""
        first = dict(self.environment)
        resumed = first.pop("resumed", [])
        later = resumed if isinstance(resumed, list) else []
        return [each for each in (first, *later) if isinstance(each, Mapping) and each]


def read(folder: Path) -> Story:
    """The story of a run folder; raises ConfigError when it is none."""
    run = Run(folder)
    metrics, outline = _lines(run.metrics_file), _header(run)
    config = _played(run.config(), outline.get("config"))
    changed, settings = _settings(config)
    evaluations = _lines(run.evaluations_file)
    samples = sorted(
        (checkpoint.step_of(path), path)
        for path in (folder / "samples").glob("step-*.png")
        if _is_own(path, folder / "samples")
    )
    latest = run.picture if _is_own(run.picture, folder) else samples[-1][1] if samples else None
    steps = max(
        [outline.get("steps", 0), *(line["step"] for line in metrics[-1:]), *(step for step, _ in samples[-1:])]
    )
    return Story(
        run=run,
        config=config,
        changed=changed,
        changes=tuple(_changes(run, config)),
        settings=settings,
        objective=_objective(config),
        steps=steps,
        checkpoints=len(run.checkpoints()),
        parameters=outline.get("parameters", {}),
        shape=outline.get("shape"),
        environment=_json(run.env_file),
        terms=metrics,
        vitals=_lines(run.vitals_file),
        evaluations=evaluations,
        alarms=tuple(_with_ends(_lines(run.alarms_file))),
        samples=tuple((step, path) for step, path in samples if step >= 0),
        latest=latest,
        figures=tuple(_figures(folder / "figures")),
        measured=_json(folder / "metrics.json"),
        published=_published(folder),
        best=next((line for line in reversed(evaluations) if line.get("best") is True), None),
    )


# ---- settings


def usual(config: Config) -> Config:
    """The recipe as it comes, on the same data; the defaults where it is not installed."""
    try:
        from gankit.building import configure

        return configure(config.recipe, config.data)
    except GankitError:
        return Config()


def _settings(config: Config) -> tuple[tuple[Setting, ...], tuple[Setting, ...]]:
    """(those unlike the recipe's, all)."""
    before, own = dict(flat("", usual(config).to_plain())), dict(flat("", config.to_plain()))
    every = [Setting(key, _text(own.get(key, "(not set)")), _said(before, key)) for key in {**own, **before}]
    changed = [setting for setting in every if own.get(setting.name) != before.get(setting.name)]
    return tuple(s for s in changed if s.name not in ("recipe", "data", "conditions")), tuple(
        s for s in every if s.name in own
    )


def _changes(run: Run, config: Config) -> Iterator[Change]:
    try:
        steps = [line["step"] for line in lines(run.changes_file)]
        configs = [*run.configs_before(0), config]
    except GankitError:
        return
    for step, before, after in zip(steps, configs, configs[1:], strict=False):
        yield Change(step, before, after, tuple(differences(replace(before, conditions=after.conditions), after)))


def _said(settings: Mapping[str, Any], key: str) -> str | None:
    return _text(settings[key]) if key in settings else None


def _text(value: Any) -> str:
    """A setting in one line, numbers and names as a reader writes them."""
    if isinstance(value, Mapping):
        name, rest = value.get("name", ""), {k: v for k, v in value.items() if k != "name"}
        inside = ", ".join(f"{key}={_text(item)}" for key, item in rest.items())
        return f"{name} ({inside})".strip() if inside else str(name)
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def _objective(config: Config) -> Objective | None:
    from gankit.building import make

    try:
        return objective(make("losses", config.loss))
    except GankitError:
        return None


# ---- files


def _played(said: Config, header: Any) -> Config:
    """The game that was played: what its checkpoint says, where that is not what config.toml says by now."""
    try:
        played = Config().with_settings({"penalties": (), **header}) if isinstance(header, dict) else said
    except (GankitError, TypeError, ValueError):
        return said
    return played if unlike(said, played) else said


def _header(run: Run) -> dict[str, Any]:
    """Steps, sizes and shape, from the header of the last checkpoint that has one: its arrays are not read."""
    for path in reversed(run.checkpoints()):
        try:
            meta, shapes = checkpoint.outline(path)
        except CheckpointError:
            continue
        updates, data, done = meta.get("updates"), meta.get("data"), meta.get("steps_done")
        parameters = {
            str(role): sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(f"{role}/params/"))
            for role in (updates if isinstance(updates, dict) else ())
        }
        shape = data.get("shape") if isinstance(data, dict) else None
        whole = isinstance(shape, list) and all(type(n) is int for n in shape)
        return {
            "config": meta.get("config"),
            "steps": done if type(done) is int and 0 <= done <= LAST else 0,
            "parameters": parameters,
            "shape": tuple(shape) if whole else None,  # type: ignore[arg-type]
        }
    return {}


def _lines(path: Path) -> tuple[Line, ...]:
    """The whole lines of a log; each has a step. A number that no chart can show is not there."""
    return tuple(
        {key: _charted(item) if isinstance(item, int | float) and key != "step" else item for key, item in line.items()}
        for line in lines(path)
    )


def _charted(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    plain = number(value)
    return value if plain is not None and abs(plain) < GREATEST else None


def _with_ends(lines: tuple[Line, ...]) -> Iterator[Line]:
    """Each alarm with `until`, the step at which its episode was over; None while it lasts."""
    for i, line in enumerate(lines):
        if not line.get("over"):
            later = (other for other in lines[i + 1 :] if other.get("alarm") == line.get("alarm") and other.get("over"))
            hints = line.get("try")
            told = {
                "alarm": str(line.get("alarm", "")),
                "what": str(line.get("what", "")),
                "try": [str(hint) for hint in hints] if hints else [],
            }
            yield {**line, **told, "until": next((other["step"] for other in later), None)}


def _figures(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("[!.]*") if path.suffix in (".png", ".gif")]
    return sorted(path for path in found if _is_own(path, folder) and path.stat().st_size <= LARGEST)


def _is_own(path: Path, folder: Path) -> bool:
    """Whether it is a file in the folder itself: a link may lead to one that is nobody's business, a pipe nowhere."""
    try:
        return path.is_file() and not path.is_symlink() and path.resolve().parent == folder.resolve()
    except (OSError, RuntimeError):
        return False


def _published(folder: Path) -> tuple[Mapping[str, Any], ...]:
    rows = _json(folder / PUBLISHED).get("published")
    return tuple(row for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else ()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
