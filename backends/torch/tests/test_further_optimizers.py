"""AdamW and RMSprop beside torch's own, over a path of gradients of every size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from gankit_torch.ops import TorchOps

from gankit.conformance.parts.optimizer import begin, gradients, numbers_at
from gankit.parts.optimizers import AdamW, RmsProp
from gankit.plug.making import open_backend

PAIRS = {
    "adamw": (
        AdamW(lr=0.01, b1=0.9, b2=0.99, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 0.01, (0.9, 0.99), 1e-8, 0.1),
    ),
    "rmsprop": (RmsProp(lr=0.01, decay=0.9, eps=1e-6), lambda p: torch.optim.RMSprop(p, 0.01, 0.9, 1e-6)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_it_is_torch_s(name: str) -> None:
    spec, theirs = PAIRS[name]
    backend = open_backend("torch", "cpu", "float64")
    assert isinstance(backend.ops, TorchOps)
    ours: Any = {key: torch.tensor(value) for key, value in begin().items()}
    mine = {key: torch.tensor(value, requires_grad=True) for key, value in begin().items()}
    optimizer, other = backend.optimizer(spec), theirs(list(mine.values()))
    slots = optimizer.init(ours)
    for t, given in enumerate(gradients(25)):
        step = {key: torch.tensor(g) for key, g in given.items()}
        slots, ours = optimizer.update(slots, ours, step, numbers_at(spec, t))
        for key, parameter in mine.items():
            parameter.grad = step[key].clone()
        other.step()
    for key in ours:
        torch.testing.assert_close(ours[key], mine[key].detach(), rtol=1e-12, atol=1e-14)
