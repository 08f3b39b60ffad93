"""Every recipe with networks a few channels wide, on a little real data: what the tests of all recipes play."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gankit
from gankit.data import digits, open_data, table

ENOUGH = 64
FILES = {
    "mnist": "mnist/train-images-idx3-ubyte.gz",
    "cifar": "cifar10/cifar10_lossless4k.npz",
    "faces": "orl_faces/orl_faces.npz",
}


def both(**settings: Any) -> dict[str, Any]:
    return {"generator": settings, "discriminator": settings}


def paper(**settings: Any) -> dict[str, Any]:
    return {"generator": {"units": 20, **settings}, "discriminator": {"units": 8}}


SLANTED = {"b": np.random.default_rng(7).integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)}
"""The other domain of `cycle`; what is in the pictures does not matter here."""


def mixed_rows(n: int) -> Any:
    """A DataFrame with numbers, categories, a date, booleans and empty cells, which depend on one another."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    city = rng.choice(["Köln", "東京", "Oslo"], n, p=[0.9, 0.08, 0.02])
    income = np.where(city == "Köln", rng.normal(20, 3, n), rng.normal(90, 20, n)).round(1)
    return pd.DataFrame(
        {
            "income": income,
            "city": np.where(rng.random(n) < 0.1, None, city),
            "day": pd.to_datetime("2021-03-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "children": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 4, n)),
            "owns": income + rng.normal(0, 1, n) > 21,
        }
    )


TABULAR = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16], "pack": 2}}

GAMES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("digits", {}),
    "cgan": ("digits", {}),
    "gan-2014": ("mnist", paper()),
    "gan-2014-tfd": ("faces", paper()),
    "gan-2014-cifar": ("cifar", paper()),
    "gan-2014-cifar-conv": ("cifar", {**paper(channels=3), "discriminator": {"width": 3, "units": 8}}),
    "dcgan": ("mnist", both(width=6)),
    "cdcgan": ("mnist", both(width=6)),
    "cdcgan-projection": ("mnist", both(width=6)),
    "sngan": ("cifar", {**both(width=6), "k": 2}),
    "modern": ("mnist", both(width=16, blocks=1)),
    "modern-small": ("mnist", both(width=8)),
    "modern-vectors": ("grid", both(hidden=[16, 16])),
    "super-resolution": ("mnist", {"generator": {"width": 3, "blocks": 1}, "discriminator": {"width": 3}}),
    "image-to-image": ("cifar", both(width=2)),
    "next-frame": ("moving-digits", both(width=2)),
    "masked": ("mnist", {"generator": {"width": 3, "hidden": 8}, "discriminator": {"width": 3, "hidden": 8}}),
    "bigan": ("mnist", {**both(hidden=[16]), "players": {"encoder": {"network": {"hidden": [16]}}}, "latent_dim": 5}),
    "masked-rows": ("grid", both(hidden=16)),
    "cycle": ("mnist", {"generator": {"width": 2, "blocks": 1}, "discriminator": {"width": 2}, "sources": SLANTED}),
    "series": ("signals", both(width=2)),
    "spectrum": ("signals", both(hidden=[16])),
    "tabular": ("table", TABULAR),
    "semi-supervised": (
        "mnist",
        {"generator": {"hidden": [16]}, "discriminator": {"width": 2, "units": 8}, "labelled": 20},
    ),
}
"""Recipe: (data, settings)."""
KEPT_WHOLE = {"discriminator": {"keep_input": 1.0, "keep_hidden": 1.0}}
DROPOUT: Mapping[str, dict[str, Any]] = {
    **dict.fromkeys(("gan-2014", "gan-2014-tfd", "gan-2014-cifar", "gan-2014-cifar-conv"), KEPT_WHOLE),
    "semi-supervised": {"discriminator": {"keep": 1.0}, "augmentations": []},
}
"""The recipes that draw masks or shifts inside the step, each framework its own, and the settings that leave them out.
"""


@cache
def examples(data: str) -> gankit.Dataset:
    """The first few, with labels. Without the files the test is skipped, but not in CI, which must have them."""
    if data == "digits":
        return digits.whole()
    if data == "table":
        return table(mixed_rows(ENOUGH))
    if data not in FILES:
        return open_data(data)
    path = Path(os.environ.get("GANKIT_DATA") or "nowhere", FILES[data])
    if not path.is_file():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"set GANKIT_DATA to a folder with {FILES[data]}")
    if data == "mnist":
        whole = open_data("mnist")
        x, labels = whole.x[:ENOUGH], whole.labels[:ENOUGH]
    elif data == "cifar":
        with np.load(path) as archive:
            x, labels = archive["images"][:ENOUGH], archive["labels"][:ENOUGH].astype(np.int64)
    else:
        with np.load(path) as archive:
            square = archive["images"][:ENOUGH, 10:102]  # 92x92
            labels = archive["subject"][:ENOUGH].astype(np.int64) % 10
        x = np.stack([np.asarray(Image.fromarray(face).resize((48, 48))) for face in square])[..., None]
    return gankit.Dataset(x, labels, 10, (0, 255), data)
