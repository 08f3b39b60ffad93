"""In a notebook a grid of images is a picture and still an array, and a game is a table that cannot run a script."""

from __future__ import annotations

import io
import pickle
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import gankit
from gankit.config import Config
from gankit.data.images import Picture
from gankit.runs.notebook import as_table


def images(n: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


def read(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture)


def test_a_grid_shows_itself_as_the_png_of_its_own_numbers() -> None:
    picture = gankit.grid(images(), columns=2)
    np.testing.assert_array_equal(read(picture._repr_png_()), picture)
    assert picture._repr_png_() == picture._repr_png_()


def test_a_grey_grid_is_a_grey_png() -> None:
    picture = gankit.grid(images()[..., :1])
    np.testing.assert_array_equal(read(picture._repr_png_()), picture[..., 0])


def test_a_grid_is_still_an_array() -> None:
    picture = gankit.grid(images(), columns=2)
    assert isinstance(picture, np.ndarray) and picture.shape == (66, 66, 3) and picture.dtype == np.uint8
    assert (picture[:32, :32] == images()[0]).all()
    assert float(picture.mean()) == np.asarray(picture).mean()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(picture)), picture)


def test_a_cut_of_a_picture_is_shown_and_numbers_made_of_it_are_not() -> None:
    picture = gankit.grid(images())
    assert read(picture[:10, :7]._repr_png_()).shape == (10, 7, 3)
    for numbers in (picture / 255, picture[..., 0], picture[:0], picture.astype(np.float32)):
        assert numbers._repr_png_() is None


def test_a_grid_takes_whatever_is_an_array() -> None:
    np.testing.assert_array_equal(gankit.grid(images().tolist(), value_range=(0, 255)), gankit.grid(images()))


def test_a_picture_saves_itself(tmp_path: Path) -> None:
    picture = gankit.grid(images())
    path = picture.save(tmp_path / "new" / "grid.png")
    assert path == tmp_path / "new" / "grid.png" and path.read_bytes() == picture._repr_png_()
    assert isinstance(picture, Picture)


class Cells(HTMLParser):
    """The texts of a table's rows, and every tag that was met."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and self.rows[-1][-1] == "":
            self.rows[-1][-1] = data


def game(**settings: object) -> SimpleNamespace:
    config = Config().with_settings({"generator": {"name": "mlp", "hidden": [64, 32]}, **settings})
    return SimpleNamespace(
        config=config,
        spec=SimpleNamespace(shape=(28, 28, 1), num_classes=10 if config.conditional else None, given={}),
        players={
            "generator": SimpleNamespace(num_parameters=1_234),
            "discriminator": SimpleNamespace(num_parameters=56_789),
        },
        backend=SimpleNamespace(name="jax", device="cpu"),
        steps_done=12_000,
    )


def test_the_table_of_a_game_has_its_parameter_counts_and_every_setting() -> None:
    trainer = game(loss="conditional", penalties=[{"name": "r1", "weight": 0.1}])
    rows = dict(Cells(as_table(trainer)).rows)
    assert rows["generator"] == "mlp (hidden=64, 32): 1,234 parameters"
    assert rows["discriminator"] == "mlp: 56,789 parameters"
    assert rows["data"] == "digits, 28 x 28 x 1, 10 classes"
    assert rows["loss"] == "conditional (base=non-saturating)"
    assert rows["penalties"] == "r1 (weight=0.1)"
    assert rows["steps done"] == "12,000"
    assert set(trainer.config.to_plain()) - {"recipe"} <= rows.keys()


@pytest.mark.parametrize("field", ["data", "recipe"])
def test_nothing_that_a_name_holds_becomes_html(field: str) -> None:
    evil = '<script>alert("1")</script><img src=x onerror=y>'
    html = as_table(game(**{field: evil, "generator": {"name": "mlp", "<b>": evil}}))
    assert Cells(html).tags <= {"table", "caption", "tr", "th", "td", "details", "summary"}
    assert "&lt;script&gt;" in html
