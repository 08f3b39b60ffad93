"""Write each game's checkpoint after 6 steps, and after 12, in float64: `python -m tests.before.write FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import gankit
from tests.parity.test_recipes import game
from tests.recipe_games import both

RECIPES = ("mlp", "cgan", "gan-2014", "dcgan", "cdcgan", "cdcgan-projection", "sngan", "modern-small")
"""Of every kind: labels told in each way, dropout, batch and spectral norm, penalties that act now and then."""
STEPS = 6
MLP = both(hidden=[8])
SMALLER = {"mlp": MLP, "cgan": MLP} | {
    name: both(width=2) for name in ("dcgan", "cdcgan", "cdcgan-projection", "sngan")
}
SMALLER["modern-small"] = both(width=2)


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    for recipe in RECIPES:
        settings = {
            "dtype": "float64",
            "ema": 0.98,
            "latent_dim": 4,
            **game(recipe, dropout=False),
            **SMALLER.get(recipe, {}),
        }
        trainer = gankit.build(backend="torch", device="cpu", **settings)
        for when in ("half", "whole"):
            trainer.fit(steps=STEPS).save(folder / f"{recipe}-{when}.safetensors")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
