"""What an error inside of a gradient leaves behind: nothing."""

from __future__ import annotations

import pytest
import torch
from gankit_torch.ops import TorchOps


def test_a_function_that_raises_does_not_make_later_gradients_keep_their_graph():
    ops, x = TorchOps(torch.device("cpu"), torch.float64), torch.ones(3, dtype=torch.float64)

    def fails(x):
        raise RuntimeError("a loss with a mistake in it")

    with pytest.raises(RuntimeError, match="with a mistake"):
        ops.grad(fails)(x)
    (value, aux), gradient = ops.value_and_grad(lambda x: (torch.sum(x * x), 2 * x))(x)
    assert not (value.requires_grad or aux.requires_grad or gradient.requires_grad)
