"""What workers tell each other inside of what is recorded: it is told anew at each replay, and by no graph."""

from __future__ import annotations

import pytest
import torch
from gankit_torch import workers
from gankit_torch.graphs import Graphs, graphed
from gankit_torch.keys import Trail
from gankit_torch.normalising import normalised, plainly
from gankit_torch.program import program
from gankit_torch.tape import Tape
from torch import nn


class Twin:
    """`torch.distributed` of two workers, where the other one always holds the same rows."""

    def __init__(self):
        self.told = []

    def all_reduce(self, x, *_):
        self.told.append(tuple(x.shape))
        if x.ndim == 3:  # a place for each worker
            x[1] = x[0]
        else:
            x.mul_(2)

    def get_rank(self):
        return 0

    def get_world_size(self):
        return 2


@pytest.fixture
def twin(monkeypatch):
    twin = Twin()
    monkeypatch.setattr(workers, "dist", twin)
    monkeypatch.setattr(workers, "_lines", lambda: None)  # as on two hosts
    return twin


def test_a_replay_tells_the_others_what_it_computes_now(twin):
    x, other = torch.tensor([1.0, 2.0]), torch.tensor([5.0, 7.0])
    with Tape({"arguments": (x,)}, Trail.start(0)) as tape:
        out = torch.ops.gankit.summed(x * 3.0)
    assert tape.tells
    assert torch.equal(program(tape, "arguments", out)((other,)), 6.0 * other)
    assert twin.told == [(2,), (2,)]
    assert graphed(tape, out, Graphs(torch.device("cpu"), lambda f: (f, f()))) is None


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_two_workers_with_the_same_rows_normalise_as_one_does(shape, affine, twin):
    torch.manual_seed(0)
    x = (torch.randn(shape, dtype=torch.float64) + 3.0).requires_grad_()
    norm = nn.BatchNorm1d(3, affine=affine, dtype=torch.float64)
    if affine:
        nn.init.uniform_(norm.weight), nn.init.uniform_(norm.bias)
    weight, bias, inputs = norm.weight, norm.bias, [x, *norm.parameters()]
    out, mean, var = normalised(x, weight, bias, norm.eps, workers.TorchWorkers())
    assert twin.told == [(2, 2, 3)], "one message forward"
    want = nn.functional.batch_norm(x, None, None, weight, bias, True, 0.0, norm.eps)
    torch.testing.assert_close(out, want)
    axes = [0, *range(2, x.ndim)]
    torch.testing.assert_close(mean, x.detach().mean(axes))
    torch.testing.assert_close(var, x.detach().var(axes, correction=0))
    slopes = torch.randn(shape, dtype=torch.float64)
    got = torch.autograd.grad(out, inputs, slopes)
    assert twin.told[1:] == [(2, 3)], "and one backward"
    for a, b in zip(got, torch.autograd.grad(want, inputs, slopes), strict=True):
        torch.testing.assert_close(a, b)


def test_the_second_derivative_is_that_of_batch_norm(twin):
    torch.manual_seed(1)
    group = workers.TorchWorkers()
    x, weight, bias = torch.randn(5, 3, dtype=torch.float64), torch.rand(3).double(), torch.rand(3).double()
    inputs = [t.requires_grad_() for t in (x, weight, bias)]

    def twice(out):
        (slope,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), inputs)

    with group.dealing(5):
        got = twice(normalised(x, weight, bias, 1e-5, group)[0])
        torch.testing.assert_close(got, twice(plainly(x, weight, bias, 1e-5, group)))
    want = twice(nn.functional.batch_norm(x, None, None, weight, bias, True, 0.0, 1e-5))
    torch.testing.assert_close(got, want)


def test_what_is_no_float_is_counted_by_nobody(twin):
    group, tree = workers.TorchWorkers(), {"a": torch.ones(2), "n": torch.tensor(3)}
    found = group.averaged(tree)
    assert torch.equal(found["a"], torch.ones(2)) and found["n"] is tree["n"]
    assert twin.told == [(2,)]
