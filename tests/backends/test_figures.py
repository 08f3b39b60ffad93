"""Figures of real games, from the command line and from Python, on every backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gankit
from gankit import figures
from gankit.data.toys import gaussian
from gankit.figures.one_dimension import replayed
from gankit.figures.plane import surface
from gankit.figures.theory import Equilibrium, equilibrium
from gankit.play.streams import Streams
from tests.cli_runner import Cli

SMALL: dict[str, Any] = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}}

pytest.importorskip("matplotlib", reason="figures with axes are drawn with matplotlib")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


@pytest.fixture(scope="module")
def digits(backend: str) -> Any:
    return gankit.build(backend=backend, recipe="cgan", **SMALL).fit(steps=20)


@pytest.fixture(scope="module")
def line(backend: str) -> Any:
    return gankit.build(backend=backend, data=gaussian(n=500), latent_dim=1, ema=0.9, **SMALL).fit(steps=40)


def test_a_replayed_run_is_the_run(line: Any) -> None:
    before = line.sample(50, seed=1), line.sample(50, seed=1, ema=False)
    for player in replayed(line, [0, 7, 40], line.data):
        after = player.sample(50, seed=1), player.sample(50, seed=1, ema=False)
    assert player is not line and line.steps_done == 40
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(before, (line.sample(50, seed=1), line.sample(50, seed=1, ema=False)))


def test_a_loaded_run_is_replayed_from_its_data(backend: str, line: Any, tmp_path: Path) -> None:
    loaded = gankit.load(line.save(tmp_path / "line"), backend=backend)
    film = figures.game_1d(loaded, frames=2, data=gaussian(n=500))
    assert list(film.steps) == [0, 40] and film.gif() == figures.game_1d(line, frames=2).gif()


def test_every_figure_of_images_is_drawn_and_the_same_twice(digits: Any) -> None:
    for draw in (figures.samples, figures.interpolation, figures.classes):
        assert draw(digits, rows=2)._repr_png_() == draw(digits, rows=2)._repr_png_()


def test_interpolation_ends_in_what_g_makes_of_its_ends(digits: Any) -> None:
    z = Streams(0).first_latents("figures/interpolation", 2, 32, "normal")
    ends = digits.spec.scaling.to_user(digits.generate(z, np.zeros(2, np.int32)))
    picture = figures.interpolation(digits, rows=1, columns=3)
    np.testing.assert_array_equal(picture[:64:8, :64:8, :1], ends[0])
    np.testing.assert_array_equal(picture[:64:8, -64::8, :1], ends[1])


def test_the_surface_of_a_real_d_is_its_sigmoid(backend: str) -> None:
    trainer: Any = gankit.build(backend=backend, data="ring", **SMALL)
    x, y = np.array([-1.0, 2.0]), np.array([0.5])
    logits = trainer.score(np.array([[-1.0, 0.5], [2.0, 0.5]]))
    np.testing.assert_allclose(surface(trainer, x, y), [1 / (1 + np.exp(-logits))], rtol=1e-5)


def test_the_command_draws_every_figure_that_applies(cli: Cli, backend: str, tmp_path: Path) -> None:
    hidden = ["--set", "generator.hidden=[16]", "--set", "discriminator.hidden=[16]", "--steps", "20", "--out", "run"]
    assert cli("train", "--backend", backend, "--recipe", "cgan", "--log-every", "5", *hidden).code == 0
    for name in ("samples", "interpolation", "classes", "curves"):
        outcome = cli("figure", name, "run")
        path = Path("run") / "figures" / f"{name}.png"
        assert outcome == (0, f"{path}\n", "")
        with Image.open(tmp_path / path) as picture:
            assert picture.format == "PNG" and picture.width > 300 and not picture.info.keys() & {"Software", "Date"}
    refused = cli("figure", "game-1d", "run")
    assert refused.code == 2 and "'classes', 'curves', 'interpolation', 'samples'" in refused.err
    assert cli("figure", "samples", "run", "--step", "99").err.startswith("error: run has no checkpoint of step 99")


def test_a_checkpoint_draws_into_the_folder_of_its_run(cli: Cli, backend: str, tmp_path: Path) -> None:
    small = ["--set", "generator.hidden=[8]", "--set", "discriminator.hidden=[8]", "--steps", "6", "--out", "run"]
    assert cli("train", "--backend", backend, "--data", "gaussian-1d", *small).code == 0
    outcome = cli("figure", "game-1d", "run/checkpoints/step-000006.safetensors", "--frames", "3")
    folder = Path("run") / "figures"
    assert outcome.out.splitlines() == [str(folder / name) for name in ("game-1d.png", "game-1d.gif", "game-1d")]
    frames = sorted(path.name for path in (tmp_path / folder / "game-1d").iterdir())
    assert frames == ["step-000000.png", "step-000002.png", "step-000006.png"]


@pytest.mark.parametrize(
    "loss", ["wasserstein", "hinge", "least-squares", "one-sided-smoothing", "relativistic", "relativistic-average"]
)
def test_plugins_with_another_objective_have_no_line(loss: str) -> None:
    if loss not in {row.name for row in gankit.plugins().rows if row.kind == "losses"}:
        pytest.skip(f"no plugin brings {loss}")
    assert equilibrium(gankit.Config().with_settings({"loss": loss})) == Equilibrium()


def test_a_notebook_shows_a_real_game_and_its_samples(digits: Any) -> None:
    html = digits._repr_html_()
    assert f"{digits.generator.num_parameters:,} parameters" in html and "conditional (base=" in html
    assert repr(digits).startswith("<gankit cgan on digits")
    assert gankit.grid(digits.sample(4))._repr_png_()[:4] == b"\x89PNG"


def test_series_are_lines_beside_real_ones(backend: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from gankit.figures import series

    trainer = gankit.build(backend, "series", generator={"width": 2}, discriminator={"width": 2}).fit(steps=2)
    picture = series(trainer, rows=2, columns=3)
    assert picture.ndim == 3 and picture.shape[1] > picture.shape[0]
    np.testing.assert_array_equal(series(trainer, rows=2, columns=3), picture)
    left, right = np.array_split(picture.astype(int), 2, axis=1)
    green = lambda part: ((part[..., 1] - part[..., 0]) > 80).sum()  # noqa: E731
    assert green(left) > 100 and green(right) == 0
    with pytest.raises(gankit.ConfigError, match="it shows series"):
        series(gankit.build(backend, "mlp"))
