"""Adult (UCI, Becker & Kohavi 1996): rows by gankit, or by the `ctgan` package, judged by what a classifier learns.

    python -m benchmarks.tables rows --out adult                     # train.csv and test.csv, the same rows each time
    python -m benchmarks.tables gankit --rows adult --out made.csv --backend jax --seed 0 --cpu-seconds 300
    python -m benchmarks.tables judge --rows adult --made made.csv   # one line of JSON; without --made, of real rows
    python benchmarks/tables.py ctgan --rows adult --out made.csv --seed 0 --cpu-seconds 300

The last one runs where `pip install ctgan` was done, an environment of its own, and needs nothing of gankit. Both are
given as many CPU seconds, all threads together, what comes before the first step included; `--steps`, or `--epochs`,
instead runs to an end. The data is `$GANKIT_DATA/tabular/adult.csv.gz`, 22,561 rows to train and 10,000 to test.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TARGET, TEST, UNKNOWN = "income", 10_000, "?"
CHUNK = 320
"""Steps between looks at the clock."""


def rows(out: Path) -> None:
    """The split, drawn by a fixed seed; "?" stays what it is."""
    frame = pd.read_csv(Path(os.environ["GANKIT_DATA"], "tabular", "adult.csv.gz"), skipinitialspace=True)
    order = np.random.Generator(np.random.Philox(0)).permutation(len(frame))
    out.mkdir(parents=True, exist_ok=True)
    frame.iloc[np.sort(order[TEST:])].to_csv(out / "train.csv", index=False)
    frame.iloc[np.sort(order[:TEST])].to_csv(out / "test.csv", index=False)
    (out / "train.toml").write_text(f'target = "{TARGET}"\ntest = "test.csv"\nmissing = ["{UNKNOWN}"]\n')


def by_gankit(folder: Path, out: Path, backend: str, seed: int, cpu: float, steps: int | None) -> dict[str, Any]:
    import gankit

    start = time.time()
    gan = gankit.build(backend, "tabular", str(folder / "train.csv"), seed=seed)
    while steps is not None or time.process_time() < cpu:
        gan.fit(steps=CHUNK if steps is None else steps)
        if steps is not None:
            break
    trained = time.process_time()
    gan.sample(len(gan.data), seed=seed).fillna({c: UNKNOWN for c in _texts(gan.data.frame)}).to_csv(out, index=False)
    return {"by": f"gankit, {backend}", "steps": gan.steps_done, "cpu": trained, "wall": time.time() - start}


def by_ctgan(folder: Path, out: Path, seed: int, cpu: float, epochs: int | None) -> dict[str, Any]:
    import torch
    from ctgan import CTGAN

    start, frame = time.time(), pd.read_csv(folder / "train.csv")
    torch.manual_seed(seed)
    np.random.seed(seed)
    if epochs is None:
        CTGAN(epochs=1).fit(frame, _texts(frame))
        one = time.process_time()
        CTGAN(epochs=2).fit(frame, _texts(frame))
        each = time.process_time() - 2 * one  # what an epoch costs beside what comes before the first
        epochs = max(1, round((cpu - one) / max(each, 1e-9)))
    start, before = time.time(), time.process_time()
    model = CTGAN(epochs=epochs)
    model.fit(frame, _texts(frame))
    trained = time.process_time() - before
    model.sample(len(frame)).to_csv(out, index=False)
    return {"by": "ctgan", "epochs": epochs, "cpu": trained, "wall": time.time() - start}


def _texts(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame if frame[name].dtype.kind not in "if"]


def judge(folder: Path, made: Path | None) -> dict[str, Any]:
    """F1 and AUC on the test rows, shapes and trends: gankit's metrics, of a file of rows."""
    from types import SimpleNamespace

    from gankit.data import open_data
    from gankit.metrics import Evidence
    from gankit.metrics.tables import ClosestRecord, ColumnShapes, TrainOnSynthetic

    data = open_data(folder / "train.csv")
    frame = data.frame if made is None else pd.read_csv(made, na_values=[UNKNOWN], skipinitialspace=True)
    spec: Any = SimpleNamespace(codec=data.codec)
    evidence = Evidence(None, spec, data.codec.encode(frame, known=False), None, data.split)  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    for metric in (TrainOnSynthetic(), ColumnShapes(), ClosestRecord()):
        for m in metric(evidence):
            if m.protocol.get("of", m.protocol.get("learned from")) == "samples":
                found[m.metric] = round(m.value, 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["rows", "gankit", "ctgan", "judge"])
    parser.add_argument("--rows", type=Path, default=Path("adult"))
    parser.add_argument("--out", type=Path, default=Path("adult"))
    parser.add_argument("--made", type=Path)
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-seconds", type=float, default=300.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--epochs", type=int)
    asked = parser.parse_args()
    if asked.what == "rows":
        rows(asked.out)
    elif asked.what == "gankit":
        told = by_gankit(asked.rows, asked.out, asked.backend, asked.seed, asked.cpu_seconds, asked.steps)
        print(json.dumps(told))
    elif asked.what == "ctgan":
        print(json.dumps(by_ctgan(asked.rows, asked.out, asked.seed, asked.cpu_seconds, asked.epochs)))
    else:
        print(json.dumps(judge(asked.rows, asked.made)))


if __name__ == "__main__":
    main()
