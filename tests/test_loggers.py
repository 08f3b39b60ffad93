"""Loggers are told what the log is told, never twice, and none of them can end a run."""

from __future__ import annotations

import re
import signal
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gankit.config import Config
from gankit.errors import PluginError, UnknownNameError
from gankit.play.interrupt import Asked
from gankit.plug import registry
from gankit.runs.loggers import Loggers, TensorBoard, open_loggers
from tests.cli_runner import Cli
from tests.playing import Playing, begun


class Remembering:
    """What it was told, and where it fails if asked to."""

    def __init__(self, fails_in: str = "", error: BaseException | None = None) -> None:
        self.told: list[Any] = []
        self._fails_in, self._error = fails_in, error or RuntimeError("the server is down")

    def _note(self, method: str, *told: Any) -> None:
        self.told.append((method, *told))
        if method == self._fails_in:
            raise self._error

    def start(self, folder: Path, config: Config, step: int) -> None:
        self._note("start", folder, step)

    def log(self, step: int, terms: Mapping[str, float]) -> None:
        self._note("log", step, dict(terms))

    def finish(self) -> None:
        self._note("finish")


def play(loggers: Mapping[str, Any], folder: Path = Path("run"), steps: int = 2) -> list[str]:
    said: list[str] = []
    logs = Loggers(loggers, folder, 10, said.append)
    with logs.start(Config(), 20):
        for i in range(1, steps + 1):
            logs(None, 20 + 10 * i, {"d_loss": float(i)})
    return said


def test_a_logger_is_started_told_and_finished() -> None:
    logger = Remembering()
    assert play({"mine": logger}) == []
    assert logger.told == [
        ("start", Path("run"), 20),
        ("log", 30, {"d_loss": 1.0}),
        ("log", 40, {"d_loss": 2.0}),
        ("finish",),
    ]


def test_a_logger_is_finished_when_the_run_is_interrupted() -> None:
    logger = Remembering()
    with pytest.raises(KeyboardInterrupt), Loggers({"mine": logger}, Path("run"), 10, print).start(Config(), 0):
        raise KeyboardInterrupt
    assert logger.told[-1] == ("finish",)


@pytest.mark.parametrize("method", ["start", "log", "finish"])
@pytest.mark.parametrize("error", [RuntimeError("down"), SystemExit(3)], ids=["error", "exit"])
def test_a_logger_that_fails_is_said_once_and_asked_no_more(method: str, error: BaseException) -> None:
    broken, well = Remembering(method, error), Remembering()
    said = play({"broken": broken, "well": well})
    assert len(said) == 1 and "'broken' failed in " + method in said[0] and "switched off" in said[0]
    assert [name for name, *_ in broken.told].count(method) == 1 and broken.told[-1][0] == method
    assert [name for name, *_ in well.told] == ["start", "log", "log", "finish"]


def test_ctrl_c_inside_a_logger_is_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt):
        play({"mine": Remembering("log", KeyboardInterrupt())})


def test_on_the_command_line_a_logger_s_own_is_told_from_ctrl_c() -> None:
    """There a signal raises `Stopped`, so what a logger raises by itself switches the logger off."""
    with Asked().taken((signal.SIGINT,)):
        said = play({"mine": Remembering("log", KeyboardInterrupt())})
    assert len(said) == 1 and "'mine' failed in log" in said[0]


def test_the_logger_of_the_guide_works(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "reading-a-run.md").read_text("utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "class Printer" in block)
    space: dict[str, Any] = {}
    exec(code, space)
    assert play({"printer": space["Printer"]()}) == []
    assert capsys.readouterr().out.splitlines() == [
        "mlp on digits, from step 20",
        "30 1.0",
        "40 2.0",
        "done",
    ]


def events(folder: Path) -> list[Any]:
    """All events of a folder's files, oldest file first. A record: length, checksum, bytes, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            found.append(Event.FromString(content[at + 12 : at + 12 + length]))
            at += 16 + length
    return found


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points that TensorBoard shows: where a session starts at a step, those from there on are hidden."""
    points: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        if event.HasField("session_log"):
            points = {name: [p for p in series if p[0] < event.step] for name, series in points.items()}
        for value in event.summary.value:
            if value.HasField("simple_value"):
                points.setdefault(value.tag, []).append((event.step, value.simple_value))
    return points


def test_tensorboard_has_each_term_once_after_a_resume(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")

    def session(start: int, steps: list[int]) -> None:
        board = TensorBoard()
        board.start(tmp_path, Config(), start)
        for step in steps:
            board.log(step, {"d_loss": step / 8, "D(G(z))": 0.5})
        board.finish()

    session(0, [10, 20, 30])  # the last checkpoint is of step 20
    session(20, [30, 40])
    assert shown(tmp_path / "tensorboard") == {
        "d_loss": [(10, 1.25), (20, 2.5), (30, 3.75), (40, 5.0)],
        "D/fake": [(step, 0.5) for step in (10, 20, 30, 40)],
    }


def test_tensorboard_has_the_config_as_text(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    board = TensorBoard("elsewhere")
    board.start(tmp_path, Config(), 0)
    board.finish()
    texts = [
        value.tensor.string_val[0].decode()
        for event in events(tmp_path / "elsewhere")
        for value in event.summary.value
        if "config" in value.tag
    ]
    assert len(texts) == 1 and '    recipe = "mlp"' in texts[0]


def test_without_tensorboardx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(PluginError, match=r"pip install 'gankit\[tensorboard\]'"):
        open_loggers(["tensorboard"])


def test_loggers_are_parts_like_any_other() -> None:
    assert "tensorboard" in registry.names("loggers")
    with pytest.raises(UnknownNameError, match="Did you mean 'tensorboard'"):
        open_loggers(["tensorbord"])


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def test_a_misspelt_logger_leaves_no_folder(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("train", "--logger", "tensorbord")
    assert outcome.code == 2 and "Did you mean 'tensorboard'" in outcome.err
    assert not list(tmp_path.iterdir())


def test_the_command_line_hands_terms_to_a_third_partys_logger(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A logger from elsewhere, on a trainer that needs no framework."""
    from gankit.cli import train

    logger = Remembering()
    load = registry.load
    monkeypatch.setattr(
        registry, "load", lambda kind, name: (lambda: logger) if kind == "loggers" else load(kind, name)
    )
    monkeypatch.setattr(train, "_opened", lambda *told: (begun(tmp_path / "run"), Playing()))
    outcome = cli("train", "--logger", "theirs", "--steps", "200", "--out", "run")
    assert outcome.code == 0, outcome.err
    assert [name for name, *_ in logger.told] == ["start", "log", "log", "finish"]
    assert logger.told[0] == ("start", tmp_path / "run", 0)
    assert [step for name, step, *_ in logger.told[1:3]] == [100, 200]
