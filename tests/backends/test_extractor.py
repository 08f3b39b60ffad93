"""The networks that metrics look through: the same numbers on every backend, and as good as their headers say."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors import safe_open

import gankit
from gankit import checkpoint
from gankit.building import open_backend
from gankit.conformance.reference import Given, row
from gankit.data import open_data
from gankit.layers import buffers, parameters, place
from gankit.metrics import train_cnn
from gankit.metrics.cnn import AT_ONCE, DigitsCnn, MnistCnn
from gankit.plug import registry


@pytest.fixture(params=[MnistCnn, DigitsCnn], ids=lambda kind: kind.name, scope="module")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def pictures(kind) -> np.ndarray:
    """Smooth blobs: like digits neither all black nor noise."""
    rng, side = np.random.default_rng(0), kind.shape[0]
    y, x = np.mgrid[0:side, 0:side, 0:1][:2]
    centres = rng.uniform(side / 5, side * 0.8, (7, 3, 2))
    return np.stack(
        [
            np.clip(sum(255 * np.exp(-((y - a) ** 2 + (x - b) ** 2) * 64 / side**2) for a, b in each), 0, 255)
            for each in centres
        ]
    ).astype(np.uint8)  # fmt: skip


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 2e-7)])
def test_every_backend_sees_what_float64_numpy_sees(backend, kind, pictures, dtype, rtol):
    arrays, _ = checkpoint.read(kind.weights)
    wide = {name: array.astype(np.float64) for name, array in arrays.items()}
    want, _ = row(kind.layers, Given(arrays=wide, x=pictures / 255.0, y=np.zeros(7, int)))
    features, p = kind().open(open_backend(backend, "cpu", dtype))(pictures)
    assert features.dtype == p.dtype == np.float32
    assert features.shape == (7, kind.num_features) and p.shape == (7, 10)
    np.testing.assert_allclose(features, want["features"][0], rtol=rtol, atol=rtol * want["features"][0].max())
    e = np.exp(want["logits"] - want["logits"].max(axis=1, keepdims=True))
    np.testing.assert_allclose(p, e / e.sum(axis=1, keepdims=True), atol=max(rtol, 1e-6))


def test_a_picture_is_seen_alike_in_any_company(backend, kind, pictures):
    """Pieces are filled up, and nothing in the network looks from one picture at another."""
    look = kind().open(open_backend(backend, "cpu", "float32"))
    many = pictures[np.arange(AT_ONCE + 3) % 7]
    for whole, alone in zip(look(many), look(pictures), strict=True):
        assert len(whole) == len(many)
        np.testing.assert_array_equal(whole[-3:], alone[np.arange(AT_ONCE, AT_ONCE + 3) % 7])
    assert [out.shape for out in look(pictures[:0])] == [(0, kind.num_features), (0, 10)]


@pytest.mark.parametrize(("kind", "data", "least"), [(MnistCnn, "mnist", 0.99), (DigitsCnn, "digits", 0.96)])
def test_its_accuracy_is_what_its_header_says(backend, kind, data, least):
    """On the first 2,000 test pictures, which of MNIST's are the harder ones; the header has that on all."""
    try:
        data = open_data(data, split="test")
    except gankit.DataError as error:
        pytest.skip(f"no MNIST here: {error}")
    _, p = kind().open(open_backend(backend, "cpu", "float32"))(data.x[:2000])
    said = checkpoint.read(kind.weights)[1]["accuracy"]["test"]
    assert said >= least and np.mean(p.argmax(axis=1) == data.labels[:2000]) > said - 0.01


def test_what_is_no_picture_of_bytes_is_refused(backend, kind, pictures):
    look = kind().open(open_backend(backend, "cpu", "float32"))
    side = kind.shape[0]
    for wrong in (pictures / 255, pictures[..., 0], pictures[:, :6]):
        with pytest.raises(
            gankit.ShapeError, match=rf"{kind.name} looks at pictures \(n, {side}, {side}, 1\) of bytes"
        ):
            look(wrong)


def test_the_file_is_small_and_says_where_it_comes_from(kind):
    assert kind.weights.stat().st_size < 400_000
    with safe_open(kind.weights, framework="numpy") as file:
        header = json.loads(file.metadata()["gankit"])
    assert {"script", "settings", "accuracy", "licence", "trained_on", "backend", "versions"} <= header.keys()
    placed = place(kind.layers, kind.shape)
    arrays, _ = checkpoint.read(kind.weights)
    want = {name: p.shape for name, p in {**parameters(placed), **buffers(placed)}.items()}
    assert {name: array.shape for name, array in arrays.items()} == want
    assert {str(array.dtype) for array in arrays.values()} == {"float32"}
    assert sum(a.size for a in arrays.values()) < 100_000


def test_it_is_installed_as_an_extractor(kind):
    assert registry.load("extractors", kind.name) is kind
    assert f"train_cnn {kind.name}" in checkpoint.read(kind.weights)[1]["script"]


def test_it_can_be_trained_anew(backend, tmp_path, monkeypatch, capsys):
    """For two epochs, which are a start."""
    out = tmp_path / "weights.safetensors"
    monkeypatch.setattr("sys.argv", ["train", "digits-cnn", "--backend", backend, "--epochs", "2", "--out", str(out)])
    train_cnn.main()
    assert checkpoint.read(out)[1]["accuracy"]["test"] > 0.5
