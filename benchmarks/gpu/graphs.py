"""CUDA graphs on torch: for each recipe as it is, captured or not and why, believed or not, memory, and speed."""

from __future__ import annotations

import os
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.gpu.stages import Options, Save

SECONDS = 0.4
"""How long each way of playing is timed, in each of the rounds."""
ROUNDS = 2
SHAPES = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "cifar": (32, 32, 3),
    "faces": (48, 48, 1),
}
WITHOUT = {"whole": "", "by phases": "whole", "recorded": "graphs", "plain": "recorded"}
"""What GANKIT_WITHOUT names for each way of playing."""


def graphs(options: Options, save: Save) -> None:
    from tests.recipe_games import GAMES

    found: dict[str, Any] = {"recipes": {}, "wrong": []}
    first = ("mlp", "gan-2014", "dcgan", "modern-small", "modern", "cgan")
    for recipe in (*first, *(name for name in GAMES if name not in first)):
        data, small = GAMES[recipe]
        if options.quick and recipe not in ("mlp", "modern-small"):
            continue
        row = one_recipe(recipe, data, small if options.quick else {}, options)
        found["recipes"][recipe] = row
        if options.device == "cuda" and not row.get("believed"):
            found["wrong"].append(f"{recipe}: {row.get('error') or row.get('warnings') or 'no graph'}")
        save(found)


def one_recipe(recipe: str, data: str, settings: dict[str, Any], options: Options) -> dict[str, Any]:
    """Steps a second in each way of playing, in turn, and what became of the graphs."""
    import torch

    row: dict[str, Any] = {}
    players = {}
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for way in WITHOUT:
                players[way] = Playing(recipe, data, settings, way, options)
            for _ in range(ROUNDS):
                for playing in players.values():
                    playing.turn()
        row |= {way: playing.result() for way, playing in players.items()}
        row["warnings"] = sorted({str(w.message).split("\n")[0] for w in caught if "graph" in str(w.message).lower()})
        row["captured"] = players["whole"].captures
        row["graphs_of_whole_steps"] = players["whole"].whole()
        row["believed"] = row["captured"] > 0 and players["whole"].possible()
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {error}".split("\n")[0]
    players.clear()
    if options.device == "cuda":
        torch.cuda.empty_cache()
    return row


class Playing:
    """One game, timed in turns."""

    def __init__(self, recipe: str, data: str, settings: dict[str, Any], way: str, options: Options) -> None:
        import torch
        from gankit_torch import graphs

        import gankit

        self.captures, self._rates, self._cuda = 0, list[float](), options.device == "cuda"
        original = graphs.captured

        def counted(*arguments: Any) -> Any:
            self.captures += 1
            return original(*arguments)

        os.environ["GANKIT_WITHOUT"] = WITHOUT[way]
        graphs.captured = counted
        try:
            before = torch.cuda.memory_reserved() if self._cuda else 0
            self._game = gankit.build("torch", recipe=recipe, data=examples(data), device=options.device, **settings)
            begun = time.perf_counter()
            self._game.fit(steps=10 if options.quick else 60)
            self.start = time.perf_counter() - begun
            self.memory = (torch.cuda.memory_reserved() - before) / 2**20 if self._cuda else 0.0
        finally:
            graphs.captured = original
            os.environ["GANKIT_WITHOUT"] = ""
        self._steps = 5
        self._steps = max(5, int(self._timed() * SECONDS * (0.2 if options.quick else 1.0)))

    def turn(self) -> None:
        self._rates.append(self._timed())

    def _timed(self) -> float:
        """Steps a second. `fit` ends when the device is done."""
        import torch

        begun = time.perf_counter()
        self._game.fit(steps=self._steps)
        if self._cuda:
            torch.cuda.synchronize()
        return self._steps / (time.perf_counter() - begun)

    def possible(self) -> bool:
        graphs = self._game.backend.ops._graphs
        return graphs is not None and bool(graphs.possible)

    def whole(self) -> int:
        """How many graphs of whole steps it has."""
        return sum(len(whole._graphs) for whole in self._game.backend.ops._whole.values())

    def result(self) -> dict[str, Any]:
        rates = [round(rate, 2) for rate in self._rates]
        return {"it_per_s": rates, "first_60_steps_s": round(self.start, 2), "reserved_mb": round(self.memory)}


def examples(data: str) -> Any:
    """As many as a few batches need. Speed does not depend on what is on the pictures, as long as it is not all 0."""
    import gankit

    if data not in SHAPES:
        return data
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, (2048, *SHAPES[data]), dtype=np.uint8), rng.integers(0, 10, 2048)
    return gankit.Dataset(x, labels, 10, (0, 255), data)
