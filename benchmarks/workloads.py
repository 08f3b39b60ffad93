"""What is timed. A workload is a gankit game, or a metric of one; hand-written loops and peers do the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HAND = ("torch", "jax")
EAGER = ("torch-eager", "jax")
GRAPHED = ("torch-eager", "torch-graphed", "jax")
COMPILED = ("torch-eager", "torch-graphed", "torch-compiled", "torch-overhead", "jax")
LAST = "torch-graphed-last"
PEERS = ("torchgan", "lightning", "vegans", "mimicry", "keras-torch", "keras-jax")


@dataclass(frozen=True)
class Workload:
    """settings: of `gankit.build`; with its recipe's defaults they say all there is to say of the game.

    family: the module of hand-written loops in `torch_loops` and `jax_loops`.
    data: name of a data set of gankit's; or "cifar@SIDE", colour images that gankit is given as an array.
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


def _toy(name: str, others: tuple[str, ...], *, replayed: bool = True) -> Workload:
    settings = {
        "recipe": "mlp",
        "data": "ring",
        "generator": _mlp(64),
        "discriminator": _mlp(64),
        "penalties": (),
        "ema": 0.0,
        "latent_dim": 8,
        "batch_size": 256,
    }
    sizes = {"hidden": 64, "latent": 8}
    return Workload(name, "toy", settings, data="ring", sizes=sizes, others=others, replayed=replayed)


def _images(side: int, channels: int, **more: int) -> dict[str, int]:
    return {"side": side, "channels": channels, **more}


PAPER = {"recipe": "gan-2014", "schedule": "alternating"}
"""The paper's game as the hand-written loops play it."""

# One block a resolution and 16 channels at the finest: a step then takes about a second on two cores.
MODERN = {"name": "modern", "width": 16, "blocks": 1}

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "gan-2014",
            "gan_2014",
            {**PAPER, "batch_size": 100},
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
        _toy("toy", HAND),
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

GPU_WORKLOADS = {
    workload.name: workload
    for workload in (
        *(
            Workload(
                name,
                "gan_2014",
                {**PAPER, "batch_size": batch},
                others=(*COMPILED, "lightning"),
                replayed=False,
            )
            for name, batch in (("gpu-gan-2014", 100), ("gpu-gan-2014-1000", 1000))
        ),
        *(
            Workload(
                f"gpu-dcgan-{side}",
                "dcgan",
                {"recipe": "dcgan", "batch_size": 128},
                data=data,
                sizes=_images(side, channels, width=64),
                others=(*COMPILED, LAST, "lightning"),
                replayed=False,
            )
            for side, channels, data in ((28, 1, "mnist"), (64, 3, "cifar@64"))
        ),
        Workload(
            "gpu-modern-32",
            "modern",
            {"recipe": "modern", "batch_size": 256},
            data="cifar@32",
            sizes=_images(32, 3, width=64, blocks=2),
            others=(*GRAPHED, LAST),
            replayed=False,
        ),
        Workload(
            "gpu-modern-small",
            "modern_small",
            {"recipe": "modern-small", "batch_size": 64},
            others=GRAPHED,
            replayed=False,
        ),
        _toy("gpu-toy", COMPILED, replayed=False),
        Workload(
            "gpu-sampling",
            "sampling",
            {"recipe": "gan-2014", "batch_size": 100},
            others=EAGER,
            samples=50_000,
            replayed=False,
        ),
        Workload(
            "gpu-parzen",
            "parzen",
            {},
            others=("gankit-torch-ten-sigmas", "gankit-jax-ten-sigmas", *EAGER),
            replayed=False,
        ),
    )
}
"""What is timed on a GPU, with contenders that make sense there."""


def find(name: str) -> Workload:
    """The workload of that name, of either kind."""
    return {**WORKLOADS, **GPU_WORKLOADS}[name]
