"""A run folder that has everything a report can tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gankit import checkpoint
from gankit.data.images import save_png
from gankit.runs.folder import Run
from tests.report.folders import MEASURED, begin, write_lines


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has everything."""
    run = begin(tmp_path / "run", batch_size=32, penalties=["r1"], loss="non-saturating", ema=0.999)
    terms = [
        {"step": s, "d_loss": 1.0 + 1 / s, "g_loss": None if s == 200 else 0.7, "D(x)": 0.6, "D(G(z))": 0.4, "r1": 0.1}
        for s in (100, 200, 300)
    ]
    write_lines(run.metrics_file, *terms)
    write_lines(
        run.vitals_file, *({"step": s, "advantage": 0.1, "spread": 0.9, "nearest": 0.8} for s in (100, 200, 300))
    )
    write_lines(
        run.alarms_file,
        {"step": 100, "alarm": "collapse", "what": "the samples collapse.", "try": ["--penalty r1", "more data"]},
        {"step": 300, "alarm": "collapse", "over": True},
    )
    write_lines(
        run.evaluations_file,
        *(
            {"step": s, "metric": "parzen", "label": "parzen[n=9]", "value": s / 2, "best": s == 200}
            for s in (100, 200, 300)
        ),
    )
    for step in (100, 200, 300):
        save_png(run.sample_file(step), np.full((4, 8, 8, 1), step % 256, np.uint8))
    save_png(run.picture, np.full((4, 8, 8, 1), 9, np.uint8))
    save_png(run.folder / "figures" / "class-grid.png", np.full((4, 8, 8, 1), 7, np.uint8))
    arrays = {"generator/params/dense0/kernel": np.zeros((3, 4)), "discriminator/params/dense0/bias": np.zeros(5)}
    meta = {"steps_done": 300, "data": {"shape": [8, 8, 1]}, "updates": {"generator": 300, "discriminator": 300}}
    checkpoint.write(run.checkpoint_file(300), {**arrays, "ema/dense0/kernel": np.zeros((3, 4))}, meta)
    run.note_environment({"gankit": "0.1.0", "backend": "torch", "device": "cpu", "versions": {"torch": "2.13"}}, 0)
    (run.folder / "metrics.json").write_text(json.dumps(MEASURED))
    return run
