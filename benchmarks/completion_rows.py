"""Any columns given any others, where the truth is known: rows of a Gaussian, whose conditionals are Gaussians too.

    python -m benchmarks.completion_rows --backend jax --seed 0

trains `masked-rows` on 20,000 rows of 5 correlated columns, hides some columns of each of 1,000 new rows, and sets 64
completions of each beside the closed form. The rows of the training set that are nearest by the known columns are the
baseline: as many completions, and nothing is learnt.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import gankit
from gankit.arrays import Array

RESULTS = Path(__file__).parent / "results" / "completion"
WIDTH, ROWS, TEST, MANY = 5, 20_000, 1_000, 64


def gaussian() -> tuple[Array, Array]:
    """(mean, covariance) of the rows: columns of scales from 1 to 16, half of their variance in common factors."""
    rng = np.random.default_rng(0)
    scales = 2.0 ** np.arange(WIDTH)
    factors = rng.normal(size=(WIDTH, 2))
    shared = factors @ factors.T
    own = np.diag(np.diag(shared))
    return 10.0 * rng.normal(size=WIDTH), scales[:, None] * (shared + 0.5 * own) * scales


def conditional(mean: Array, covariance: Array, row: Array, known: Array) -> tuple[Array, Array]:
    """The mean and the standard deviations of the hidden columns of a row, given the known ones."""
    hidden = ~known
    across = covariance[np.ix_(hidden, known)] @ np.linalg.inv(covariance[np.ix_(known, known)])
    middle = mean[hidden] + across @ (row[known] - mean[known])
    left = covariance[np.ix_(hidden, hidden)] - across @ covariance[np.ix_(known, hidden)]
    return middle, np.sqrt(np.diag(left))


def judged(rows: Array, known: Array, completed: Array) -> dict[str, float]:
    """completed: (TEST, MANY, WIDTH). Errors and spreads in the standard deviations of the true conditional."""
    mean, covariance = gaussian()
    errors, spreads = [], []
    for row, visible, each in zip(rows, known, completed, strict=True):
        middle, deviation = conditional(mean, covariance, row, visible)
        own = each[:, ~visible]
        errors.extend((own.mean(axis=0) - middle) / deviation)
        spreads.extend(own.std(axis=0) / deviation)
    return {"error_of_the_mean": float(np.sqrt(np.mean(np.square(errors)))), "spread": float(np.median(spreads))}


def neighbours(training: Array, rows: Array, known: Array) -> Array:
    """Of each row the MANY training rows that are nearest by its known columns, each column in its own deviations."""
    scale = training.std(axis=0)
    found = []
    for row, visible in zip(rows / scale, known, strict=True):
        far = np.square((training / scale - row)[:, visible]).sum(axis=1)
        found.append(training[np.argpartition(far, MANY)[:MANY]])
    return np.stack(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    mean, covariance = gaussian()
    drawn = np.random.default_rng(1).multivariate_normal(mean, covariance, ROWS + TEST).astype(np.float32)
    training, rows = drawn[:ROWS], drawn[ROWS:]
    known = np.random.default_rng(2).random((TEST, WIDTH)) < 0.5
    known[known.all(axis=1), 0] = False
    known[~known.any(axis=1), -1] = True
    gan = gankit.build(options.backend, "masked-rows", training, seed=options.seed, device="cpu")
    start = time.perf_counter()
    gan.fit(steps=options.steps)
    seconds = time.perf_counter() - start
    given = {"known": np.where(known, rows, 0), "mask": known.astype(np.float32)}
    made = gan.sample(TEST * MANY, given={name: v.repeat(MANY, axis=0) for name, v in given.items()}, seed=1)
    result = {
        "protocol": f"{TEST} rows, {MANY} completions of each, beside the closed form",
        "backend": options.backend,
        "seed": options.seed,
        "steps": options.steps,
        "seconds": round(seconds, 1),
        "gankit": judged(rows, known, made.reshape(TEST, MANY, WIDTH)),
        "nearest_rows": judged(rows, known, neighbours(training, rows, known)),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1)
    (options.out / f"rows-{options.backend}-{options.seed}.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
