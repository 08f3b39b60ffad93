"""Table 1's column of faces, on other faces: the Toronto Face Database is not to be had.

    python -m benchmarks.table_1_faces FACES.npz --backend jax --seed 0 --out name

FACES.npz holds the 400 ORL faces (`images`: (400, 112, 92) uint8, `subject`: who it is, 40 people of 10 pictures each),
which are cut to their middle square and reduced to 48 x 48. People are apart, as in TFD's folds: 30 are trained on, 5
choose sigma, 5 are scored. Writes `name.json` to `results/table-1`,
and samples to --picture: they look like the people they were learnt from, so they are not kept here.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import gankit
from gankit.arrays import Array
from gankit.metrics.kmeans import centroids
from gankit.metrics.parzen import GRID, log_likelihoods
from gankit.metrics.points import Points

RESULTS = Path(__file__).parent / "results" / "table-1"
TRAIN, VALIDATION, TEST = range(30), range(30, 35), range(35, 40)
SIDE, SAMPLES, RANGE = 48, 10_000, (0.0, 255.0)


def faces(path: Path) -> dict[str, Array]:
    """Split: (n, 48, 48, 1) uint8."""
    with np.load(path) as archive:
        images, people = archive["images"], archive["subject"]
    images = images.reshape(len(images), *images.shape[1:3])
    rows, columns = images.shape[1:]
    top = (rows - columns) // 2
    small = [Image.fromarray(image[top : top + columns]).resize((SIDE, SIDE), Image.Resampling.BOX) for image in images]
    x = np.stack([np.asarray(image) for image in small])[..., None]
    splits = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    return {name: x[np.isin(people - people.min(), list(split))] for name, split in splits.items()}


def score(backend: Any, centres: Points, data: dict[str, Array]) -> dict[str, Any]:
    """Mean and standard error, in nats, of the test faces under the window whose sigma suits the validation faces."""
    on_validation = log_likelihoods(backend, Points(data["validation"], RANGE), centres, GRID).mean(axis=0)
    best = int(on_validation.argmax())
    scores = log_likelihoods(backend, Points(data["test"], RANGE), centres, GRID[best : best + 1])[:, 0]
    return {
        "test": float(scores.mean()),
        "error": float(scores.std() / np.sqrt(len(scores))),
        "sigma": GRID[best],
        "validation": float(on_validation[best]),
        "centres": len(centres),
    }


def picture(path: Path, images: Array) -> None:
    """Ten in a row."""
    rows = images[:100, ..., 0].reshape(-1, 10, SIDE, SIDE)
    Image.fromarray(rows.transpose(0, 2, 1, 3).reshape(-1, 10 * SIDE)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--out", required=True)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    data = faces(options.faces)
    gan = gankit.build(options.backend, recipe="gan-2014-tfd", data=data["train"], seed=options.seed)
    found: dict[str, Any] = {"backend": options.backend, "seed": options.seed, "curve": []}
    train = Points(data["train"], RANGE)
    found["real training faces"] = score(gan.backend, train, data)
    found["100 centroids of the training faces"] = score(gan.backend, centroids(gan.backend, train, 100).points, data)
    RESULTS.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for steps in range(options.every, options.steps + 1, options.every):
        gan.fit(steps=options.every)
        row = score(gan.backend, Points(gan.sample(SAMPLES, seed=7), RANGE), data)
        found["curve"].append({"steps": steps, "minutes": round((time.monotonic() - begun) / 60, 1), **row})
        print(found["curve"][-1], flush=True)
        (RESULTS / f"{options.out}.json").write_text(json.dumps(found, indent=1) + "\n")
        if options.picture is not None:
            picture(options.picture, gan.sample(100, seed=7))


if __name__ == "__main__":
    main()
