"""MS-SSIM against its formulas, place by place, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.data.dataset import Dataset
from gankit.errors import ConfigError
from gankit.metrics import NotMeasurable
from gankit.metrics.msssim import WEIGHTS, MsSsim, ms_ssim, pairs_of, scales_of

from .stand_in import evidence


def window() -> Array:
    at = np.arange(-5, 6)
    flat = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * 1.5**2))
    return flat / flat.sum()


def place_by_place(a: Array, b: Array) -> tuple[float, float]:
    """(mean SSIM, mean of contrast and structure) of two grey images, by the weighted moments of each window."""
    w, ssim, structure = window(), [], []
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            x, y = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mx, my = (w * x).sum(), (w * y).sum()
            vx, vy, vxy = (w * (x - mx) ** 2).sum(), (w * (y - my) ** 2).sum(), (w * (x - mx) * (y - my)).sum()
            structure.append((2 * vxy + 0.0009) / (vx + vy + 0.0009))
            ssim.append(structure[-1] * (2 * mx * my + 0.0001) / (mx**2 + my**2 + 0.0001))
    return float(np.mean(ssim)), float(np.mean(structure))


def pictures(n: int, side: int, seed: int, channels: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(np.cumsum(rng.normal(size=(n, side, side, channels)), axis=1), axis=2)
    low, high = smooth.min(axis=(1, 2, 3), keepdims=True), smooth.max(axis=(1, 2, 3), keepdims=True)
    return (smooth - low) / (high - low)


def test_one_scale_is_the_mean_ssim() -> None:
    a = pictures(3, 15, 0)
    b = np.clip(a + 0.1 * np.random.default_rng(1).normal(size=a.shape), 0, 1)
    expected = [place_by_place(x[..., 0], y[..., 0])[0] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ms_ssim(a, b, 1), expected, rtol=1e-10)


def test_two_scales_are_structure_at_the_fine_one_and_ssim_at_the_coarse_one() -> None:
    a = pictures(2, 28, 0)
    b = np.clip(a + 0.1 * np.random.default_rng(1).normal(size=a.shape), 0, 1)
    first, second = np.array(WEIGHTS[:2]) / sum(WEIGHTS[:2])
    for got, x, y in zip(ms_ssim(a, b, 2), a[..., 0], b[..., 0], strict=True):
        halves = [(z[::2, ::2] + z[1::2, ::2] + z[::2, 1::2] + z[1::2, 1::2]) / 4 for z in (x, y)]
        expected = place_by_place(x, y)[1] ** first * place_by_place(*halves)[0] ** second
        np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_flat_pictures_differ_in_luminance_alone() -> None:
    a, b = np.full((1, 11, 11, 1), 0.2), np.full((1, 11, 11, 1), 0.8)
    np.testing.assert_allclose(ms_ssim(a, b, 1), (2 * 0.2 * 0.8 + 1e-4) / (0.04 + 0.64 + 1e-4), rtol=1e-9)


def test_a_picture_is_wholly_like_itself_and_not_at_all_like_its_negative() -> None:
    a = pictures(2, 176, 0)
    np.testing.assert_allclose(ms_ssim(a, a, 5), 1, rtol=1e-12)
    np.testing.assert_allclose(ms_ssim(a, 1 - a, 5), 0)
    np.testing.assert_allclose(ms_ssim(a, a[::-1], 5), ms_ssim(a[::-1], a, 5), rtol=1e-12)


def test_colours_are_averaged_channel_by_channel() -> None:
    a, b = pictures(2, 16, 0, 3), pictures(2, 16, 1, 3)
    each = [ms_ssim(a[..., c : c + 1], b[..., c : c + 1], 1) for c in range(3)]
    np.testing.assert_allclose(ms_ssim(a, b, 1), np.mean(each, axis=0), rtol=1e-12)


@pytest.mark.parametrize(("side", "scales"), [(11, 1), (21, 1), (22, 2), (28, 2), (32, 2), (64, 3), (176, 5), (999, 5)])
def test_there_are_as_many_scales_as_have_room(side: int, scales: int) -> None:
    assert scales_of((side, side, 1)) == scales


def test_pairs_are_of_two_different_images_of_one_class_and_each_is_as_likely() -> None:
    classes = np.array([0, 1, 0, 2, 1, 0])  # the one image of class 2 has no partner
    first, second = pairs_of(6, classes, 20_000, seed=0)
    assert np.all(first != second) and np.all(classes[first] == classes[second]) and not np.any(first == 3)
    counts = np.zeros((6, 6))
    np.add.at(counts, (first, second), 1)
    zeros = np.array([0, 2, 5])
    np.testing.assert_allclose(counts[np.ix_(zeros, zeros)] / 20_000, (1 - np.eye(3)) / 10, atol=0.01)
    np.testing.assert_allclose(counts[1, 4] / 20_000, 0.2, atol=0.02)


def test_a_class_that_collapsed_shows_where_labels_were_asked_for() -> None:
    data = np.rint(255 * pictures(40, 16, 0)).astype(np.uint8)
    labels = np.arange(40) % 2
    collapsed = data[labels]  # one picture a class
    splits = {"test": Dataset(data, labels, 2, (0, 255))}
    ours, of_data = MsSsim(pairs=50)(evidence(collapsed, splits, value_range=(0, 255), labels=labels))
    np.testing.assert_allclose(ours.value, 1.0, rtol=1e-12)
    assert of_data.value < 0.6
    assert ours.label == "ms-ssim[n=40, pairs=50, of=one class, scales=1]"
    assert of_data.label == "ms-ssim-of-data[n=40, split=test, pairs=50, of=one class, scales=1]"
    (anyhow, _) = MsSsim(pairs=50)(evidence(collapsed, splits, value_range=(0, 255)))
    assert anyhow.value < 1 and anyhow.protocol["of"] == "any two"


def test_the_value_is_the_mean_of_the_pairs_in_unit_range() -> None:
    data = np.rint(255 * pictures(10, 12, 0)).astype(np.uint8)
    (ours, _) = MsSsim(pairs=8)(evidence(data // 3, {"test": data}, value_range=(0, 255)))
    first, second = pairs_of(10, None, 8, seed=0)
    each = [place_by_place(*(data[i, ..., 0] // 3 / 255 for i in pair))[0] for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(ours.value, np.mean(np.maximum(each, 0)), rtol=1e-9)


def test_what_it_cannot_compare_it_says() -> None:
    small = np.zeros((5, 8, 8, 1), np.uint8)
    with pytest.raises(NotMeasurable, match="no room in images of shape"):
        list(MsSsim()(evidence(small, {"test": small}, value_range=(0, 255))))
    with pytest.raises(NotMeasurable, match="images of a known range"):
        list(MsSsim()(evidence(np.zeros((5, 2)), {"test": np.zeros((5, 2))})))
    with pytest.raises(NotMeasurable, match="A pair needs two images"):
        pairs_of(2, np.array([0, 1]), 5, 0)
    with pytest.raises(ConfigError, match="pairs=1"):
        MsSsim(pairs=1)
