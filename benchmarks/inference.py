"""What an encoder finds: G(E(x)) of test digits beside the nearest of 10,000 samples. Section 7.2 of the paper.

    python -m benchmarks.inference RUN --out name

RUN is a run folder of an unconditional game on MNIST, with an encoder of its own (`bigan`) or that `gankit infer` has
trained. Writes `name.json` and `name.png` to `results/inference`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import gankit
from gankit.arrays import Array
from gankit.data import open_data
from gankit.figures.nearest import nearest
from gankit.metrics.cnn import MnistCnn

RESULTS = Path(__file__).parent / "results" / "inference"


def mse(a: Array, b: Array) -> float:
    """Of pixels in parts of the range."""
    return float(np.square(a.astype(np.float64) - b.astype(np.float64)).mean() / 255**2)


def judge(gan: Any, n: int = 2_000, samples: int = 10_000) -> dict[str, float]:
    test = open_data("mnist", split="test")
    rows = np.random.default_rng(0).permutation(len(test))[:n]
    assert test.labels is not None
    x, labels = test.x[rows], test.labels[rows]
    drawn = gan.sample(samples, seed=7)
    copies, ours, closer = drawn[nearest(x, drawn)], gan.reconstruct(x), gan.reconstruct(x, refine=100)
    look = MnistCnn().open(gan.backend)

    def right(images: Array) -> float:
        said = look(images)[1]
        assert said is not None
        return float((said.argmax(axis=1) == labels).mean())

    z = np.random.default_rng(1).normal(size=(1_000, gan.config.latent_dim))
    if gan.config.prior != "normal":
        from gankit.play.streams import Streams

        z = Streams(1).first_latents("benchmark", 1_000, gan.config.latent_dim, gan.config.prior)
    found = gan.encode(gan.spec.scaling.to_user(gan.generate(z)))
    return {
        "mse": mse(ours, x),
        "nearest_mse": mse(copies, x),
        "ratio": mse(ours, x) / mse(copies, x),
        "refined_mse": mse(closer, x),
        "refined_class": right(closer),
        "class": right(ours),
        "nearest_class": right(copies),
        "truth_class": right(x),
        "r2_of_z": float(1 - np.square(found - z).mean() / z.var()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", default="inference")
    options = parser.parse_args()
    gan = gankit.load(options.run, device="cpu")
    numbers = {name: round(value, 4) for name, value in judge(gan).items()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    encoder = options.run / "encoder"
    result = {
        "protocol": "MNIST, 2,000 digits of the test split drawn once, 10,000 samples",
        "backend": gan.backend.name,
        "recipe": gan.config.recipe,
        "seed": gan.config.seed,
        "steps": gan.steps_done,
        "encoder_steps": gankit.load(encoder, device="cpu").steps_done if encoder.is_dir() else gan.steps_done,
        "numbers": numbers,
    }
    (RESULTS / f"{options.out}.json").write_text(json.dumps(result, indent=1) + "\n")
    gankit.figures.reconstructions(gan, rows=10).save(RESULTS / f"{options.out}.png")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
