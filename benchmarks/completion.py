"""Section 7.3: how well one G completes what any mask hides, beside copying from the training set.

    python -m benchmarks.completion --backend jax --seed 0 --steps 6000

trains the recipe `masked` on MNIST and writes `<backend>-<seed>.json`, the table of docs/completion.md, and a figure.
`--split validation` judges on held out training digits instead: that is the one to choose settings by.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import gankit
from benchmarks.conditions import agreement, frechet, versions
from gankit.arrays import Array
from gankit.data import open_data
from gankit.figures.nearest import nearest

RESULTS = Path(__file__).parent / "results" / "completion"
SIDES = {"lower": np.s_[14:, :], "right": np.s_[:, 14:]}
"""What is hidden."""
MANY = 8
"""Completions of one picture."""


def masks(n: int, hidden: Any) -> Array:
    """(n, 28, 28, 1), 0 where it is hidden."""
    known = np.ones((n, 28, 28, 1), np.float32)
    known[:, hidden[0], hidden[1]] = 0.0
    return known


def given(x: Array, known: Array) -> dict[str, Array]:
    """The conditions of a completion."""
    return {"image": (x * known).astype(np.uint8), "mask": known}


def spread(x: Array, hidden: Any) -> float:
    """The standard deviation of each hidden pixel over several pictures (n, several, 28, 28, 1), averaged; of 255."""
    return float(x[:, :, hidden[0], hidden[1]].astype(float).std(axis=1).mean())


def judge(trainer: Any, split: str, n: int, n_spread: int = 500) -> dict[str, float]:
    """Every number of the table."""
    train = open_data("mnist")
    if split == "test":
        data = open_data("mnist", split="test")
        x, labels, real, real_labels = data.x, data.labels, train.x, train.labels
    else:
        cut = len(train) - 10_000
        x, labels, real, real_labels = train.x[cut:], train.labels[cut:], train.x[:cut], train.labels[:cut]
    rows = np.random.default_rng(0).permutation(len(x))[:n]
    x, labels = x[rows], labels[rows]
    backend, numbers = trainer.backend.name, {}
    for name, hidden in SIDES.items():
        known = masks(n, hidden)
        completed = trainer.sample(n, given=given(x, known), seed=1)
        visible = np.array(known, bool)
        assert np.array_equal(completed[visible], x[visible]), "a known pixel has changed"
        numbers[f"{name}_class"] = agreement(backend, completed, labels)
        near = nearest(x * visible, real * visible[:1])
        numbers[f"{name}_nearest_class"] = float(np.mean(real_labels[near] == labels))
        copied = np.where(visible, x, real[near])
        numbers[f"{name}_copied_class"] = agreement(backend, copied, labels)
        numbers[f"{name}_frechet"] = frechet(backend, completed, x)
        numbers[f"{name}_copied_frechet"] = frechet(backend, copied, x)
        few = x[:n_spread]
        many = trainer.sample(
            MANY * n_spread, given={k: v.repeat(MANY, axis=0) for k, v in given(few, known[:n_spread]).items()}, seed=2
        )
        numbers[f"{name}_spread"] = spread(many.reshape(n_spread, MANY, 28, 28, 1), hidden)
        rng = np.random.default_rng(1)
        truths = np.stack([real[rng.choice(np.flatnonzero(real_labels == y), MANY)] for y in labels[:n_spread]])
        numbers[f"{name}_truth_spread"] = spread(truths, hidden)
    _, drawn = trainer.pairs(n, seed=3, data=gankit.Dataset(x, value_range=(0, 255), name="mnist"))
    mixed = trainer.sample(n, given=drawn, seed=3)
    numbers["mixed_frechet"] = frechet(backend, mixed, x)
    return {name: round(value, 5) for name, value in numbers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--every", type=int, default=0, help="judge after so many steps as well")
    parser.add_argument("--n", type=int, default=2000, help="how many digits to judge on")
    parser.add_argument("--split", choices=("test", "validation"), default="test")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    from gankit.cli.settings import assigned

    train = open_data("mnist")
    end = len(train) if options.split == "test" else len(train) - 10_000
    data = gankit.Dataset(train.x[:end], value_range=(0, 255), name="mnist")
    trainer = gankit.build(options.backend, "masked", data, seed=options.seed, device="cpu", **assigned(options.set))
    seconds, curve = 0.0, []
    every = options.every or options.steps
    while trainer.steps_done < options.steps:
        start = time.perf_counter()
        trainer.fit(steps=min(every, options.steps - trainer.steps_done))
        seconds += time.perf_counter() - start
        curve.append(
            {"step": trainer.steps_done, "seconds": round(seconds, 1), **judge(trainer, options.split, options.n)}
        )
        print(json.dumps(curve[-1]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"{options.backend}-{options.seed}"
    result = {
        "protocol": f"MNIST, {options.split} split, {options.n} digits drawn once",
        "backend": options.backend,
        "seed": options.seed,
        "settings": options.set,
        "curve": curve,
        "versions": versions(),
    }
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    gankit.figures.completions(trainer, rows=10, columns=6).save(options.out / f"{name}.png")


if __name__ == "__main__":
    main()
