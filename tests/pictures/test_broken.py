"""Pictures that cannot be read: named when found, or replaced by the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gankit.data import decoding, folder, open_data, pairs
from gankit.data.sources import can_reopen
from gankit.errors import DataError
from tests.pictures.making import encoded, folder_of, paired, picture, small

# ---- what cannot be read


@pytest.mark.usefixtures("large")
def test_a_broken_picture_is_named_when_it_is_found(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 30, broken=(17,))
    x = folder(faces, size=4, workers=1).x
    with pytest.raises(DataError, match=r"017\.png cannot be read as an image.*--skip-broken"):
        np.asarray(x)
    with pytest.raises(DataError, match=r"017\.png"):  # and from then on: a run does not go on beside it
        x[:2]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    "order", [range(30), range(29, -1, -1), [4, 3, 19, *range(30)]], ids=["on", "back", "broken first"]
)
def test_the_next_whole_picture_of_its_class_stands_in_for_a_broken_one(tmp_path: Path, order: Any) -> None:
    """So the number of examples, their order and what is seen do not hang on what is found when."""
    faces = folder_of(tmp_path / "faces", 30, classes=3, broken=(3, 4, 19))
    data = open_data(f"{faces}@4+skip-broken")
    assert len(data) == 30 and data.labels is not None and data.labels.tolist() == [i // 10 for i in range(30)]
    rows = list(order)
    instead = {3: 5, 4: 5, 19: 10}
    want = {name: row for row, name in enumerate(r for r in range(30) if r not in instead)}
    plain = small(f"{faces}@4+skip-broken").x
    np.testing.assert_array_equal(data.x[rows], plain[[want[instead.get(row, row)] for row in rows]])
    assert [line.split(":")[0] for line in data.skipped] == ["class-0/003.png", "class-0/004.png", "class-1/019.png"]
    np.testing.assert_array_equal(data.x[2:6], plain[[2, 3, 3, 3]])


@pytest.mark.usefixtures("large")
def test_a_class_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 9, classes=3, broken=(3, 4, 5))
    with pytest.raises(DataError, match="all 3 images of its class are broken"):
        np.asarray(open_data(f"{faces}@4+skip-broken").x)


@pytest.mark.usefixtures("large")
def test_another_size_is_told_with_both_names_when_it_is_found(tmp_path: Path) -> None:
    faces = folder_of(tmp_path / "faces", 30)
    (faces / "020.png").write_bytes(encoded(picture(5, 5)))
    with pytest.raises(DataError, match=r"000\.png is 6x8 and .*020\.png is 5x5.*size=5|size=6"):
        np.asarray(folder(faces).x)


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("halves", [False, True])
def test_pairs_stay_together_whatever_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazily: bool, halves: bool
) -> None:
    if lazily:
        monkeypatch.setattr(decoding, "IN_MEMORY", 0)
        monkeypatch.setattr(decoding, "WORTH", 0)
    path = paired(tmp_path / "p", broken=(2, 5), halves=halves)
    kind = "halves" if halves else "pairs"
    with pytest.raises(DataError, match=r"(?s)[25]\.png cannot be read.*--skip-broken"):
        np.asarray(open_data(f"{kind}:{path}").x)
    data = open_data(f"{kind}:{path}+skip-broken")
    rows = [0, 1, 3, 3, 4, 6, 6, 7] if lazily else [0, 1, 3, 4, 6, 7]
    for array, side in ((data.given["image"], 0), (data.x, 1)):
        for got, row in zip(np.asarray(array), rows, strict=True):
            if halves:
                want = np.asarray(Image.open(path / f"{row}.png"))[:, 6 * side : 6 * side + 6]
            else:
                want = np.asarray(Image.open(path / "AB"[side] / f"{row}.png")).reshape(6, 6, -1)
            np.testing.assert_array_equal(got, want)
    assert [line.split(":")[0] for line in data.skipped] == ["2.png", "5.png"] and can_reopen(data.name)


def test_both_of_a_pair_are_mirrored(tmp_path: Path) -> None:
    plain, data = pairs(paired(tmp_path / "p")), pairs(tmp_path / "p", flip=True)
    for x, y in ((plain.x, data.x), (plain.given["image"], data.given["image"])):
        np.testing.assert_array_equal(y, np.concatenate([x, x[:, :, ::-1]]))
