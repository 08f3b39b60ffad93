"""On the plane, D's level lines lie where D has these values, and no sample goes missing without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gankit import figures
from gankit.data.dataset import Dataset
from gankit.errors import ConfigError, DataError
from gankit.figures.plane import axes, surface
from tests.figures.stand_in import BYTES, StandIn, points


def tilted(x: np.ndarray) -> np.ndarray:
    return 2.0 * x[:, 0] - 0.5 * x[:, 1]


def test_the_surface_is_d_at_every_place_x_to_the_right_and_y_upwards() -> None:
    x, y = np.array([-1.0, 0.0, 2.0]), np.array([0.0, 4.0])
    logits = [[-2.0, 0.0, 4.0], [-4.0, -2.0, 2.0]]
    np.testing.assert_allclose(surface(points(tilted), x, y), 1 / (1 + np.exp(-np.array(logits))))


def test_the_score_of_a_d_that_is_no_probability_is_shown_as_it_is() -> None:
    trainer = points(tilted, loss={"name": "conditional", "base": "minimax", "mismatched": True})
    np.testing.assert_allclose(surface(trainer, np.array([300.0]), np.array([0.0]), label=0), [[600.0]])


def test_bytes_are_asked_for_within_their_range() -> None:
    x = np.random.default_rng(0).integers(0, 256, (50, 2), dtype=np.uint8)
    trainer = StandIn(lambda z, labels: z[:, :2], lambda x: x[:, 0] / 255.0, Dataset(x, value_range=(0, 255)), BYTES)
    d = surface(trainer, np.array([-40.0, 127.7, 300.0]), np.array([5.0]))
    np.testing.assert_allclose(d, [1 / (1 + np.exp(-np.array([0.0, 128 / 255, 1.0])))])


def test_level_lines_pass_where_d_has_their_value(painted: Callable[[], list[Any]]) -> None:
    figures.scatter(points(lambda x: 3.0 * x[:, 0]), n=50)
    (plot,) = painted()[0].axes
    (lines,) = [artist for artist in plot.collections if hasattr(artist, "levels")]
    assert list(lines.levels) == [0.1, 0.3, 0.5, 0.7, 0.9]
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        np.testing.assert_allclose(path.vertices[:, 0], np.log(level / (1 - level)) / 3, atol=0.01)


def test_real_points_and_samples_are_those_of_the_data_and_of_g(painted: Callable[[], list[Any]]) -> None:
    trainer = points(tilted)
    figures.scatter(trainer, n=40, seed=3)
    dots = [artist.get_offsets().data for artist in painted()[0].axes[0].collections if not hasattr(artist, "levels")]
    np.testing.assert_allclose(dots[0], trainer.data.x[:40])
    np.testing.assert_allclose(dots[1], trainer.sample(40, seed=3))


def test_samples_out_of_sight_are_counted(painted: Callable[[], list[Any]]) -> None:
    trainer = points(tilted)
    trainer._g = lambda z, labels: np.where(np.arange(len(z))[:, None] < 7, 1e6, 0.0 * z[:, :2])
    figures.scatter(trainer, n=30)
    told = [text.get_text() for text in painted()[0].legends[0].get_texts()]
    assert told == ["real", "samples (7 of 30 outside)", "D(x)"]


def test_a_flat_d_has_no_lines_and_is_drawn(painted: Callable[[], list[Any]]) -> None:
    assert figures.scatter(points(lambda x: np.zeros(len(x))), n=5).ndim == 3
    assert not any("D(x)" in text.get_text() for text in painted()[0].legends[0].get_texts())


def test_a_conditional_game_shows_one_class_at_a_time(painted: Callable[[], list[Any]]) -> None:
    trainer = points(tilted, loss="conditional")
    figures.scatter(trainer, n=1_000, label=2)
    plot = painted()[0].axes[0]
    real = next(artist for artist in plot.collections if not hasattr(artist, "levels"))
    np.testing.assert_allclose(real.get_offsets().data, trainer.data.x[trainer.data.labels == 2])
    assert "class 2" in plot.get_title(loc="left")
    x, y = axes(trainer.data.x)  # the same view for every class, so that a sample in the place of another is seen
    assert (*plot.get_xlim(), *plot.get_ylim()) == pytest.approx((x[0], x[-1], y[0], y[-1]))
    with pytest.raises(ConfigError, match="classes 0 to 2"):
        figures.scatter(trainer, label=3)
    with pytest.raises(ConfigError, match="unconditional"):
        figures.scatter(points(tilted), label=0)
    with pytest.raises(DataError, match="no labels"):
        figures.scatter(trainer, data=trainer.data.x)


def test_the_view_is_a_square_with_every_real_point_in_it() -> None:
    cloud = np.random.default_rng(0).normal(size=(100, 2)) * (5.0, 1.0)
    x, y = axes(cloud)
    assert x[-1] - x[0] == pytest.approx(y[-1] - y[0])
    assert (x[0] < cloud[:, 0]).all() and (cloud[:, 0] < x[-1]).all()
    assert (y[0] < cloud[:, 1]).all() and (cloud[:, 1] < y[-1]).all()


def test_images_are_no_points() -> None:
    with pytest.raises(ConfigError, match=r"points of a plane"):
        figures.scatter(points(tilted, shape=3))
