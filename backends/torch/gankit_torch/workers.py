"""Several processes that play one game on torch: `torchrun --nproc-per-node N`, gloo on the CPU and NCCL on CUDA.

Gradients are averaged outright: the hooks of DistributedDataParallel never see those that `torch.autograd.grad` takes.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from gankit.errors import DeviceError, WorkersError
from gankit.play.workers import packed, part_major, unpacked
from gankit.plug.launched import launched
from gankit.trees import leaves, tree_map
from gankit_torch.lines import Lines, connected

ANSWER = 2.0
"""Seconds in which those that are still there say so, after one was lost."""


@cache
def joined() -> TorchWorkers | None:
    """The workers that this process was started beside, or has made a process group with; None where it is alone."""
    if not dist.is_available():
        return None
    if not dist.is_initialized():
        if launched() == 1:
            return None
        # The CPU's as well on CUDA: what is agreed on between two steps lies on the host.
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", **_meeting())
        atexit.register(_leave)
    return TorchWorkers() if dist.get_world_size() > 1 else None


def _meeting() -> dict[str, Any]:
    """Where the workers meet: as torch has it, but for torchrun's own store, which survives a restart with the
    addresses of those that are gone, so that each attempt gets a room of its own."""
    told = os.environ
    if told.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    rank, size = int(told["RANK"]), int(told["WORLD_SIZE"])
    store = dist.TCPStore(told["MASTER_ADDR"], int(told["MASTER_PORT"]), size, is_master=False)
    attempt = told.get("TORCHELASTIC_RESTART_COUNT", "0")
    return {"store": dist.PrefixStore(f"gankit/{attempt}", store), "rank": rank, "world_size": size}


def own_gpu() -> torch.device:
    """The GPU of this process among those of its machine."""
    rank, there = int(os.environ.get("LOCAL_RANK", dist.get_rank())), torch.cuda.device_count()
    if rank >= there:
        raise DeviceError(
            f"Worker {dist.get_rank()} is number {rank} on its machine, which has {there} GPUs: start one worker for "
            "each, torchrun --nproc-per-node gpu, or play on the CPU with --device cpu."
        )
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


class TorchWorkers:
    """The processes of torch's default group; see `gankit.interfaces.Workers`."""

    def __init__(self) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self.hosts = int(os.environ.get("GROUP_WORLD_SIZE", 1))  # of torchrun: how many agents
        self._dealt: int | None = None

    @property
    def shares(self) -> int:
        return self.count

    @property
    def cut(self) -> int:
        return self.count

    @property
    def lanes(self) -> int:
        return 1

    def rows(self, x: np.ndarray[Any, Any], axis: int, parts: int) -> np.ndarray[Any, Any]:
        return part_major(x, axis, parts, self.rank, self.count)

    # ---- inside a step

    @contextmanager
    def dealing(self, rows: int) -> Iterator[None]:
        before, self._dealt = self._dealt, rows
        try:
            yield
        finally:
            self._dealt = before

    @property
    def dealt(self) -> bool:
        """Whether a minibatch that the workers share is being played, and not something else by this one alone."""
        return self._dealt is not None

    def mean(self, x: Tensor) -> Tensor:
        if self._dealt is None:
            return x
        return _Mean.apply(x)  # type: ignore[no-any-return,no-untyped-call]

    def gathered(self, x: Tensor) -> Tensor:
        if self._dealt is None:
            return x
        return _Gathered.apply(x, self)  # type: ignore[no-any-return,no-untyped-call]

    def summed(self, x: Tensor) -> Tensor:
        """The sum over the processes; not differentiated."""
        return torch.ops.gankit.summed(x)  # type: ignore[no-any-return]

    def stacked(self, x: Tensor) -> Tensor:
        """(processes, *shape) what each process has of few numbers; not differentiated."""
        return torch.ops.gankit.stacked(x)  # type: ignore[no-any-return]

    def own(self, x: Tensor) -> Tensor:
        """Rows (minibatches, workers, rows) of all processes to those of this one."""
        if self._dealt is None:
            return x
        cut = x.reshape(-1, self.count, self._dealt, *x.shape[1:])
        return cut[:, self.rank].reshape(-1, *x.shape[1:])

    def whole(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of all processes' rows, for one of this process's; of what are no rows of a minibatch, the same."""
        return (shape[0] * self.count, *shape[1:]) if self.are_rows(shape) else tuple(shape)

    def are_rows(self, shape: Sequence[int]) -> bool:
        """Whether an array of that shape holds rows of minibatches."""
        return bool(self._dealt and shape) and shape[0] % self._dealt == 0

    def drawn(self, draw: Callable[[tuple[int, ...]], Tensor], shape: Sequence[int]) -> Tensor:
        """This process's rows of what is drawn for those of all; shape: of its own."""
        return self.own(draw(self.whole(shape))) if self.are_rows(shape) else draw(tuple(shape))

    def averaged(self, tree: Any) -> Any:
        floats = [x for x in leaves(tree) if x.is_floating_point()]
        if not floats:
            return tree
        flat = self.summed(torch.cat([x.reshape(-1) for x in floats])).div_(self.count)
        parts = iter(flat.split([x.numel() for x in floats]))
        return tree_map(lambda x: next(parts).view(x.shape).to(x.dtype) if x.is_floating_point() else x, tree)

    # ---- between two steps

    def highest(self, numbers: Sequence[int]) -> list[int]:
        return self.stacked(torch.tensor(list(numbers), dtype=torch.int64)).amax(0).tolist()  # type: ignore[no-any-return]

    def everybody(self, text: str) -> list[str]:
        return [said.decode() for said in self._told(text.encode())]

    def collected(self, x: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        return [unpacked(said) for said in self._told(packed(x))]

    def _told(self, said: bytes) -> list[bytes]:
        """The bytes of each process."""
        lengths = torch.zeros(self.count, dtype=torch.int64)
        lengths[self.rank] = len(said)
        with _losing():
            dist.all_reduce(lengths)
        own = torch.zeros(max(1, int(lengths.max())), dtype=torch.uint8)
        own.numpy()[: len(said)] = np.frombuffer(said, np.uint8)
        every = [torch.empty_like(own) for _ in range(self.count)]
        with _losing():
            dist.all_gather(every, own)
        return [x[:n].numpy().tobytes() for x, n in zip(every, lengths.tolist(), strict=True)]


class _Mean(torch.autograd.Function):
    """The mean over the processes; its derivative is another."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.ops.gankit.summed(x).div_(dist.get_world_size())  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Mean.apply(gradient)  # type: ignore[no-untyped-call]


class _Gathered(torch.autograd.Function):
    """The rows of all processes; its derivative is the sum over the processes of what reaches one's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, workers: TorchWorkers) -> Tensor:
        ctx.workers = workers
        every = torch.ops.gankit.gathered(x).reshape(workers.count, -1, workers._dealt, *x.shape[1:])
        return every.transpose(0, 1).reshape(-1, *x.shape[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Returned.apply(gradient, ctx.workers), None  # type: ignore[no-untyped-call]


class _Returned(torch.autograd.Function):
    """The derivative of `_Gathered`, whose own derivative is that again."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, workers: TorchWorkers) -> Tensor:
        ctx.workers = workers
        return workers.own(workers.summed(gradient))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Gathered.apply(gradient, ctx.workers), None  # type: ignore[no-untyped-call]


# Operators of torch's own kind, so that what is recorded holds them like any other.
_operators = torch.library.Library("gankit", "DEF")


def _operator(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    name = f.__name__.removeprefix("_")
    _operators.define(f"{name}(Tensor x) -> Tensor")
    _operators.impl(name, f, "CompositeExplicitAutograd")
    return f


@_operator
def _summed(x: Tensor) -> Tensor:
    with _losing():
        if lines := _lines_for(x):
            return lines.summed(x)
        out = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(out)
    return out


@_operator
def _stacked(x: Tensor) -> Tensor:
    with _losing():
        if lines := _lines_for(x):
            return lines.stacked(x)
        # For few numbers sooner there than an all_gather, on gloo by a fifth.
        out = x.new_zeros(dist.get_world_size(), *x.shape)
        out[dist.get_rank()] = x
        dist.all_reduce(out)
    return out


@_operator
def _gathered(x: Tensor) -> Tensor:
    with _losing():
        if lines := _lines_for(x):
            return lines.stacked(x)
        out = x.new_empty(dist.get_world_size(), *x.shape)
        dist.all_gather([*out.unbind()], x.contiguous())
    return out


def _lines_for(x: Tensor) -> Lines | None:
    """The lines, where there are any and they are the way for such an array."""
    lines = _lines() if x.is_cpu else None
    return lines if lines is not None and lines.takes(x) else None


@cache
def _lines() -> Lines | None:
    workers = TorchWorkers()
    return connected(workers.rank, workers.count, workers.everybody)


@contextmanager
def _losing() -> Iterator[None]:
    """Inside, a worker that is gone is a WorkersError, which names it."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        raise WorkersError(
            f"Worker {dist.get_rank()} has lost {_missing()}, which has ended or cannot be reached. What came after "
            "the last checkpoint is lost; the same command goes on from there. GANKIT_DEBUG=1 shows what torch says."
        ) from error


def _missing() -> str:
    """Who does not answer, in words."""
    ranks = range(dist.get_world_size())
    try:
        store = dist.distributed_c10d._get_default_store()
        store.set(f"gankit/here/{dist.get_rank()}", "yes")
        time.sleep(ANSWER)
        gone = [rank for rank in ranks if not store.check([f"gankit/here/{rank}"])]
    except RuntimeError:  # the process that keeps the store is gone itself
        return "worker 0"
    return " and ".join(f"worker {rank}" for rank in gone) or "another worker"


def _leave() -> None:
    with contextlib.suppress(Exception):
        dist.destroy_process_group()
