"""A report is one file, tells what is there, escapes what it is told, and is the same every time."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from gankit import checkpoint
from gankit.building import configure
from gankit.cli.settings import Options
from gankit.config import Config
from gankit.errors import ConfigError
from gankit.images import save_png
from gankit.report import markdown, write
from gankit.report.charts import chart, number, steps_text
from gankit.report.numbers import table, value
from gankit.report.page import constant, sizes_text, spread_out
from gankit.report.reproduce import commands
from gankit.report.story import read
from gankit.runs import Run
from tests.cli_runner import Cli
from tests.playing import Playing, begun

HOSTILE = '<script>alert("x")</script> & `rm` | [a](b) \n *x*'


class Page(HTMLParser):
    """What a browser would see: text, and every tag with its attributes. Fails on tags that are not closed."""

    VOID = ("meta", "img", "br", "path", "link", "input", "hr")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._open = "", list[str]()
        self.feed(path.read_text("utf-8"))
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag
        if tag in ("td", "th", "dt", "dd", "p", "li"):
            self.text += " "

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def begin(folder: Path, **settings: Any) -> Run:
    run = Run(folder)
    run.begin(Config().with_settings(settings))
    return run


def write_lines(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


MEASURED = {
    "format": 1, "data": "digits", "backend": "torch", "n": 1000, "seed": 0,
    "rows": [
        {
            "checkpoint": "last", "step": 300, "weights": weights,
            "measurements": [
                {
                    "metric": "parzen", "label": "parzen", "value": score, "error": 2.17, "better": "higher",
                    "protocol": {"n": 1000, "sigma": sigma}, "details": {},
                }
            ],
            "skipped": [{"metric": "modes", "reason": "digits is no toy"}],
        }
        for weights, score, sigma in (("raw", 201.26, 0.2), ("ema", 225.13, 0.17))
    ],
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has everything."""
    run = begin(tmp_path / "run", batch_size=32, penalties=["r1"], loss="non-saturating", ema=0.999)
    terms = [
        {"step": s, "d_loss": 1.0 + 1 / s, "g_loss": None if s == 200 else 0.7, "D(x)": 0.6, "D(G(z))": 0.4, "r1": 0.1}
        for s in (100, 200, 300)
    ]
    write_lines(run.metrics_file, *terms)
    write_lines(
        run.vitals_file, *({"step": s, "advantage": 0.1, "spread": 0.9, "nearest": 0.8} for s in (100, 200, 300))
    )
    write_lines(
        run.alarms_file,
        {"step": 100, "alarm": "collapse", "what": "the samples collapse.", "try": ["--penalty r1", "more data"]},
        {"step": 300, "alarm": "collapse", "over": True},
    )
    write_lines(
        run.evaluations_file,
        *(
            {"step": s, "metric": "parzen", "label": "parzen[n=9]", "value": s / 2, "best": s == 200}
            for s in (100, 200, 300)
        ),
    )
    for step in (100, 200, 300):
        save_png(run.sample_file(step), np.full((4, 8, 8, 1), step % 256, np.uint8))
    save_png(run.picture, np.full((4, 8, 8, 1), 9, np.uint8))
    save_png(run.folder / "figures" / "class-grid.png", np.full((4, 8, 8, 1), 7, np.uint8))
    arrays = {"generator/params/dense0/kernel": np.zeros((3, 4)), "discriminator/params/dense0/bias": np.zeros(5)}
    meta = {"steps_done": 300, "data": {"shape": [8, 8, 1]}}
    checkpoint.write(run.checkpoint_file(300), {**arrays, "ema/dense0/kernel": np.zeros((3, 4))}, meta)
    run.note_environment({"gankit": "0.1.0", "backend": "torch", "device": "cpu", "versions": {"torch": "2.13"}}, 0)
    (run.folder / "metrics.json").write_text(json.dumps(MEASURED))
    return run


def test_everything_that_is_there_is_told(run: Run) -> None:
    report, card = write(run.folder)
    words = Page(report).words
    for told in (
        "mlp on digits", "steps 300", "mlp, 12 parameters", "mlp, 5 parameters", "torch 2.13 on cpu", "8 x 8 x 1",
        "step 100 to 300, over", "The samples collapse.", "To try: --penalty r1; more data.",
        "step 200, chosen on validation data",
        "Samples over time", "D undecided: log 4", "D undecided: 1/2", "Variety of samples", "class grid",
        "parzen", "201.3 ± 2.2", "225.1 ± 2.2", "sigma=0.17", "digits is no toy", "batch_size 32 64",
        "gankit train \\ --recipe mlp",
    ):  # fmt: skip
        assert told in words, told
    text = card.read_text("utf-8")
    for told in (
        "# mlp on digits",
        "samples.png",
        "| 201.3 ± 2.2",
        "At step 100: the samples collapse.",
        "gankit.load",
    ):
        assert told in text, told


def test_a_report_needs_no_other_file(run: Run) -> None:
    page = Page(write(run.folder)[0])
    images = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 5 and all(source.startswith("data:image/png;base64,") for source in images)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        assert "href" not in attributes and not any(name.startswith("on") for name in attributes)
    assert "url(" not in (run.folder / "report.html").read_text("utf-8")


def test_the_same_folder_gives_the_same_bytes(run: Run) -> None:
    first = [path.read_bytes() for path in write(run.folder)]
    assert [path.read_bytes() for path in write(run.folder)] == first


def test_a_run_with_nothing_but_a_config(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    report, card = write(tmp_path / "run")
    words = Page(report).words
    assert "mlp on digits" in words and "The recipe mlp as it comes" not in words  # Config() is not the recipe
    assert not any(title in words for title in ("Curves", "Alarm", "Measured", "Figures", "Samples", "Environment"))
    assert "None yet" in card.read_text("utf-8")


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write(tmp_path)


@pytest.mark.parametrize("damage", ["torn", "types"])
def test_damaged_files_are_just_not_told(run: Run, damage: str) -> None:
    if damage == "torn":
        for path in (run.metrics_file, run.vitals_file, run.alarms_file, run.evaluations_file, run.env_file):
            path.write_bytes(path.read_bytes()[:-9] + b'\xff{"step"')
        (run.folder / "metrics.json").write_text("[")
        run.checkpoint_file(300).write_bytes(b"\x00" * 20)
    else:
        write_lines(
            run.metrics_file,
            {"step": "x"},
            {"step": 1, "d_loss": "high"},
            {"step": 0, "d_loss": 1},
            {"step": 0, "d_loss": 2},
        )
        write_lines(run.alarms_file, {"step": 1}, {"step": 2, "alarm": 7, "what": 7, "try": None})
        run.env_file.write_text('{"resumed": 3, "versions": [1]}')
        (run.folder / "metrics.json").write_text('{"rows": [1, {"measurements": [{"value": "x"}]}]}')
    assert "mlp on digits" in Page(write(run.folder)[0]).words


def test_the_recipe_as_it_comes_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin(configure("cgan"))
    assert "The recipe cgan as it comes." in Page(write(run.folder)[0]).words


# ---- names from anywhere


def test_hostile_names_are_text_in_the_report(run: Run) -> None:
    run.begin(Config().with_settings({"data": HOSTILE, "recipe": HOSTILE}))
    run.note_environment({"backend": HOSTILE, "versions": {HOSTILE: HOSTILE}, "command": HOSTILE}, 0)
    write_lines(run.alarms_file, {"step": 1, "alarm": HOSTILE, "what": HOSTILE, "try": [HOSTILE, "--" + HOSTILE]})
    renamed = json.loads(json.dumps(MEASURED).replace("parzen", json.dumps(HOSTILE)[1:-1]))
    (run.folder / "metrics.json").write_text(json.dumps(renamed))
    page = Page(write(run.folder)[0])
    assert "script" not in [tag for tag, _ in page.tags]
    assert page.words.count(" ".join(HOSTILE.split())) >= 8


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


# ---- how to reproduce


def typed(command: str) -> str:
    """On one line, as a shell reads it."""
    return re.sub(r" \\\n +", " ", command)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("mlp", {}),
        ("cgan", {"seed": 3, "batch_size": 7, "loss": "minimax", "ema": {"half_life": 500}}),
        (
            "mlp",
            {"generator": {"hidden": [4, 4]}, "penalties": [], "generator_optimizer": {"lr": 1e-5}, "dtype": "float64"},
        ),
        ("gan-2014", {"data": "digits", "penalties": ["r1", {"name": "r2", "weight": 0.25}]}),
    ],
)
def test_the_command_of_a_report_plays_the_same_game(tmp_path: Path, recipe: str, settings: dict[str, Any]) -> None:
    settings = dict(settings)
    config = configure(recipe, settings.pop("data", None), **settings)
    run = Run(tmp_path / "a run")
    run.begin(config)
    checkpoint.write(run.checkpoint_file(20), {"x": np.zeros(1)}, {"steps_done": 20})
    words = shlex.split(typed(commands(read(run.folder))[1]))
    assert words[:2] == ["gankit", "train"] and words[-2:] == ["--out", "a run"]
    pairs = list(zip(words[2::2], words[3::2], strict=True))
    given = {flag.removeprefix("--"): text for flag, text in pairs if flag != "--set"}
    options = Options(
        recipe=given["recipe"], data=given["data"], seed=int(given["seed"]) if "seed" in given else None,
        set=tuple(text for flag, text in pairs if flag == "--set"), steps=int(given["steps"]),
    )  # fmt: skip
    assert configure(options.recipe or "", options.data, **options.settings()) == config and options.steps == 20


def test_a_command_changes_no_more_than_it_must(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.begin(configure("cgan", generator={"hidden": [4, 4]}, generator_optimizer={"lr": 1e-5}))
    assert typed(commands(read(run.folder))[1]) == (
        "gankit train --recipe cgan --data digits --set 'generator.hidden=[4, 4]' "
        "--set generator_optimizer.lr=1e-05 --out run"
    )


def test_the_packages_of_parts_are_installed_too(tmp_path: Path) -> None:
    from gankit import registry

    if "relativistic" not in registry.names("losses"):
        pytest.skip("gankit-relativistic is not installed")
    run = begin(tmp_path / "run", loss={"name": "conditional", "base": "relativistic"})
    assert "gankit-relativistic==" in commands(read(run.folder))[0]


# ---- curves and numbers


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](\S+?) ([^MLZh]+)", path)]


def test_a_curve_is_drawn_to_scale() -> None:
    lines = [{"step": s, "a": v} for s, v in ((0, 0.0), (50, 0.5), (100, 1.0))]
    drawn = chart("t", lines, {"a": ("A", "d")}, within=(-1.0, 2.0))
    assert drawn is not None and not drawn.curves[0].band
    (x0, y0), (x1, y1), (x2, y2) = points(drawn.curves[0].line)
    assert (x0, x2) == (drawn.left, drawn.right) and x1 == pytest.approx((x0 + x2) / 2)
    height = drawn.bottom - drawn.top  # from -1 to 2
    assert [drawn.bottom - y for y in (y0, y1, y2)] == pytest.approx([height / 3, height / 2, height * 2 / 3], abs=0.06)
    assert [tick.text for tick in drawn.x_ticks] == ["0", "20", "40", "60", "80", "100"]


def test_a_gap_is_left_where_a_term_was_not_finite() -> None:
    lines = [{"step": s, "a": None if s == 2 else 1.0} for s in range(1, 6)]
    drawn = chart("t", lines, {"a": ("A", "d")})
    assert drawn is not None and drawn.curves[0].line.count("M") == 2 and "h0" in drawn.curves[0].line


def test_many_points_become_a_mean_in_a_band() -> None:
    lines = [{"step": s, "a": float(s % 2)} for s in range(1, 10_001)]
    drawn = chart("t", lines, {"a": ("A", "d")}, within=(0.0, 1.0))
    assert drawn is not None and len(drawn.curves[0].line) < 10_000
    middle = (drawn.top + drawn.bottom) / 2
    assert all(abs(y - middle) < 3 for _, y in points(drawn.curves[0].line))
    band = [y for _, y in points(drawn.curves[0].band)]
    assert (min(band), max(band)) == (drawn.top, drawn.bottom)


def test_a_spike_does_not_flatten_the_rest() -> None:
    lines = [{"step": s, "a": 1e9 if s == 500 else math.sin(s)} for s in range(1, 1001)]
    drawn = chart("t", lines, {"a": ("A", "d")})
    assert drawn is not None
    ys = [y for _, y in points(drawn.curves[0].line)]
    assert max(ys) - min(ys) > (drawn.bottom - drawn.top) / 2 and min(ys) >= drawn.top


def test_a_level_is_within_the_axes_however_far_the_curve_is_from_it() -> None:
    drawn = chart(
        "t", [{"step": s, "a": 0.5} for s in range(1, 500)], {"a": ("A", "d")}, levels={"one": 1.0}, within=(0.0,)
    )
    assert drawn is not None
    (level,) = drawn.levels
    assert level.at == pytest.approx(drawn.bottom - (drawn.bottom - drawn.top) / 1.06)


def test_nothing_to_draw_is_no_chart() -> None:
    assert chart("t", [], {"a": ("A", "d")}) is None
    assert chart("t", [{"step": 1, "a": 1.0}], {"a": ("A", "d")}) is None
    assert chart("t", [{"step": s, "a": None} for s in (1, 2, 3)], {"a": ("A", "d")}) is None
    assert chart("t", [{"step": s, "b": 1.0} for s in (1, 2, 3)], {"a": ("A", "d")}) is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (0, "0"),
        (0.0123456, "0.01235"),
        (1.5, "1.5"),
        (1234.5, "1,234"),
        (-2.0, "\N{MINUS SIGN}2"),
        (2.5e-7, "2.5e\N{MINUS SIGN}7"),
    ],
)
def test_numbers_are_written_short(given: float, text: str) -> None:
    assert number(given) == text


def test_steps_are_written_short() -> None:
    assert [steps_text(step) for step in (0, 1500, 20_000, 3e6, 2.5e6)] == ["0", "1,500", "20k", "3M", "2.5M"]


@pytest.mark.parametrize(
    ("score", "error", "text"),
    [
        (225.134, 2.17, "225.1 ± 2.2"), (0.036441, 0.001293, "0.0364 ± 0.0013"), (12345.6, 123.4, "12,346 ± 123"),
        (0.5, None, "0.5"), (None, 1.0, "\N{EN DASH}"), (0.5, 0.0, "0.5"),
    ],
)  # fmt: skip
def test_a_number_has_the_digits_that_its_error_leaves(score: Any, error: Any, text: str) -> None:
    assert value({"value": score, "error": error}) == text


def test_what_of_a_protocol_is_alike_stands_once() -> None:
    found = table(MEASURED)
    assert found is not None
    (row,) = found.rows
    assert (row.protocol, [cell.own for cell in row.cells if cell]) == ("n=1000", ["sigma=0.2", "sigma=0.17"])
    assert found.heads == (("last, raw", "step 300"), ("last, ema", "step 300"))
    assert table({}) is None and table({"rows": []}) is None


def test_pictures_are_chosen_evenly_with_the_first_and_the_last() -> None:
    assert spread_out(range(3), 8) == [0, 1, 2]
    chosen = spread_out(range(100), 8)
    assert len(chosen) == 8 and (chosen[0], chosen[-1]) == (0, 99)
    assert {b - a for a, b in pairwise(chosen)} <= {14, 15}


def test_examples_are_told_by_their_size() -> None:
    assert [sizes_text(shape) for shape in ((28, 28, 1), (2,))] == ["28 x 28 x 1", "2 numbers an example"]


def test_levels_have_the_names_of_their_numbers() -> None:
    assert [constant(x) for x in (math.log(4), math.log(2), 0.5, 2.0)] == ["log 4", "log 2", "1/2", "2"]


# ---- the command


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def test_the_command_names_what_it_wrote(cli: Cli, run: Run) -> None:
    outcome = cli("report", "run")
    assert outcome.code == 0 and outcome.out.split() == [str(Path("run", "report.html")), str(Path("run", "README.md"))]


def test_the_command_says_what_is_no_run(cli: Cli) -> None:
    outcome = cli("report", "nowhere")
    assert outcome.code == 2 and "nowhere is no run folder" in outcome.err


@pytest.mark.parametrize(("interrupted_at", "code"), [(None, 0), (150, 130)])
def test_training_ends_in_a_report(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, interrupted_at: int | None, code: int
) -> None:
    from gankit.cli import train

    monkeypatch.setattr(train, "_opened", lambda options, new: (begun(tmp_path / "run"), Playing(interrupted_at)))
    assert cli("train", "--steps", "200", "--log-every", "50", "--out", "run").code == code
    assert "Losses" in Page(tmp_path / "run" / "report.html").words and (tmp_path / "run" / "README.md").is_file()


def test_a_run_does_not_fail_for_want_of_a_report(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from gankit.cli import train

    monkeypatch.setattr(train, "_opened", lambda options, new: (begun(tmp_path / "run"), Playing()))
    monkeypatch.setattr("gankit.report.write", lambda folder: 1 / 0)
    outcome = cli("train", "--steps", "50", "--out", "run")
    assert outcome.code == 0 and outcome.err.count("report") == 2
    assert "could not be written (ZeroDivisionError" in outcome.err and "gankit report" in outcome.err


def test_a_report_imports_no_framework(run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from gankit.report import write; "
        f"write(Path({str(run.folder)!r})); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "jax", "flax", "optax", "matplotlib"} & set(modules)


@pytest.mark.parametrize("value", [0.0, 2.0, -3.0])
def test_a_flat_curve_has_axes_too(value: float) -> None:
    lines = [{"step": step, "r1": value} for step in (100, 200, 300)]
    for within in ((), (value,)):
        drawn = chart("Penalties", lines, {"r1": ("r1", "p0")}, within=within)
        assert drawn is not None
        heights = {y for _, y in points(drawn.curves[0].line)}
        assert len(heights) == 1
        assert drawn.top < heights.pop() < drawn.bottom


def test_a_lazy_penalty_that_the_log_never_meets_is_no_curve(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(Config().to_toml())
    lines = [
        {"step": step, "d_loss": 1.0, "g_loss": 1.0, "D(x)": 0.5, "D(G(z))": 0.5, "r1": 0.0} for step in (100, 200)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = write(tmp_path)[0].read_text("utf-8")
    assert "Losses" in page and "Penalties" not in page
