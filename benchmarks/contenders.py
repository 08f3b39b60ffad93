"""Who takes part: the name on the command line, and where its game is made."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.loop import Loop, Setup
from benchmarks.workloads import Workload

Kind = Literal["gankit", "hand", "peer", "replay"]


@dataclass(frozen=True)
class Contender:
    """target: "module:function", `{family}` in it being the workload's; environment: what its process starts with."""

    name: str
    kind: Kind
    framework: str
    target: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def game(self, workload: Workload) -> Callable[[Setup], Loop]:
        """The function that makes the game; imports everything the contender needs."""
        importlib.import_module(self.framework)
        module, _, function = self.target.format(family=workload.family).partition(":")
        return getattr(importlib.import_module(f"benchmarks.{module}"), function)


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("gankit-torch", "gankit", "torch", "toolkit:on_torch"),
        Contender("gankit-jax", "gankit", "jax", "toolkit:on_jax"),
        Contender("gankit-torch-ten-sigmas", "gankit", "torch", "toolkit:ten_on_torch"),
        Contender("gankit-jax-ten-sigmas", "gankit", "jax", "toolkit:ten_on_jax"),
        Contender("torch", "hand", "torch", "torch_loops.{family}:best"),
        Contender("torch-stock", "hand", "torch", "torch_loops.{family}:stock"),
        Contender("torch-eager", "hand", "torch", "torch_loops.gpu:eager"),
        Contender("torch-graphed", "hand", "torch", "torch_loops.gpu:graphed"),
        Contender("torch-graphed-last", "hand", "torch", "torch_loops.gpu:graphed_last"),
        Contender("torch-compiled", "hand", "torch", "torch_loops.gpu:compiled"),
        Contender("torch-overhead", "hand", "torch", "torch_loops.gpu:overhead"),
        Contender("jax", "hand", "jax", "jax_loops.{family}:best"),
        Contender("jax-stock", "hand", "jax", "jax_loops.{family}:stock"),
        Contender("torchgan", "peer", "torch", "peers.torchgan:game"),
        Contender("lightning", "peer", "torch", "peers.lightning:game"),
        Contender("vegans", "peer", "torch", "peers.vegans:game"),
        Contender("mimicry", "peer", "torch", "peers.mimicry:game"),
        Contender("keras-torch", "peer", "torch", "peers.keras:game", {"KERAS_BACKEND": "torch"}),
        Contender("keras-jax", "peer", "jax", "peers.keras:game", {"KERAS_BACKEND": "jax"}),
        Contender("scikit-learn", "peer", "sklearn", "peers.scikit_learn:window"),
        Contender("replay-torch", "replay", "torch", "replay:on_torch"),
        Contender("replay-jax", "replay", "jax", "replay:on_jax"),
    )
}


def of(workload: Workload) -> list[str]:
    """Those that play a workload."""
    replays = ["replay-torch", "replay-jax"] if workload.replayed else []
    return ["gankit-torch", "gankit-jax", *workload.others, *replays]
