"""The one-dimensional game: densities that are densities, arrows that go where G goes, frames that are a film."""

from __future__ import annotations

import io
from collections.abc import Callable
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gankit import figures
from gankit.data.images import Picture
from gankit.data.toys import gaussian
from gankit.errors import ConfigError
from gankit.figures.animation import Animation
from gankit.figures.densities import estimated
from gankit.figures.one_dimension import ARROWS, latents, line, moments
from tests.figures.stand_in import StandIn, points


def game(**settings: Any) -> StandIn:
    """G(z) = 4 + z / 2, which is p_data; D(x) = 1/2."""
    return StandIn(lambda z, labels: 4.0 + 0.5 * z[:, :1], lambda x: np.zeros(len(x)), gaussian(n=2_000), **settings)


# ---- densities


def integral(p: np.ndarray, at: np.ndarray) -> float:
    """By trapezoids between evenly spaced places."""
    return float((p.sum() - (p[0] + p[-1]) / 2) * (at[1] - at[0]))


def test_the_estimate_is_silvermans_by_direct_sum() -> None:
    points, at = np.random.default_rng(0).normal(2.0, 3.0, 400), np.linspace(-10, 14, 97)
    quarter, three = np.quantile(points, [0.25, 0.75])
    h = 0.9 * min(points.std(), (three - quarter) / 1.34) * 400**-0.2
    direct = [np.mean(np.exp(-0.5 * ((x - points) / h) ** 2)) / (h * np.sqrt(2 * np.pi)) for x in at]
    np.testing.assert_allclose(estimated(points, at), direct, rtol=1e-9, atol=1e-14)


def test_an_estimate_is_near_the_law_and_holds_all_the_probability() -> None:
    data = gaussian(n=20_000)
    at = np.linspace(1.0, 7.0, 301)
    p = estimated(data.x, at)
    np.testing.assert_allclose(p, data.law.density(at[:, None]), atol=0.03)
    assert integral(p, at) == pytest.approx(1.0, abs=1e-3)


def test_points_fallen_together_are_a_peak_of_probability_one() -> None:
    at = np.linspace(0.0, 2.0, 201)
    p = estimated(np.full(100, 1.0), at)
    assert at[p.argmax()] == pytest.approx(1.0) and integral(p, at) == pytest.approx(1.0, abs=1e-6)


# ---- what is shown


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_arrows_start_at_latents_of_equal_probability(prior: str) -> None:
    z = latents(prior, 3)
    assert z.shape == (ARROWS, 3) and not z[:, 1:].any()
    below = [0.5 * (1 + erf(v / 2**0.5)) if prior == "normal" else (v / 3**0.5 + 1) / 2 for v in z[:, 0]]
    np.testing.assert_allclose(below, (np.arange(ARROWS) + 0.5) / ARROWS)


def test_moments_go_from_the_first_state_to_the_last_and_lie_closer_at_the_beginning() -> None:
    steps = moments(900, 4)
    assert steps == [0, 100, 400, 900]
    assert moments(3, 24) == [0, 1, 2, 3]


def test_the_line_reaches_beyond_the_data() -> None:
    x = line(np.linspace(2.0, 3.0, 1001)[:, None])
    assert x[0] == pytest.approx(1.5, abs=0.01) and x[-1] == pytest.approx(3.5, abs=0.01)
    assert np.ptp(line(np.full((10, 1), 7.0))) == pytest.approx(2.0)


def curve(axes: Any, colour: str, style: str) -> np.ndarray:
    (drawn,) = [c for c in axes.get_lines() if (c.get_color(), c.get_linestyle()) == (colour, style)]
    return drawn.get_xydata()


def test_a_frame_shows_the_known_law_p_g_d_and_where_z_goes(painted: Callable[[], list[Any]]) -> None:
    figures.game_1d(game(latent_dim=1), steps=8, frames=3)
    densities, arrows, right = painted()[0].axes
    law = gaussian().law
    x, p_data = curve(densities, "#000000", ":").T
    np.testing.assert_allclose(p_data, law.density(x[:, None]))
    np.testing.assert_allclose(curve(densities, "#009E73", "-")[:, 1], p_data, atol=0.05)
    assert (curve(right, "#0072B2", "--")[:, 1] == 0.5).all()
    best = curve(right, "#8FC1DF", "-")[:, 1]
    near = np.abs(x - 4) < 0.5
    np.testing.assert_allclose(best[near], 0.5, atol=0.03)
    assert np.isnan(best[np.abs(x - 4) > 2.5]).all(), "far out D* would be a ratio of two guesses"
    ends = [text.xy[0] for text in arrows.texts]
    np.testing.assert_allclose(ends, 4.0 + 0.5 * latents("normal", 1)[:, 0])
    assert [label.get_text() for label in arrows.get_yticklabels()] == ["z", "x"]


def test_more_latents_than_one_are_told(painted: Callable[[], list[Any]]) -> None:
    figures.game_1d(game(latent_dim=2), steps=2, frames=2)
    assert [label.get_text() for label in painted()[0].axes[1].get_yticklabels()] == ["z₁", "x"]


def test_a_score_that_is_no_probability_is_scaled_and_has_no_optimum_beside_it(
    painted: Callable[[], list[Any]],
) -> None:
    trainer = points(lambda x: 5.0 * x[:, 0], shape=1, loss={"name": "conditional", "base": "minimax", "mismatched": 1})
    figures.game_1d(trainer, steps=2, frames=2)
    right = painted()[0].axes[2]
    assert len(right.get_lines()) == 1
    np.testing.assert_allclose(curve(right, "#0072B2", "--")[[0, -1], 1], [0.0, 1.0])


def test_the_game_is_played_again_and_the_trainer_stays_as_it_is() -> None:
    pytest.importorskip("matplotlib")
    trainer = game()
    film = figures.game_1d(trainer, frames=4)
    assert trainer.steps_done == 10 and list(film.steps) == [0, 1, 4, 10]
    assert len(film.frames) == 4 and {frame.shape for frame in film.frames} == {(500, 800, 3)}


def test_examples_of_more_numbers_and_modules_of_the_users_own_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"one number, \(1,\)"):
        figures.game_1d(points(lambda x: x[:, 0]))
    with pytest.raises(ConfigError, match="do not say where they began"):
        figures.game_1d(game(generator={"name": "native", "module": "Mine"}))


# ---- the film


def film() -> Animation:
    frames = [np.full((20, 30, 3), shade, np.uint8).view(Picture) for shade in (0, 90, 255)]
    return Animation([0, 5, 100], frames, frames[1])


def test_a_gif_has_every_frame_as_it_was_and_begins_anew(tmp_path: Path) -> None:
    path = film().save(tmp_path / "film.gif")
    with Image.open(path) as gif:
        assert gif.n_frames == 3 and gif.info["loop"] == 0
        shades, durations = [], []
        for index in range(3):
            gif.seek(index)
            shades.append(np.unique(np.asarray(gif.convert("RGB"))).tolist())
            durations.append(gif.info["duration"])
    assert shades == [[0], [90], [255]] and durations == [200, 200, 2000]
    assert film().gif() == film().gif()


def test_a_film_is_saved_as_what_its_name_says(tmp_path: Path) -> None:
    with Image.open(film().save(tmp_path / "film.png")) as still:
        assert np.unique(np.asarray(still)).tolist() == [90]
    with pytest.raises(ConfigError, match=r"\.gif, and its still picture as \.png"):
        film().save(tmp_path / "film.mp4")


def test_frames_of_an_older_film_are_taken_away_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "step-000007.png").write_bytes(b"old")
    film().save_frames(tmp_path)
    names = ["notes.txt", "step-000000.png", "step-000005.png", "step-000100.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_notebook_shows_it_moving_and_otherwise_still() -> None:
    html, still = film()._repr_html_(), film()._repr_png_()
    assert html.startswith('<img alt="" src="data:image/gif;base64,')
    with Image.open(io.BytesIO(still)) as picture:
        assert picture.format == "PNG"
