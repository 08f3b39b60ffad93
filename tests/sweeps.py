"""A small sweep, for tests that play it."""

from __future__ import annotations

from pathlib import Path

SPEC = """
recipe = "mlp"
data = "ring"
backend = "{backend}"
steps = {steps}
seeds = [0, 1]
metric = "modes"
checkpoint_every = 20
log_every = 10

[set]
discriminator.hidden = [8]
generator.hidden = [8]

[grid]
loss = ["minimax", "non-saturating"]
"""


def written(folder: Path, backend: str, steps: int = 60, text: str = SPEC) -> None:
    (folder / "s.toml").write_text(text.format(backend=backend, steps=steps))
