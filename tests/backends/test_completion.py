"""Section 7.3: pictures of which a part is known are completed, and what is known stays as it is, to the last bit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gankit
from gankit.errors import ConfigError, DataError
from tests.cli_runner import Cli

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
SMALL = {
    "recipe": "masked",
    "generator": {"width": 4, "hidden": 8},
    "discriminator": {"width": 4, "hidden": 8},
    "latent_dim": 4,
    "batch_size": 4,
}
HALF = np.ones((8, 8, 1), np.float32)
HALF[4:] = 0.0


@pytest.mark.parametrize("data", [X, COLOUR, X / np.float32(255)], ids=["grey", "colour", "float"])
def test_known_pixels_are_bit_equal_and_hidden_ones_are_many(backend, data):
    bounds = None if data.dtype == np.uint8 else (0.0, 1.0)
    gan = gankit.build(backend, data=gankit.Dataset(data, value_range=bounds) if bounds else data, **SMALL).fit(steps=3)
    answers = gankit.complete(gan, data[0], HALF, n=6)
    known = np.broadcast_to(HALF > 0, data[0].shape)
    for answer in answers:
        np.testing.assert_array_equal(answer[known], data[0][known])
    hidden = answers[:, ~known]
    assert (hidden.astype(float).std(axis=0) > 0).mean() > 0.5, "z has no part in what is made up"


def test_what_lies_under_the_mask_is_not_looked_at(backend):
    gan = gankit.build(backend, data=X, **SMALL)
    other = np.where(HALF > 0, X[0], 255 - X[0])
    a, b = (gankit.complete(gan, x, HALF, n=2)[:, HALF == 0] for x in (X[0], other))
    np.testing.assert_array_equal(a, b)


def test_a_picture_with_a_hole_is_completed_on_the_command_line(backend, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli = Cli(monkeypatch, capsys)
    gan = gankit.build(backend, data=X, **SMALL)
    gan.save("game.safetensors")
    gankit.build(backend, data=X, generator={"hidden": [4]}, discriminator={"hidden": [4]}).save("plain.safetensors")
    Image.fromarray(X[0, ..., 0]).save("in.png")
    Image.fromarray((255 * HALF[..., 0]).astype(np.uint8)).save("mask.png")
    Image.fromarray(np.concatenate([X[0].repeat(3, axis=2), 255 * HALF], axis=2).astype(np.uint8)).save("hole.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save("small.png")
    masked = cli(
        "complete", "game.safetensors", "--image", "in.png", "--mask", "mask.png", "--n", "3", "--out", "a.npy"
    )
    assert masked.code == 0, masked.err
    assert cli("complete", "game.safetensors", "--image", "hole.png", "--n", "3", "--out", "b.npy").code == 0
    want = gankit.complete(gan, X[0], HALF[..., 0], n=3)
    np.testing.assert_array_equal(np.load("a.npy"), want)
    np.testing.assert_array_equal(np.load("b.npy"), want)
    assert cli("complete", "game.safetensors", "--image", "hole.png", "--out", "a.png").code == 0
    assert Path("a.png").read_bytes()[:4] == b"\x89PNG"
    for arguments, message in (
        (["game.safetensors", "--image", "in.png"], "Pass --mask MASK.png, white where the image is known"),
        (["game.safetensors", "--image", "no.png"], "--image no.png: there is no such file"),
        (["game.safetensors", "--image", "in.png", "--mask", "small.png"], "--mask small.png has 4x4 pixels.*8x8"),
        (["plain.safetensors", "--image", "in.png", "--mask", "mask.png"], "gankit train --recipe masked"),
        (
            ["game.safetensors", "--image", "in.png", "--mask", "mask.png", "--out", "a.jpg"],
            "'.npy', '.npz', '.png'",
        ),
    ):
        refused = cli("complete", *arguments)
        assert refused.code == 2, arguments
        assert re.search(message, refused.err), refused.err


def test_what_cannot_be_completed_is_one_clear_error(backend):
    gan = gankit.build(backend, data=X, **SMALL)
    with pytest.raises(DataError, match=r"mask of shape \(8, 8, 1\); got \(8, 8, 1\) and \(4, 4\)"):
        gankit.complete(gan, X[0], np.ones((4, 4)))
    with pytest.raises(DataError, match="has other values"):
        gankit.complete(gan, X[0], 0.5 * HALF)
    with pytest.raises(ConfigError, match="'completion' takes images that halve to 4 to 7 pixels"):
        gankit.build(backend, data=X[:, :7, :7], **SMALL)
    with pytest.raises(ConfigError, match="one condition that is an image|one condition that is a mask"):
        gankit.build(backend, data=X, **{**SMALL, "given": ["edges"]})


# ---- rows of numbers

ROWS = RNG.normal(size=(60, 3)) * (1.0, 10.0, 0.1) + (0.0, 100.0, 0.0)
OF_ROWS = {"recipe": "masked-rows", "generator": {"hidden": 8}, "discriminator": {"hidden": 8}, "batch_size": 4}


def test_any_columns_are_completed_given_the_others(backend, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    gan = gankit.build(backend, data=ROWS.astype(np.float32), **OF_ROWS).fit(steps=2)
    for hidden in ([0], [1], [0, 2], [0, 1, 2]):
        row = ROWS[0].astype(np.float32)
        row[hidden] = np.nan
        answers = gankit.complete(gan, row, n=5)
        known = ~np.isnan(row)
        np.testing.assert_array_equal(answers[:, known], np.broadcast_to(row[known], (5, known.sum())))
        assert np.isfinite(answers).all() and (answers[:, ~known].std(axis=0) > 0).all()
        np.testing.assert_array_equal(answers, gankit.complete(gan, ROWS[0].astype(np.float32), known, n=5))
    gan.save("game.safetensors")
    Path("rows.csv").write_text("a,b,c\n1.5,,0.25\n,,\n")
    Path("whole.csv").write_text("1,2,3\n")
    Path("words.csv").write_text("1,2,\none,2,3\n")
    Path("narrow.csv").write_text("1,\n")
    np.save("rows.npy", np.array([[1.5, np.nan, 0.25]]))
    cli = Cli(monkeypatch, capsys)
    assert cli("complete", "game.safetensors", "--rows", "rows.csv", "--n", "2").code == 0
    names, *lines = Path("completions.csv").read_text().splitlines()
    assert names == "a,b,c" and len(lines) == 4
    assert all(line.startswith("1.5,") and line.endswith(",0.25") for line in lines[:2])
    assert cli("complete", "game.safetensors", "--rows", "rows.npy", "--n", "2", "--out", "a.npy").code == 0
    want = gankit.complete(gan, np.array([1.5, np.nan, 0.25], np.float32), n=2)
    np.testing.assert_array_equal(np.load("a.npy"), want[None])
    np.testing.assert_allclose([[float(cell) for cell in line.split(",")] for line in lines[:2]], want, rtol=1e-6)
    for arguments, message in (
        ([], "Pass --image IN.png, or --rows IN.csv"),
        (["--image", "rows.csv"], "examples have shape \\(3,\\). Pass --rows"),
        (["--rows", "none.csv"], "there is no such file"),
        (["--rows", "whole.csv"], "row 1 has no hidden cell. Leave a cell empty"),
        (["--rows", "words.csv"], "not a table of numbers.*one"),
        (["--rows", "narrow.csv"], r"shape \(1, 2\); this game's rows have 3 columns"),
        (["--rows", "rows.csv", "--out", "a.png"], "written as '.csv', '.npy', '.npz'"),
    ):
        refused = cli("complete", "game.safetensors", *arguments)
        assert refused.code == 2, arguments
        assert re.search(message, refused.err), refused.err
    with pytest.raises(DataError, match="What is hidden"):
        gankit.complete(gan, ROWS[0].astype(np.float32))
    with pytest.raises(ConfigError, match="Did you mean 'columns'.*Choose 'columns', 'mixed'"):
        gankit.build(backend, data=ROWS, **OF_ROWS, given=[{"name": "mask", "kind": "column"}])


@pytest.mark.parametrize("kind", ["columns", "mixed"])
def test_columns_are_hidden_by_one_share_or_by_a_share_for_each_row(backend, kind):
    """The share of a row's columns that is hidden: 0.3, or uniform on [0, 1)."""
    data = np.random.default_rng(1).normal(size=(2_000, 200)).astype(np.float32)
    given = [{"name": "mask", "kind": kind, "share": 0.3}]
    gan = gankit.build(backend, data=data, **{**OF_ROWS, "given": given})
    made = gan.conditions_of(data)
    hidden = 1.0 - made["mask"].mean(axis=1)
    assert abs(hidden.mean() - (0.3 if kind == "columns" else 0.5)) < 0.02
    assert abs(hidden.std() - (np.sqrt(0.21 / 200) if kind == "columns" else np.sqrt(1 / 12))) < 0.01
    np.testing.assert_allclose(made["known"], data * made["mask"], atol=1e-5)


def test_the_figure_shows_completions_the_nearest_copy_and_the_truth(backend):
    gan = gankit.build(backend, data=X, **SMALL)
    picture = gankit.figures.completions(gan, rows=2, columns=3)
    assert picture.ndim == 3
    with pytest.raises(ConfigError, match="pictures with a part hidden.*Those that do"):
        gankit.figures.completions(gankit.build(backend, data=X, generator={"hidden": [4]}))
