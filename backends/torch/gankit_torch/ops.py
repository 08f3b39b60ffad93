"""The functions of a backend (`gankit.interfaces.Ops`) in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import array_api_compat.torch as xp
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gankit import switches
from gankit.interfaces import Batch, State, Terms
from gankit.trees import leaves, tree_map
from gankit_torch.graphs import graphs_on
from gankit_torch.keys import Trail, fold_in, generator
from gankit_torch.optimizers import as_array
from gankit_torch.recording import Phase, Recorded, Replayed
from gankit_torch.threads import enough
from gankit_torch.whole import Chunk, Whole
from gankit_torch.workers import TorchWorkers


class TorchOps:
    """Tensors on one device, floats in one dtype; workers: who else plays, each on a device of its own."""

    xp = xp

    def __init__(
        self, device: torch.device, dtype: torch.dtype, tf32: bool = False, workers: TorchWorkers | None = None
    ) -> None:
        self.device, self.dtype, self._tf32, self.workers = device, dtype, tf32, workers
        self._graphs = graphs_on(device)
        # A whole step holds what workers tell each other, which is not captured.
        self._by_wholes = workers is None and all(map(switches.on, ("recorded", "graphs", "whole")))
        self._whole: dict[Any, Whole] = {}  # by step
        self._aside = torch.cuda.Stream(device) if self._by_wholes and device.type == "cuda" else None
        self._depth = 0  # of gradients being taken, one inside the other

    def softplus(self, x: Tensor) -> Tensor:
        # Above the threshold torch returns x itself. At its default of 20 that is off by 2e-9; at 40, by nothing.
        return F.softplus(x, threshold=40.0)

    def log_sigmoid(self, x: Tensor) -> Tensor:
        return -self.softplus(-x)

    def sigmoid(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def relu(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def log_softmax(self, x: Tensor) -> Tensor:
        return F.log_softmax(x, dim=-1)

    def one_hot(self, labels: Tensor, num_classes: int) -> Tensor:
        return (labels[..., None] == torch.arange(num_classes, device=labels.device)).to(self.dtype)

    def take(self, x: Tensor, indices: Tensor) -> Tensor:
        return x.index_select(0, indices.reshape(-1)).reshape(*indices.shape, *x.shape[1:])

    def asarray(self, x: Any) -> Tensor:
        x = self._cast(x)
        if self.device.type == "cuda" and not x.is_cuda:
            return x.pin_memory().to(self.device, non_blocking=True)  # so that the CPU need not wait for it
        return x.to(self.device)

    def _cast(self, x: Any) -> Tensor:
        """Where it is: on the host that leaves half the bytes to send."""
        x = x if isinstance(x, Tensor) else torch.from_numpy(np.array(x, order="C"))
        return x.to(self.dtype) if x.is_floating_point() else x

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        """Memory for a parameter, whose numbers come from core."""
        return torch.empty(shape, device=self.device, dtype=self.dtype)

    def to_float(self, x: Tensor) -> Tensor:
        return x.to(self.dtype)

    def to_numpy(self, x: Tensor) -> np.ndarray[Any, Any]:
        return np.array(x.detach().cpu().numpy(), order="C")

    def stop_gradient(self, x: Tensor) -> Tensor:
        return x.detach()

    def grad(self, f: Callable[[Any], Tensor]) -> Callable[[Any], Any]:
        with_aux = self.value_and_grad(lambda tree: (f(tree), None))
        return lambda tree: with_aux(tree)[1]

    def value_and_grad(self, f: Callable[[Any], tuple[Tensor, Any]]) -> Callable[[Any], tuple[tuple[Tensor, Any], Any]]:
        def evaluated(tree: Any) -> tuple[tuple[Tensor, Any], Any]:
            inside = self._depth > 0  # then our gradient will be differentiated in its turn
            with torch.enable_grad():
                tree = tree_map(_watched, tree)
                self._depth += 1
                try:
                    value, aux = f(tree)
                finally:
                    self._depth -= 1
                inputs = tuple(leaves(tree))
                # torch.func.grad would refuse batch norm; zeros stand for inputs that f does not use.
                if value.requires_grad:
                    grads = torch.autograd.grad(value, inputs, create_graph=inside, materialize_grads=True)
                else:  # f uses none of them
                    grads = tuple(torch.zeros_like(x) for x in inputs)
            gradient = iter(grads)
            gradients = tree_map(lambda _: next(gradient), tree)
            return (value, aux) if inside else (value.detach(), tree_map(_unwatched, aux)), gradients

        return evaluated

    def when(self, number: float, f: Callable[[], Tensor], otherwise: Tensor | None = None) -> Tensor:
        if isinstance(number, Tensor) or number != 0:  # a tensor: not 0, and of a step that is being recorded
            return f()
        return torch.zeros((), device=self.device, dtype=self.dtype) if otherwise is None else otherwise

    def tree_map(self, f: Callable[..., Any], *trees: Any) -> Any:
        return tree_map(f, *trees)

    def average(self, mean: dict[str, Tensor], new: dict[str, Tensor], decay: float) -> dict[str, Tensor]:
        old, others = list(mean.values()), [new[name] for name in mean]
        if self._graphs is None:
            torch._foreach_lerp_(old, others, 1.0 - decay)
            return mean
        # On CUDA the decay is an array, which a graph of the whole step can read anew.
        share = as_array(decay, old[0]).neg().add_(1.0)
        torch._foreach_add_(old, torch._foreach_mul(torch._foreach_sub(others, old), share))
        return mean

    def copy(self, tree: Any) -> Any:
        return tree_map(torch.clone, tree)

    def key(self, words: tuple[Any, Any]) -> int:
        if isinstance(words[0], Trail):  # of a whole step that is looked at
            return words[0]
        # Mixed at once: torch's CPU generator takes only the low 32 bits of a seed.
        return self.fold_in((int(words[0]) << 32) | int(words[1]), 0)

    def fold_in(self, key: int, index: int) -> int:
        return fold_in(key, index)

    def uniform(self, key: int, shape: tuple[int, ...]) -> Tensor:
        return self._drawn(torch.rand, key, shape)

    def normal(self, key: int, shape: tuple[int, ...]) -> Tensor:
        return self._drawn(torch.randn, key, shape)

    def _drawn(self, draw: Callable[..., Tensor], key: int, shape: tuple[int, ...]) -> Tensor:
        options = {"generator": generator(key, self.device), "device": self.device, "dtype": self.dtype}
        if self.workers is None:
            return draw(shape, **options)
        return self.workers.drawn(lambda whole: draw(whole, **options), shape)

    def recorded(self, phase: Phase) -> Phase:
        if not switches.on("recorded"):
            return phase
        return Recorded(phase, self.dtype, self._graphs if switches.on("graphs") else None)

    def compile(self, f: Callable[..., Tensor]) -> Callable[..., Tensor]:
        g = Replayed(f) if switches.on("recorded") else f

        def compiled(*arguments: Any) -> Tensor:
            with torch.no_grad(), products(self.device, self._tf32):
                return g(*arguments)

        return compiled

    @property
    def stage(self) -> Callable[[Batch, int], Chunk] | None:
        """On CUDA batches are put on the device beforehand, while it plays those before them."""
        return None if self._aside is None else self._sent_aside

    def _sent_aside(self, batches: Batch, capacity: int) -> Chunk:
        # The stream is its own, so nothing here waits for the steps that are being played.
        with torch.cuda.stream(self._aside):
            chunk = Chunk(batches, lambda x: self._cast(x).to(self.device), self.dtype)
            chunk.sent = torch.cuda.current_stream().record_event()
        return chunk

    def run(
        self,
        step: Callable[..., tuple[State, Terms]],
        state: State,
        batches: Batch | Chunk,
        *shared: Tensor,
        capacity: int,
    ) -> tuple[State, Terms]:
        if self._graphs is not None and self._by_wholes:
            chunk = batches if isinstance(batches, Chunk) else Chunk(batches, self.asarray, self.dtype)
            if step not in self._whole:
                self._whole[step] = Whole(step, self._graphs, self.key, self.dtype)
            with torch.no_grad(), products(self.device, self._tf32):
                return self._whole[step].run(state, chunk, shared, capacity)
        assert isinstance(batches, Batch)
        terms: Terms = {}
        examples = batches.generator.z.shape[-2]
        with torch.no_grad(), products(self.device, self._tf32), enough(self.device, state, examples):
            for batch in self._each(batches):
                state, terms = step(state, batch, *shared)
        return state, terms

    def _each(self, batches: Batch) -> Iterator[Batch]:
        """The batches one by one, sent to the device together; what is one number a step stays on the host."""

        def column(x: np.ndarray[Any, Any]) -> Iterable[Any]:
            return x.tolist() if x.ndim == 1 else self.asarray(x).unbind()

        d_draws, g_draws = (draw.unstacked(column) for draw in (batches.discriminator, batches.generator))
        columns = [values.tolist() for values in batches.numbers.values()]
        numbers = (dict(zip(batches.numbers, values, strict=True)) for values in zip(*columns, strict=True))
        return map(Batch, d_draws, g_draws, numbers, zip(*map(column, batches.key), strict=True))


@contextmanager
def products(device: torch.device, tf32: bool) -> Iterator[None]:
    """On CUDA: matrix products and convolutions in TF32 or in float32, whatever the process has them in elsewhere."""
    if device.type != "cuda":
        yield
        return
    before, cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn
    kept = {name: getattr(cudnn, name) for name in ("enabled", "benchmark_limit")}
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        # Some of cuDNN's gradients add up in any order, and to try which kernel is fast finds another one each time: a
        # resumed run would not be the uninterrupted one.
        with cudnn.flags(**kept, benchmark=False, deterministic=True, allow_tf32=tf32):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _watched(x: Tensor) -> Tensor:
    """x as an input of a gradient, still part of the graph of an outer one."""
    return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()


def _unwatched(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) and x.requires_grad else x
