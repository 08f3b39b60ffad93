"""A report is one file, tells what is there, escapes what it is told, and is the same every time."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from gankit import checkpoint
from gankit.building import configure
from gankit.config import Config
from gankit.errors import ConfigError
from gankit.report import write
from gankit.runs.folder import Run
from tests.report.folders import HOSTILE, MEASURED, Page, begin, write_lines


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
    assert "mlp on digits" in words and "All settings are those of the recipe mlp" not in words  # it is not
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
    assert "All settings are those of the recipe cgan." in Page(write(run.folder)[0]).words


def test_hostile_names_are_text_in_the_report(run: Run) -> None:
    run.begin(Config().with_settings({"data": HOSTILE, "recipe": HOSTILE}))
    run.note_environment({"backend": HOSTILE, "versions": {HOSTILE: HOSTILE}, "command": HOSTILE}, 0)
    write_lines(run.alarms_file, {"step": 1, "alarm": HOSTILE, "what": HOSTILE, "try": [HOSTILE, "--" + HOSTILE]})
    renamed = json.loads(json.dumps(MEASURED).replace("parzen", json.dumps(HOSTILE)[1:-1]))
    (run.folder / "metrics.json").write_text(json.dumps(renamed))
    page = Page(write(run.folder)[0])
    assert "script" not in [tag for tag, _ in page.tags]
    assert page.words.count(" ".join(HOSTILE.split())) >= 8


def test_pictures_end_with_the_last_step(run: Run) -> None:
    """Which is seldom a multiple of --sample-every."""
    words = Page(write(run.folder)[0]).words
    assert "Random samples of step 300, the last" in words and words.count("step 300") > 0
    before = captions(run)
    assert before == ["step 100", "step 200", "step 300"]
    arrays, meta = checkpoint.read(run.checkpoint_file(300))
    checkpoint.write(run.checkpoint_file(350), arrays, {**meta, "steps_done": 350})
    assert captions(run) == [*before, "step 350"]
    report, card = write(run.folder)
    last = f"data:image/png;base64,{base64.b64encode(run.picture.read_bytes()).decode()}"
    shown = [attributes for tag, attributes in Page(report).tags if tag == "img"]
    assert [each["alt"] for each in shown if each["src"] == last] == ["Samples after 350 steps"] * 2
    assert "samples of step 350" in card.read_text("utf-8")


def captions(run: Run) -> list[str]:
    page = Page(write(run.folder)[0]).text
    return re.findall(r"step \d+", page[page.index("Samples over time") : page.index("Losses")])


def test_a_picture_of_an_earlier_end_is_not_taken_for_the_last(run: Run) -> None:
    """Interrupted and drawn at step 300, resumed from 200, and killed: the picture is of no state there is."""
    run.rewind(200)
    assert captions(run) == ["step 100", "step 200"]
    assert "samples/step-000200.png" in write(run.folder)[1].read_text("utf-8")
