"""What is timed. A workload is a gankit game, or a metric of one; hand-written loops and peers do the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HAND = ("torch", "jax")
PEERS = ("torchgan", "lightning", "vegans", "mimicry", "keras-torch", "keras-jax")


@dataclass(frozen=True)
class Workload:
    """settings: of `gankit.build`; with its recipe's defaults they say all there is to say of the game.

    family: the module of hand-written loops in `torch_loops` and `jax_loops`.
    data: name of a data set of gankit's.
    sizes: what the hand-written networks are made from, where they come in sizes.
    others: contenders beside gankit's backends and the replays.
    replayed: whether the matrix products of an iteration, replayed, take part; not where the best loop is just these.
    samples: in place of training, how many examples one "iteration" samples.
    """

    name: str
    family: str
    settings: Mapping[str, Any]
    data: str = "mnist"
    sizes: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = HAND
    samples: int = 0
    replayed: bool = True

    @property
    def batch(self) -> int:
        return int(self.settings.get("batch_size", 0))


def _mlp(width: int) -> dict[str, Any]:
    return {"name": "mlp", "hidden": [width, width]}


# One block a resolution and 16 channels at the finest: a step then takes about a second on two cores.
MODERN = {"name": "modern", "width": 16, "blocks": 1}

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "gan-2014",
            "gan_2014",
            {"recipe": "gan-2014", "batch_size": 100},
            others=("torch", "torch-stock", "jax", "jax-stock", *PEERS),
        ),
        Workload(
            "dcgan",
            "dcgan",
            {"recipe": "dcgan", "batch_size": 64},
            others=("torch", "torch-stock", "jax", "jax-stock", *PEERS),
        ),
        Workload("cdcgan", "dcgan", {"recipe": "cdcgan", "batch_size": 64}, sizes={"classes": 10}),
        Workload(
            "modern",
            "modern",
            {"recipe": "modern", "generator": MODERN, "discriminator": MODERN, "batch_size": 64},
            sizes={"width": 16, "blocks": 1},
        ),
        Workload("modern-small", "modern_small", {"recipe": "modern-small", "batch_size": 64}),
        Workload(
            "toy",
            "toy",
            {
                "recipe": "mlp",
                "data": "ring",
                "generator": _mlp(64),
                "discriminator": _mlp(64),
                "penalties": (),
                "ema": 0.0,
                "latent_dim": 8,
                "batch_size": 256,
            },
            data="ring",
            sizes={"hidden": 64, "latent": 8},
        ),
        Workload("sampling", "sampling", {"recipe": "gan-2014", "batch_size": 100}, samples=10_000),
        Workload(
            "parzen",
            "parzen",
            {},
            others=("gankit-torch-ten-sigmas", "gankit-jax-ten-sigmas", *HAND, "scikit-learn"),
            replayed=False,
        ),
    )
}
