"""The report's page, put together from a run's story: what there is nothing to tell of is left out."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gankit.figures.kinds import summaries
from gankit.metrics.theory import sigmoid
from gankit.play.plans import plans
from gankit.play.workers import among
from gankit.report.charts import Chart, chart
from gankit.report.numbers import published, table
from gankit.report.reproduce import commands
from gankit.report.story import Story

STRIP = 8
"""The most pictures of samples over time."""
MIME = {".png": "image/png", ".gif": "image/gif"}
OWN = ("step", "d_loss", "g_loss", "D(x)", "D(G(z))")
NO_PROBABILITIES = "Under this loss D's scores are no probabilities in themselves, so nothing is expected of these."


def page(story: Story) -> dict[str, Any]:
    """What the template is given."""
    return {
        "story": story,
        "facts": facts(story),
        "charts": charts(story),
        "strip": [(step, data_uri(path)) for step, path in spread_out(story.over_time, STRIP)],
        "latest": None if story.latest is None else data_uri(story.latest),
        "figures": [(caption(path.stem), data_uri(path)) for path in story.figures],
        "table": table(story.measured),
        "published": published(story.published, story.measured),
        "commands": commands(story),
    }


def facts(story: Story) -> dict[str, str]:
    """What a reader looks for first."""
    config, sizes = story.config, story.parameters
    penalties = ", ".join(part.name for part in config.penalties)
    found = {
        "steps": f"{story.steps:,}",
        "loss": story.loss + (f" with {penalties}" if penalties else ""),
        **{
            plan.role: plan.network.name + (f", {sizes[plan.role]:,} parameters" if plan.role in sizes else "")
            for plan in plans(config)
        },
        **({"given": ", ".join(part.name for part in config.given)} if config.given else {}),
        "batch": f"{config.batch_size:,}" + (f", {config.k} steps of D for one of G" if config.k > 1 else ""),
        "data": config.data + (f", {sizes_text(story.shape)}" if story.shape else ""),
    }
    if story.sessions:
        session = story.sessions[-1]
        versions = session.get("versions")
        first = next(iter(versions.items()), None) if isinstance(versions, Mapping) else None
        counts = (session.get(name) for name in ("workers", "hosts"))
        there = among(*(count if isinstance(count, int) else 1 for count in counts))
        found["backend"] = " ".join(
            filter(None, [story.backend, first[1] if first else "", f"on {session.get('device')}{there}"])
        )
    return found


def sizes_text(shape: Sequence[int]) -> str:
    """Of one example: 28 x 28 x 1, or how many numbers."""
    if len(shape) != 1:
        return " x ".join(map(str, shape))
    return f"{shape[0]} number{'s' if shape[0] > 1 else ''} an example"


def charts(story: Story) -> list[Chart]:
    """The curves of the logs, with the levels at which the game would be at rest where its loss has such."""
    game, terms = story.objective, story.terms
    draw: Callable[..., Chart | None] = partial(chart, alarms=story.alarms, until=terms[-1]["step"] if terms else 0)
    # A penalty that was 0 all along is no curve.
    others = {key: None for line in terms for key in line if key not in OWN and line[key] != 0}
    even = None if game is None or game.undecided is None else float(sigmoid(game.undecided))
    found = [
        draw(
            "Losses",
            terms,
            {"d_loss": ("D", "d"), "g_loss": ("G", "g")},
            levels={} if game is None or game.won is None else {f"D undecided: {constant(game.even)}": game.even},
            within=(0.0,),
        ),
        draw(
            "D's mean verdicts",
            terms,
            {"D(x)": ("D(x), on the data", "x"), "D(G(z))": ("D(G(z)), on samples", "g")},
            within=(0.0, 1.0),
            about="" if even is not None else NO_PROBABILITIES,
            levels={} if even is None else {f"D undecided: {constant(even)}": even},
        ),
        draw(
            "D's advantage",
            story.vitals,
            {"advantage": ("of the way to D's best loss", "d")},
            about="0 where D cannot tell real from fake, 1 where it always can.",
            within=(0.0, 1.0),
        ),
        draw(
            "Variety of samples",
            story.vitals,
            {"spread": ("spread", "g"), "nearest": ("distance to the nearest other", "e")},
            about="As multiples of the data's; both fall to 0 when G collapses.",
            levels={"the data": 1.0},
            within=(0.0,),
        ),
        draw("Penalties", terms, {key: (key, f"p{i % 4}") for i, key in enumerate(others)}, within=(0.0,)),
        *(draw(title, lines, series, about=about) for title, lines, series, about in measured(story.evaluations)),
    ]
    return [each for each in found if each is not None]


def measured(evaluations: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Sequence[Any], dict[str, Any], str]]:
    """(title, lines, series, protocol) of each number that was measured while it trained."""
    for label in dict.fromkeys(_label(line) for line in evaluations):
        lines = [line for line in evaluations if _label(line) == label]
        title, _, protocol = label.partition("[")
        yield title, lines, {"value": ("while it trained", "e")}, protocol.removesuffix("]")


def _label(line: Mapping[str, Any]) -> str:
    return str(line.get("label", line.get("metric", "")))


def caption(name: str) -> str:
    """What a figure of ours shows; of another file its name."""
    summary = summaries().get(name)
    return f"{name}: {summary}" if summary else name.replace("-", " ")


def spread_out(items: Sequence[Any], most: int) -> list[Any]:
    """At most so many, evenly chosen, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def data_uri(path: Path) -> str:
    """A picture as text that needs no file beside it."""
    return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def constant(value: float) -> str:
    """log 4, 1/2 and their like by name."""
    names = {"log 4": math.log(4), "log 2": math.log(2), "1/2": 0.5, "1/4": 0.25}
    return next((name for name, known in names.items() if abs(value - known) < 1e-6), f"{value:.3g}")
