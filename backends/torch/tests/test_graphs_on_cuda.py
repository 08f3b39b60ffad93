"""What CUDA graphs ask of CUDA itself: by torch's own functions written down, on the meta device, and on a GPU."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from inspect import signature
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gankit_torch import ops as torch_ops
from gankit_torch.graphs import Graphs, captured, room
from torch.utils._python_dispatch import TorchDispatchMode

import gankit
from gankit.conformance.games import leaves
from gankit.trees import leaves as arrays
from tests.recipe_games import GAMES, examples

ANNEALED = {"name": "r1", "weight": {"schedule": "ramp", "start": 0.8, "stop": 0.2, "begin": 0, "end": 9}}


class Strays(TorchDispatchMode):
    """Notes what is done while it is active with tensors of the host."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        if any(isinstance(x, torch.Tensor) and x.is_cpu for x in arrays((args, kwargs, out))):
            self.seen.append(str(function))
        return out


@pytest.mark.parametrize("recipe", ["mlp", "gan-2014", "dcgan", "cdcgan-projection", "modern", "modern-small"])
def test_no_operation_in_a_graph_touches_the_host(recipe, monkeypatch):
    """Not even the weight of a penalty, of which a CUDA kernel takes the value, and a graph keeps it. "meta" stands for
    the device: it has shapes, and no numbers."""
    monkeypatch.setenv("GANKIT_WITHOUT", "whole")
    strays, captures = Strays(), []

    def capture(f: Any) -> Any:
        captures.append(f)
        with strays:
            f()
        raise RuntimeError("seen enough")

    graphs = Graphs(torch.device("meta"), capture)
    graphs.fail = lambda reason: None  # so that every phase has its turn
    monkeypatch.setattr(torch_ops, "graphs_on", lambda device: graphs)
    data, settings = GAMES[recipe]
    settings = {**settings, "penalties": [ANNEALED, {"name": "lecam", "weight": 0.3}, "gradient-penalty", "dragan"]}
    if data == "mnist":
        settings["augmentations"] = ["translation", "cutout"]
    game = gankit.build("torch", recipe=recipe, device="meta", data=examples(data), batch_size=8, **settings)
    for _ in range(5):
        game.fit(steps=1)
    assert len(captures) >= 2 and not strays.seen


@pytest.mark.parametrize("fault", [None, "in the phase", "at its end"])
def test_cuda_is_asked_for_a_graph_and_left_on_the_stream_it_was_on(fault, monkeypatch):
    """torch's own functions, written down; torch leaves a capture that ends in an error on the stream of the graph."""
    said, current = [], ["the game's"]

    @contextmanager
    def capture(*arguments: Any, **options: Any) -> Any:
        bound = signature(torch_cuda_graph).bind(*arguments, **options).arguments
        current[0] = bound["stream"]
        said.extend(["capture", bound["capture_error_mode"]])
        yield
        if fault == "at its end":
            raise RuntimeError(fault)
        current[0] = "the game's"

    class Graph:
        def replay(self) -> None:
            said.append("replay")

    @contextmanager
    def on(stream: str) -> Any:
        current[0] = stream
        yield
        current[0] = "the game's"

    def phase() -> str:
        said.append(current[0])
        if fault == "in the phase":
            raise RuntimeError(fault)
        return "results"

    torch_cuda_graph = torch.cuda.graph
    fakes = {
        "CUDAGraph": Graph,
        "graph": capture,
        "device": lambda device: nullcontext(said.append(str(device))),
        "synchronize": lambda: said.append("synchronize"),
        "current_stream": lambda: current[0],
        "set_stream": lambda stream: current.__setitem__(0, stream),
        "Stream": lambda: "the graph's",
        "stream": on,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    if fault is None:
        replay, out = captured(torch.device("cuda:1"), phase)
        replay()
        assert out == "results"
    else:
        with pytest.raises(RuntimeError, match=fault):
            captured(torch.device("cuda:1"), phase)
    whole = ["cuda:1", "synchronize", "the graph's", "capture", "thread_local", "the graph's", "replay"]
    assert current == ["the game's"]
    assert said == {None: whole, "in the phase": whole[:3], "at its end": whole[:6]}[fault]


@pytest.mark.parametrize(("share", "has"), [(0.1, True), (0.25, True), (0.3, False)])
def test_there_is_room_up_to_a_quarter_of_the_device(share, has, monkeypatch):
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: share * 2**33)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=2**33))
    assert room(torch.device("cuda")) == has


@pytest.mark.skipif(not torch.cuda.is_available(), reason="only a GPU captures graphs; test_graphs.py has stand-ins")
@pytest.mark.parametrize("recipe", ["mlp", "dcgan", "modern-small"])
def test_on_a_gpu_a_game_is_the_same_to_rounding(recipe, monkeypatch):
    data, settings = GAMES[recipe]
    captures = []
    monkeypatch.setattr("gankit_torch.graphs.captured", lambda device, f: captures.append(f) or captured(device, f))

    def play():
        game = gankit.build("torch", recipe=recipe, data=examples(data), batch_size=8, device="cuda", **settings)
        return leaves(game.fit(steps=20))

    by_graphs = play()
    assert len(captures) >= 1
    monkeypatch.setenv("GANKIT_WITHOUT", "graphs")
    for name, want in play().items():
        # Where a gradient is 0 but for rounding, Adam takes its whole step to one side or the other.
        np.testing.assert_allclose(by_graphs[name], want, rtol=1e-3, atol=1e-2, err_msg=name)
