"""Samples, interpolations and class grids: what stands where, and that the nearest image is the nearest."""

from __future__ import annotations

import numpy as np
import pytest

from gankit import figures
from gankit.data import dataset
from gankit.data.dataset import Dataset
from gankit.data.images import GAP
from gankit.errors import ConfigError, DataError
from gankit.figures.latent_paths import between
from gankit.figures.nearest import nearest
from gankit.figures.tiles import CELL, HEAD, LINE, SPACE, YELLOW
from gankit.play.streams import Streams
from tests.figures.stand_in import StandIn, images, points

Array = np.ndarray
SCALE = CELL // 4
STEP = CELL + GAP


def brute_force(queries: Array, examples: Array) -> list[int]:
    def distance(a: Array, b: Array) -> float:
        return sum((float(p) - float(q)) ** 2 for p, q in zip(a.ravel(), b.ravel(), strict=True))

    return [min(range(len(examples)), key=lambda i: distance(query, examples[i])) for query in queries]


def cell(picture: Array, row: int, column: int, top: int = 0, left: int = 0) -> Array:
    """The grey image in one place of a grid that begins at (top, left)."""
    down, across = top + row * STEP, left + column * STEP
    return picture[down : down + CELL : SCALE, across : across + CELL : SCALE, :1]


# ---- the nearest image


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_nearest_example_is_that_of_brute_force(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    examples, queries = (rng.integers(0, 256, (n, 3, 2, 1)).astype(dtype) for n in (101, 17))
    monkeypatch.setattr(dataset, "BLOCK_BYTES", 8 * 6 * 10)  # ten blocks of ten, and one more
    assert nearest(queries, examples).tolist() == brute_force(queries, examples)


def test_an_example_is_nearest_to_itself_and_the_first_of_equals_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = np.random.default_rng(2).normal(size=(40, 5))
    examples[30] = examples[3]
    monkeypatch.setattr(dataset, "BLOCK_BYTES", 8 * 5 * 7)
    assert nearest(examples, examples).tolist() == [*range(30), 3, *range(31, 40)]


def test_data_far_from_zero_loses_no_digits() -> None:
    examples = 1e9 + np.random.default_rng(3).normal(size=(60, 4))
    queries = 1e9 + np.random.default_rng(4).normal(size=(20, 4))
    assert nearest(queries, examples).tolist() == brute_force(queries, examples)


# ---- samples


def test_samples_are_the_first_draws_of_the_seed_row_by_row() -> None:
    trainer = images()
    picture = figures.samples(trainer, rows=3, columns=4, seed=5)
    drawn = trainer.sample(12, seed=5)
    for index in range(12):
        np.testing.assert_array_equal(cell(picture, index // 4, index % 4, top=LINE), drawn[index])


def test_the_rightmost_column_is_the_training_image_nearest_to_the_sample_beside_it_in_a_yellow_frame() -> None:
    trainer = images()
    picture = figures.samples(trainer, rows=3, columns=4, seed=5)
    left = 4 * STEP - GAP + SPACE
    beside = trainer.sample(12, seed=5)[[3, 7, 11]]
    for row, index in enumerate(brute_force(beside, trainer.data.x)):
        np.testing.assert_array_equal(cell(picture, row, 0, LINE, left + LINE), trainer.data.x[index])
    box = picture[:, left:]
    assert box.shape[:2] == (3 * STEP - GAP + 2 * LINE, CELL + 2 * LINE)
    for edge in (box[:LINE], box[-LINE:], box[:, :LINE], box[:, -LINE:]):
        assert (edge == YELLOW).all()
    assert not (picture[:, :left] == YELLOW).all(axis=-1).any()


def test_classes_of_samples_are_drawn_fairly_in_a_conditional_game() -> None:
    trainer = images(loss="conditional")
    figures.samples(trainer, rows=40, columns=30)
    assert trainer.asked is not None
    counts = np.bincount(trainer.asked[1], minlength=3)
    assert np.abs(counts - 400).max() < 4 * np.sqrt(1200 * 2 / 9)


def test_other_training_images_can_be_given() -> None:
    white = np.full((1, 4, 4, 1), 255, np.uint8)
    picture = figures.samples(images(), rows=2, columns=2, data=white)
    assert (cell(picture, 1, 0, LINE, 2 * STEP - GAP + SPACE + LINE) == 255).all()
    with pytest.raises(DataError, match=r"\(4, 4, 1\), like the game's; array has \(5, 5, 1\)"):
        figures.samples(images(), data=np.zeros((1, 5, 5, 1), np.uint8))


def test_one_batch_is_not_passed_off_as_the_training_data() -> None:
    with pytest.raises(DataError, match="fed batches"):
        figures.samples(images(data="batches"))


def test_training_images_out_of_reach_are_asked_for() -> None:
    class Loaded(StandIn):
        @property
        def data(self) -> Dataset:
            raise DataError("This game was loaded without its data.")

        @data.setter
        def data(self, dataset: Dataset) -> None:
            pass

    whole = images()
    loaded = Loaded(whole._g, whole._d, whole.data, whole.spec.scaling)
    with pytest.raises(DataError, match="without its data. Or give them to the figure: data=x, or --data PATH"):
        figures.samples(loaded)
    assert (figures.samples(loaded, data=whole.data.x) == figures.samples(whole)).all()


# ---- interpolation


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_rows_begin_at_g_of_z0_and_end_at_g_of_z1(path: str) -> None:
    trainer = images()
    picture = figures.interpolation(trainer, rows=3, columns=5, path=path, seed=2)
    ends = Streams(2).first_latents("figures/interpolation", 6, 4, "normal")
    expected = trainer.spec.scaling.to_user(trainer.generate(ends))
    for row in range(3):
        np.testing.assert_array_equal(cell(picture, row, 0), expected[2 * row])
        np.testing.assert_array_equal(cell(picture, row, 4), expected[2 * row + 1])


def test_a_row_keeps_its_class() -> None:
    trainer = images(loss="conditional")
    figures.interpolation(trainer, rows=4, columns=3)
    assert trainer.asked is not None
    assert trainer.asked[1].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0]


def test_the_straight_path_goes_in_equal_steps() -> None:
    a, b = np.array([[0.0, 3.0]]), np.array([[4.0, -1.0]])
    np.testing.assert_allclose(between(a, b, 5, "linear")[0], [[0, 3], [1, 2], [2, 1], [3, 0], [4, -1]])


def test_the_spherical_path_keeps_the_norm_and_turns_at_one_speed() -> None:
    a, b = np.array([[3.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 3.0]])
    z = between(a, b, 4, "spherical")[0]
    angles = np.radians([0, 30, 60, 90])
    np.testing.assert_allclose(z, 3 * np.stack([np.cos(angles), 0 * angles, np.sin(angles)], axis=1), atol=1e-15)
    random = np.random.default_rng(0).normal(size=(2, 6, 50))
    norms = np.linalg.norm(between(*random, 9, "spherical"), axis=-1)
    np.testing.assert_allclose(norms, np.linspace(*np.linalg.norm(random, axis=-1), 9).T)


@pytest.mark.parametrize("b", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_where_there_is_no_arc_the_spherical_path_is_straight(b: list[float]) -> None:
    z = between(np.array([[1.0, 0.0]]), np.array([b]), 3, "spherical")
    np.testing.assert_allclose(z[0], [[1, 0], [(1 + b[0]) / 2, 0], b])


def test_an_unknown_path_is_answered_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'spherical'"):
        figures.interpolation(images(), path="spheric")


# ---- classes


def test_a_row_is_one_latent_and_a_column_one_class() -> None:
    trainer = images(loss="conditional")
    picture = figures.classes(trainer, rows=2, seed=7)
    z = Streams(7).first_latents("figures/classes", 2, 4, "normal")
    assert picture.shape == (HEAD + 2 * STEP - GAP, 3 * STEP - GAP, 3)
    for row in range(2):
        for label in range(3):
            expected = trainer.spec.scaling.to_user(trainer.generate(z[row : row + 1], np.array([label])))
            np.testing.assert_array_equal(cell(picture, row, label, top=HEAD), expected[0])


# ---- games that a figure does not fit


def test_a_figure_that_does_not_apply_says_why_and_which_do() -> None:
    with pytest.raises(ConfigError, match=r"one class a column.*unconditional.*'curves', 'interpolation', 'samples'"):
        figures.classes(images())
    with pytest.raises(ConfigError, match=r"shows images.*\(2,\).*'curves', 'scatter'"):
        figures.samples(points(lambda x: x[:, 0]))
    fitting = figures.applicable(images(loss="conditional"))
    assert fitting == ["classes", "curves", "interpolation", "samples"]


@pytest.mark.parametrize("setting", [{"rows": 0}, {"columns": 1}])
def test_settings_that_make_no_picture_are_refused(setting: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="whole number of at least"):
        figures.interpolation(images(), **setting)


def test_colour_and_float_images_are_drawn_in_their_own_range() -> None:
    trainer = images()
    x = np.linspace(-1, 1, 48).reshape(1, 4, 4, 3)
    colour = type(trainer)(
        lambda z, labels: np.broadcast_to(x, (len(z), 4, 4, 3)),
        lambda x: x,
        Dataset(x, value_range=(-1, 1)),
        dataset.scaling(Dataset(x, value_range=(-1, 1)), "symmetric"),
    )
    picture = figures.interpolation(colour, rows=1, columns=2)
    np.testing.assert_array_equal(picture[:CELL:SCALE, :CELL:SCALE], np.rint((x[0] + 1) / 2 * 255))
