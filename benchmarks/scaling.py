"""What workers tell each other in a step of each recipe, and how long that takes by arithmetic; prints a table.

    python -m benchmarks.scaling

Nothing is timed. One process plays a step of every recipe at its own size as if it were one of two workers, and counts
the bytes of each all-reduce and the multiplications. The rest is computed from the constants below.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

import gankit
from tests.recipe_games import GAMES, examples

WORKERS = 8
SUSTAINED = 20e12
"""FLOP a second that a device is taken to reach."""
EFFICIENCY = 0.9
BATCH = 8
"""Examples in the step that is counted; what is told depends on it only where rows are gathered."""
NEEDED = ("sources", "labelled")
"""Settings of the tests' games that a recipe cannot do without; the others make it small."""


class Link(NamedTuple):
    """name; bandwidth: bytes a second in one direction; latency: seconds from one worker to the next."""

    name: str
    bandwidth: float
    latency: float

    def seconds(self, told: list[int]) -> float:
        """A ring all-reduce of each message: its bytes go round nearly twice, in 2 (N - 1) hops."""
        hops = 2 * (WORKERS - 1)
        return sum(hops / WORKERS * size / self.bandwidth + hops * self.latency for size in told)


LINKS = (
    Link("NVLink", 450e9, 1e-6),
    Link("InfiniBand", 50e9, 2e-6),
    Link("Ethernet", 1.25e9, 25e-6),
)


class Products(TorchDispatchMode):
    """Counts the FLOP of matrix products and convolutions. torch's own FlopCounterMode also asks for modules, which
    nested gradients do not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        count = flop_registry.get(function.overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


@contextmanager
def pretending(told: list[int]) -> Iterator[None]:
    """Inside, this process takes itself for the first of two workers; told: gets the bytes of what it would say."""
    from gankit_torch import backend, workers

    class Alone(workers.TorchWorkers):
        def highest(self, numbers: Any) -> list[int]:
            return list(numbers)

        def everybody(self, text: str) -> list[str]:
            return [text]

    def say(x: Any, *_: Any) -> None:
        told.append(x.numel() * x.element_size())

    def gather(every: Any, x: Any) -> None:
        say(every[0])
        every[0].copy_(x)

    real = workers.dist, workers._lines, backend.joined
    fake = SimpleNamespace(all_reduce=say, all_gather=gather, get_rank=lambda: 0, get_world_size=lambda: 2)
    workers.dist, workers._lines, backend.joined = fake, lambda: None, lambda: Alone()
    try:
        yield
    finally:
        workers.dist, workers._lines, backend.joined = real


def counted(recipe: str) -> tuple[int, list[int], float]:
    """(parameters that move, bytes of each message of a step, FLOP an example of it)."""
    data, settings = GAMES[recipe]
    kept = {name: value for name, value in settings.items() if name in NEEDED}
    told: list[int] = []
    with pretending(told):
        trainer: Any = gankit.build("torch", recipe=recipe, data=examples(data), batch_size=BATCH, device="cpu", **kept)
        with Products() as products:
            trainer.fit(steps=1)
    size = sum(player.num_parameters for player in trainer.players.values())
    return size, told, products.flops / (BATCH / 2)


def main() -> None:
    os.environ["GANKIT_WITHOUT"] = "recorded,onednn"  # so that every product is seen
    warnings.simplefilter("ignore")
    names = " | ".join(f"{link.name}: ms | batch" for link in LINKS)
    print(f"| recipe | parameters | MB a step | messages | GFLOP an example | {names} |")
    print("|---" * (5 + 2 * len(LINKS)) + "|")
    for recipe in GAMES:
        size, told, flops = counted(recipe)
        cells = []
        for link in LINKS:
            seconds = link.seconds(told)
            least = EFFICIENCY / (1 - EFFICIENCY) * seconds * SUSTAINED / flops
            cells += [f"{1e3 * seconds:.2g}", f"{WORKERS * math.ceil(least):,}"]
        row = [f"{size:,}", f"{sum(told) / 1e6:.2f}", str(len(told)), f"{flops / 1e9:.2g}", *cells]
        print(f"| `{recipe}` | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
