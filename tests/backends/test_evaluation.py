"""Games measured, in a notebook, from the command line and while they train."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from gankit.metrics import Evaluate, Evidence, Measurement, NotMeasurable
from gankit.metrics.bench import Bench
from gankit.plug.capabilities import BFLOAT16
from gankit.runs.folder import Run
from tests.backends.capable import need
from tests.cli_runner import Cli

SMALL: dict[str, Any] = {"generator": {"hidden": [8]}, "discriminator": {"hidden": [8]}, "batch_size": 16}


def game(backend: str, **settings: Any) -> Any:
    return gankit.build(backend, **{"data": "ring", **SMALL, **settings})


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


@dataclass
class Radius:
    """How far the samples' mean distance from the origin is from that of a split: quick, and right on every backend."""

    split: str = "test"
    name: str = "radius"
    seen: list[Evidence] = field(default_factory=list)

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        self.seen.append(evidence)
        got, want = (np.linalg.norm(x, axis=1).mean() for x in (evidence.samples, evidence.split(self.split).x))
        protocol = {"n": len(evidence.samples), "split": self.split}
        yield Measurement("radius", float(abs(got - want)), protocol, better="lower", details={"got": got})


class Absent:
    name = "absent"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        raise NotMeasurable("there is no weather")


class Broken:
    name = "broken"

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        yield Measurement("half", 1.0)
        raise ZeroDivisionError("by nothing")


# ---- what is measured


def test_metrics_see_samples_of_both_weights_in_the_datas_units(backend):
    trainer, metric = game(backend, ema=0.9).fit(steps=5), Radius()
    found = gankit.evaluate(trainer, n=50, seed=3, metrics=metric)
    assert [(row.checkpoint, row.step, row.weights) for row in found] == [("now", 5, "raw"), ("now", 5, "ema")]
    raw, ema = metric.seen
    np.testing.assert_array_equal(raw.samples, trainer.sample(50, seed=3, ema=False))
    np.testing.assert_array_equal(ema.samples, trainer.sample(50, seed=3, ema=True))
    assert raw.labels is None and raw.extractor is None and raw.look is None
    np.testing.assert_array_equal(raw.score(raw.samples), trainer.score(raw.samples))
    want = abs(np.linalg.norm(raw.samples, axis=1).mean() - np.linalg.norm(raw.split("test").x, axis=1).mean())
    assert found[0]["radius"].value == want and found[0]["radius"].label == "radius[n=50, split=test]"


def test_classes_are_asked_for_as_often_as_the_training_data_has_them(backend):
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 3000, p=[0.5, 0.3, 0.2, 0.0])
    trainer = game(backend, recipe="cgan", data=(rng.normal(size=(3000, 3)), labels), num_classes=4, ema=0.0)
    metric = Radius(split="train")
    for seed in (0, 0, 1):
        gankit.evaluate(trainer, n=2000, seed=seed, metrics=metric)
    first, again, other = (evidence.labels for evidence in metric.seen)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_allclose(np.bincount(first, minlength=4) / 2000, [0.5, 0.3, 0.2, 0.0], atol=0.04)
    np.testing.assert_array_equal(metric.seen[0].samples, trainer.sample(2000, labels=first, seed=0))
    assert metric.seen[0].score is None, "D of a conditional game wants labels too"


def test_a_metric_that_does_not_apply_or_breaks_leaves_the_others_alone(backend):
    [row] = gankit.evaluate(game(backend, ema=0.0), n=10, metrics=[Absent(), Broken(), Radius()])
    assert [m.metric for m in row.measurements] == ["radius"]
    assert row.skipped == (("absent", "there is no weather"),)
    assert row.failed == (("broken", f"{__name__}: ZeroDivisionError: by nothing"),)
    with pytest.raises(gankit.UnknownNameError, match="'absent' was not measured: there is no weather"):
        row["absent"]


def test_data_without_a_test_split_is_compared_with_what_there_is_and_says_so(backend):
    trainer = game(backend, data=np.random.default_rng(0).normal(size=(60, 2)), ema=0.0)
    metric = Radius(split="train")
    found = gankit.evaluate(trainer, n=10, metrics=[metric])
    assert found.split == "train"
    [row] = gankit.evaluate(trainer, n=10, metrics=[Radius()])
    assert row.skipped == (("radius", "array has no split 'test'; possible: 'train'."),)


def test_pictures_are_shown_to_the_extractor_as_bytes_and_only_once(backend):
    """The extractor fits by shape. Floats in [0, 1] are shown as the bytes they stand for."""
    grey = np.random.default_rng(0).integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    trainer = game(backend, data=(grey / 255).astype(np.float32), ema=0.0)
    seen: list[np.ndarray] = []

    class Looks:
        name = "looks"

        def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
            assert evidence.extractor is not None and evidence.look is not None
            real = evidence.split("train").x
            seen.append(evidence.look(real)[0])
            assert evidence.look(real)[0] is seen[-1]
            assert evidence.look(evidence.samples)[1].shape == (12, 10)
            yield Measurement("looks", 0.0, {"features": evidence.extractor.name})

    [row] = gankit.evaluate(trainer, n=12, metrics=[Looks()])
    assert row["looks"].label == "looks[features=mnist-cnn]"
    from gankit.metrics.cnn import MnistCnn

    np.testing.assert_array_equal(seen[0], MnistCnn().open(trainer.backend)(grey)[0])


def test_an_extractor_that_the_backend_has_no_layers_for_is_a_reason_to_skip(backend, monkeypatch):
    from gankit.metrics.cnn import MnistCnn

    def refuse(self: Any, opened: Any) -> Any:
        raise gankit.errors.CapabilityError("no convolutions here", "layer:Conv")

    monkeypatch.setattr(MnistCnn, "open", refuse)
    grey = np.random.default_rng(0).integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    [row] = gankit.evaluate(game(backend, data=grey, ema=0.0), n=12, metrics=["frechet", "class-balance"])
    assert [name for name, _ in row.skipped] == ["frechet", "class-balance"] and not row.failed
    assert row.skipped[0][1] == "The extractor mnist-cnn cannot be opened here: no convolutions here"


def test_what_is_wrong_with_an_extractor_is_said_at_once_where_it_was_asked_for(backend, monkeypatch):
    from gankit.metrics.cnn import MnistCnn

    def refuse(self: Any, opened: Any) -> Any:
        raise gankit.DataError("its weights cannot be fetched")

    monkeypatch.setattr(MnistCnn, "open", refuse)
    grey = np.random.default_rng(0).integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    trainer, metrics = game(backend, data=grey, ema=0.0), ["frechet", "ms-ssim"]
    with pytest.raises(gankit.DataError, match="its weights cannot be fetched"):
        gankit.evaluate(trainer, n=12, metrics=metrics, extractor="mnist-cnn")
    [row] = gankit.evaluate(trainer, n=12, metrics=metrics)
    assert [name for name, _ in (*row.failed, *row.skipped)] == ["frechet"], "of the default only what needs it fails"
    assert row["ms-ssim"].value


def test_numbers_do_not_depend_on_the_precision_of_the_game(backend):
    need(backend, BFLOAT16)
    bench = Bench(game(backend, precision="bfloat16"), metrics=[])
    assert bench.backend.name == backend and getattr(bench.backend, "precision", "full") == "full"
    assert bench.backend.dtype == "float32"


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"metrics": "radios"}, gankit.UnknownNameError, "No 'radios' among the metrics"),
        ({"metrics": {"split": "test"}}, gankit.ConfigError, "needs a 'name'"),
        ({"metrics": {"name": "class-balance", "lest": 1}}, gankit.ConfigError, "Did you mean 'least'"),
        ({"n": 0}, gankit.ConfigError, "n=0: expected one sample or more"),
        ({"weights": "ema"}, gankit.ConfigError, "no moving average"),
        ({"weights": "both of them"}, gankit.ConfigError, "'raw', 'ema' or 'both'"),
        ({"checkpoint": "last"}, gankit.ConfigError, "measured as it is"),
        ({"extractor": "mnist-cnn"}, gankit.ShapeError, r"looks at examples of shape \(28, 28, 1\)"),
        ({"extractor": "inception"}, gankit.UnknownNameError, "No 'inception' among the extractors"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is(backend, wrong, error, message):
    with pytest.raises(error, match=message):
        gankit.evaluate(game(backend, ema=0.0), **{"n": 10, **wrong})


# ---- while it trains


def trained(backend: str, folder: Path, steps: int) -> Any:
    evaluate = Evaluate(folder, every=10, metric=Radius(split="validation"), n=200)
    return game(backend, ema=0.5, seed=3).fit(steps=steps, callbacks=[evaluate])


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]


def test_a_line_every_so_many_steps_and_the_best_checkpoint_is_kept(backend, tmp_path):
    trained(backend, tmp_path, 65)
    found = lines(tmp_path)
    assert [line["step"] for line in found] == [10, 20, 30, 40, 50, 60]
    values = [line["value"] for line in found]
    assert [line["best"] for line in found] == [value == min(values[: i + 1]) for i, value in enumerate(values)]
    best = found[int(np.argmin(values))]
    header = checkpoint.read(tmp_path / "checkpoints" / "best.safetensors")[1]
    assert header["best"] == {key: best[key] for key in ("step", "weights", "metric", "label", "value")}
    assert best["label"] == "radius[n=200, split=validation]" and best["weights"] == "ema"

    again = gankit.load(tmp_path / "checkpoints" / "best.safetensors")
    assert again.steps_done == best["step"]
    [row] = gankit.evaluate(again, n=200, weights="ema", metrics=[Radius(split="validation")])
    assert row["radius"].value == best["value"]


def test_measuring_changes_nothing_about_the_game(backend, tmp_path):
    trainer = trained(backend, tmp_path / "run", 25)
    plain = game(backend, ema=0.5, seed=3).fit(steps=25)
    (a, _), (b, _) = (checkpoint.read(t.save(tmp_path / name)) for t, name in ((trainer, "a"), (plain, "b")))
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_the_best_checkpoint_is_never_taken_for_the_latest(backend, tmp_path):
    trainer = trained(backend, tmp_path, 30)
    trainer.save(Run(tmp_path).checkpoint_file(30))
    assert [path.stem for path in Run(tmp_path).checkpoints()][-1] == "step-000030"
    assert gankit.load(tmp_path).steps_done == 30
    assert Run(tmp_path).best_checkpoint not in Run(tmp_path).checkpoints()


def test_a_copy_that_a_killed_process_did_not_come_to_is_made_up_for(backend, tmp_path):
    trained(backend, tmp_path, 30)
    best, whole = Run(tmp_path).best_checkpoint, Run(tmp_path).best_checkpoint.read_bytes()
    best.unlink()
    Evaluate(tmp_path).take_up()
    assert best.read_bytes() == whole
    best.write_bytes(whole[:-5])
    Evaluate(tmp_path).take_up()
    assert best.read_bytes() == whole


def test_what_lies_beyond_the_checkpoint_taken_up_is_dropped(backend, tmp_path):
    trained(backend, tmp_path, 30)
    run, found = Run(tmp_path), lines(tmp_path)
    step = checkpoint.read(run.best_checkpoint)[1]["steps_done"]
    run.rewind(step)
    assert run.best_checkpoint.is_file() and lines(tmp_path) == [line for line in found if line["step"] <= step]
    run.rewind(step - 1)
    assert not run.best_checkpoint.exists() and all(line["step"] < step for line in lines(tmp_path))


def test_a_number_that_is_none_is_never_the_best(backend, tmp_path):
    class Odd:
        name = "odd"

        def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
            yield Measurement("odd", next(numbers), better="higher")

    numbers = iter([float("nan"), 2.0, float("inf"), 2.0, 3.0])
    evaluate = Evaluate(tmp_path, every=1, metric=Odd(), n=2)
    game(backend).fit(steps=5, callbacks=[evaluate])
    assert [line["value"] for line in lines(tmp_path)] == [None, 2.0, None, 2.0, 3.0]
    assert [line["best"] for line in lines(tmp_path)] == [False, True, False, False, True]
    assert evaluate.best is not None and evaluate.best["step"] == 5


def test_of_several_numbers_the_one_that_was_named_decides(backend, tmp_path):
    class Two:
        name = "two"

        def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
            yield Measurement("up", next(rising), better="lower")
            yield Measurement("down", next(falling), better="lower")
            yield Measurement("neither", 0.0)

    rising, falling = iter(np.arange(9.0)), iter(-np.arange(9.0))
    game(backend).fit(steps=2, callbacks=[Evaluate(tmp_path, every=1, metric=Two(), by="down", n=2)])
    assert [(line["metric"], line["best"]) for line in lines(tmp_path)] == [("down", True), ("down", True)]
    assert [m["metric"] for m in lines(tmp_path)[0]["measurements"]] == ["up", "down", "neither"]
    with pytest.raises(gankit.ConfigError, match="Possible: 'down', 'up'"):
        game(backend).fit(steps=1, callbacks=[Evaluate(tmp_path, every=1, metric=Two(), by="neither", n=2)])


def test_a_metric_that_fails_is_told_once_and_training_goes_on(backend, tmp_path):
    said: list[str] = []
    trainer = game(backend).fit(steps=4, callbacks=[Evaluate(tmp_path, every=2, metric=Broken(), n=2, say=said.append)])
    assert trainer.steps_done == 4 and not (tmp_path / "evaluations.jsonl").exists()
    assert said == [f"Not measured while training: broken: {__name__}: ZeroDivisionError: by nothing"]


def test_the_test_split_chooses_nothing(tmp_path):
    with pytest.raises(gankit.ConfigError, match="it cannot judge"):
        Evaluate(tmp_path, split="test")


def test_lines_of_a_game_played_before_make_way(backend, tmp_path):
    trained(backend, tmp_path, 30)
    before = lines(tmp_path)
    with open(tmp_path / "evaluations.jsonl", "a") as file:
        file.write('{"step": 35, "val')  # torn
    trained(backend, tmp_path, 20)
    assert lines(tmp_path) == before[:2]


# ---- from the command line


def arguments(backend: str, out: str, steps: int) -> list[str]:
    small = ["--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--set", "batch_size=16"]
    every = ["--checkpoint-every", "15", "--evaluate-every", "10", "--evaluate", "parzen"]
    return ["train", "--backend", backend, "--data", "ring", *small, *every, "--steps", str(steps), "--out", out]


def traces(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("evaluations.jsonl", "checkpoints/best.safetensors")}


def test_a_run_stopped_anywhere_keeps_the_lines_and_the_best_of_the_uninterrupted_run(cli, backend, tmp_path):
    assert cli(*arguments(backend, "whole", 40)).code == 0
    whole = traces(tmp_path / "whole")
    assert [json.loads(line)["step"] for line in whole["evaluations.jsonl"].splitlines()] == [10, 20, 30, 40]
    best = [json.loads(line)["step"] for line in whole["evaluations.jsonl"].splitlines() if json.loads(line)["best"]]

    assert cli(*arguments(backend, "run", best[-1])).code == 0
    run = Run(tmp_path / "run")
    shutil.copytree(run.folder, tmp_path / "killed")

    # Killed between the checkpoint of the best step and its copy: the copy is made up for.
    run.best_checkpoint.unlink()
    if best[-1] < 40:
        assert cli(*arguments(backend, "run", 40)).code == 0
        assert traces(run.folder) == whole

    # Killed, and what came after the last whole checkpoint is lost: its lines go, and come again.
    killed = Run(tmp_path / "killed")
    for path in killed.checkpoints()[1:]:
        path.unlink()
    outcome = cli(*arguments(backend, "killed", 40))
    assert outcome.code == 0 and "Resuming killed" in outcome.out and "Best: step" in outcome.out
    assert traces(killed.folder) == whole


def test_evaluate_writes_a_table_and_a_file(cli, backend, tmp_path):
    assert cli(*arguments(backend, "run", 20)).code == 0
    outcome = cli("evaluate", "run", "--metric", "parzen", "--metric", "conditional-accuracy", "--n", "100")
    assert outcome.code == 0 and "last, ema" in outcome.out and "best, raw" in outcome.out
    assert "n=100" in outcome.out and "skipped conditional-accuracy: The game is not conditional" in outcome.out
    assert "measuring last, raw" in outcome.err
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {key: found[key] for key in ("format", "gankit", "data", "backend", "n", "seed", "split")} == {
        "format": 1, "gankit": gankit.__version__, "data": "ring", "backend": backend, "n": 100, "seed": 0,
        "split": "test",
    }  # fmt: skip
    rows = found["rows"]
    assert [(row["checkpoint"], row["weights"]) for row in rows] == [
        ("last", "raw"), ("last", "ema"), ("best", "raw"), ("best", "ema"),
    ]  # fmt: skip
    assert rows[0]["step"] == 20 and rows[0]["failed"] == []
    [measurement] = rows[0]["measurements"]
    assert measurement.keys() == {"metric", "label", "value", "error", "better", "protocol", "details"}
    assert rows[0]["skipped"][0].keys() == {"metric", "reason"}

    printed = cli("evaluate", "run", "--metric", "parzen", "--n", "100", "--json", "--checkpoint", "20")
    assert json.loads(printed.out)["rows"][0]["checkpoint"] == "step-000020"
    assert json.loads(printed.out)["rows"][0]["measurements"] == rows[0]["measurements"]


def test_what_is_broken_or_interrupted_is_told(cli, backend, tmp_path, monkeypatch):
    from gankit.metrics.parzen import Parzen

    def broken(self: Any, evidence: Evidence) -> Any:
        raise raised

    trainer = game(backend, ema=0.0).fit(steps=3)
    trainer.save(Run(tmp_path / "run").checkpoint_file(3))
    assert cli("evaluate", "run", "--metric", "parzen", "--n", "50").code == 0
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    monkeypatch.setattr(Parzen, "__call__", broken)
    raised: BaseException = KeyboardInterrupt()
    outcome = cli("evaluate", "run", "--metric", "parzen", "--n", "50")
    assert outcome.code == 130 and "metrics.json stays as it was" in outcome.err
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before
    raised = ValueError("no such luck")
    outcome = cli("evaluate", "run", "--metric", "parzen", "--metric", "class-balance", "--n", "50")
    assert outcome.code == 1 and "skipped class-balance" in outcome.out
    assert f"parzen failed: gankit {gankit.__version__}: ValueError: no such luck" in outcome.err
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before


def test_columns_that_find_no_room_go_into_a_table_of_their_own(cli, backend, monkeypatch):
    assert cli(*arguments(backend, "run", 30), "--checkpoint-every", "10").code == 0
    monkeypatch.setenv("COLUMNS", "60")
    outcome = cli(
        "evaluate", "run", "--metric", "sliced-wasserstein", "--n", "100", "--checkpoint", "all", "--weights", "raw"
    )
    lines = outcome.out.splitlines()
    assert max(map(len, lines[:-1])) <= 60  # the last says where the details are
    heads = [line.split(", raw")[:-1] for line in lines if ", raw" in line]
    assert [head.strip() for line in heads for head in line] == ["step-000010", "step-000020", "step-000030", "best"]
    assert len(heads) > 1 and sum(line.startswith("sliced-wasserstein") for line in lines) == len(heads)


def test_what_measures_nothing_leaves_the_numbers_that_are_there(cli, backend, tmp_path):
    trainer = game(backend, ema=0.0).fit(steps=3)
    trainer.save(Run(tmp_path / "run").checkpoint_file(3))
    outcome = cli("evaluate", "run", "--metric", "frechet", "--metric", "precision-recall", "--n", "50")
    assert outcome.code == 1 and not (tmp_path / "run" / "metrics.json").exists()
    assert "skipped frechet, precision-recall: No extractor is installed" in outcome.out
    assert "Nothing was measured: nothing is written." in outcome.err
    assert cli("evaluate", "run", "--metric", "parzen", "--n", "50").code == 0
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    outcome = cli("evaluate", "run", "--metric", "frechet", "--n", "50")
    assert outcome.code == 1 and "metrics.json stays as it was" in outcome.err
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "best"], "it was trained without --evaluate-every"),
        (["--split", "tset"], "ring has no split 'tset'; possible: 'test', 'train', 'validation'."),
        (["--checkpoint", "7"], "no checkpoint of step 7. There: 3"),
        (["--checkpoint", "worst"], "possible are 'last', 'best', 'all', or a step"),
        (["--metric", "parson"], "Did you mean 'parzen'"),
    ],
)
def test_a_checkpoint_or_metric_that_is_not_there_is_one_clear_error(cli, backend, tmp_path, arguments, message):
    game(backend).fit(steps=3).save(Run(tmp_path / "run").checkpoint_file(3))
    outcome = cli("evaluate", "run", *arguments)
    assert outcome.code == 2 and message in outcome.err


def test_a_metric_is_checked_before_a_run_is_begun(cli, tmp_path):
    outcome = cli("train", "--evaluate", "parson", "--evaluate-every", "10")
    assert outcome.code == 2 and "Did you mean 'parzen'" in outcome.err and not (tmp_path / "runs").exists()
    outcome = cli("train", "--evaluate", "parzen")
    assert outcome.code == 2 and "--evaluate-every STEPS" in outcome.err


def test_the_demo_s_game_is_measured_in_full_with_real_digits_beside_it(cli, backend, tmp_path):
    game = gankit.build(backend, "cgan", data="digits").fit(steps=60)
    game.save(Run(tmp_path / "run").checkpoint_file(60))
    outcome = cli("evaluate", "run", "--n", "300", "--weights", "raw")
    assert outcome.code == 0, outcome
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())["rows"][0]
    measured = {each["metric"] for each in found["measurements"]}
    assert {"frechet", "frechet-of-data", "conditional-accuracy", "precision", "parzen", "parzen-of-data"} <= measured
    skipped = len(found["skipped"])
    assert 0 < skipped < 14 and f"{skipped} metrics do not apply to this game" in outcome.out
    assert "skipped" not in outcome.out
    without = cli("evaluate", "run", "--n", "300", "--weights", "raw", "--no-calibrate", "--json")
    assert not any(each["metric"].endswith("-of-data") for each in json.loads(without.out)["rows"][0]["measurements"])
