"""Optimizers on what convolutions hand them."""

import pytest
import torch
from gankit_torch.optimizers import optimizer

from gankit.parts.optimizers import Adam, Sgd

NUMBERS = {"lr": 0.1, "momentum": 0.5}


@pytest.mark.parametrize("spec", [Sgd(lr=0.1, momentum=0.5), Adam(lr=0.1)], ids=["sgd", "adam"])
def test_the_memory_layout_of_a_gradient_does_not_matter(spec):
    """Convolutions give channels_last gradients, which torch's fused optimizers would read in the wrong order."""
    torch.manual_seed(0)
    start, gradient = torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3)
    after = []
    for layout in (torch.contiguous_format, torch.channels_last):
        rule, params = optimizer(spec, torch.device("cpu"), None), {"kernel": start.clone()}
        slots = rule.init(params)
        for _ in range(3):
            slots, params = rule.update(slots, params, {"kernel": gradient.to(memory_format=layout)}, NUMBERS)
        after.append(params["kernel"])
    assert torch.equal(*after)
