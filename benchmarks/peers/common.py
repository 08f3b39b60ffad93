"""What the peers on PyTorch are given: the same networks, optimizers and images, and a loader that never ends."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.loop import Setup
from benchmarks.torch_loops import dcgan, gan_2014


@dataclass(frozen=True)
class Game:
    """generator() and discriminator() make fresh networks; noise(n) latents; optimizer is a class with its options."""

    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    noise: Callable[[int], Tensor]
    optimizer: type[torch.optim.Optimizer]
    options: dict[str, Any]
    latent: int
    half: float  # what D's loss is multiplied by
    images: Tensor

    @property
    def d_options(self) -> dict[str, Any]:
        """For D in toolkits whose loss of D cannot be halved: a step of SGD is as long with half of lr."""
        return {**self.options, "lr": self.options["lr"] * self.half}

    def made(self, net: nn.Module) -> torch.optim.Optimizer:
        return self.optimizer(net.parameters(), **self.options)


def game_of(setup: Setup) -> Game:
    """gan-2014 or dcgan as a peer's user would write it; images are floats, scaled beforehand."""
    device = torch.get_default_device()
    x = torch.from_numpy(setup.data["x"]).to(device).float() / 255
    if setup.family == "gan_2014":
        sgd = torch.optim.SGD, {"lr": 0.1, "momentum": 0.5}
        made = gan_2014.generator, gan_2014.discriminator, lambda n: gan_2014.uniform_noise(n, 100, device)
        return Game(*made, *sgd, 100, 0.5, x.reshape(len(x), -1))
    adam = torch.optim.Adam, {"lr": 2e-4, "betas": (0.5, 0.999)}
    sizes = {name: setup.sizes[name] for name in ("side", "channels", "width") if name in setup.sizes}
    nets = partial(dcgan.generator, **sizes), partial(dcgan.discriminator, **sizes)
    made = *nets, lambda n: dcgan.uniform_noise(n, 100, device)
    x = x.reshape(-1, sizes.get("side", 28), sizes.get("side", 28), sizes.get("channels", 1))
    return Game(*made, *adam, 100, 1.0, x.permute(0, 3, 1, 2).contiguous() * 2 - 1)


class Loader:
    """As a DataLoader on `images` for n batches at a time; by index_select, so that no peer waits for its data."""

    def __init__(self, images: Tensor, batch: int) -> None:
        self.images, self.batch_size, self.batches = images, batch, 0
        self.dataset = images

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.images.device
        labels = torch.zeros(self.batch_size, dtype=torch.long, device=device)
        for _ in range(self.batches):
            at = torch.randint(len(self.images), (self.batch_size,), device=device)
            yield self.images.index_select(0, at), labels


def bare(*packages: str) -> None:
    """Packages whose modules can be imported one by one, without all that their __init__ wants."""
    for name in packages:
        module = types.ModuleType(name)
        parent, _, child = name.rpartition(".")
        found = importlib.machinery.PathFinder.find_spec(name, list(sys.modules[parent].__path__) if parent else None)
        module.__path__ = list(found.submodule_search_locations)
        sys.modules[name] = module
        if parent:
            setattr(sys.modules[parent], child, module)


def _anything(name: str) -> type:
    if name.startswith("__"):  # what Python itself asks a module for
        raise AttributeError(name)
    return type(name, (), {})


def stand_in(*names: str) -> None:
    """Empty modules for packages for pictures and metrics, where they cannot be imported; no timed line calls them."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # missing, or built for another torch
            module = types.ModuleType(name)
            module.__spec__, module.__path__ = importlib.machinery.ModuleSpec(name, None), []
            module.__getattr__ = _anything  # type: ignore[method-assign]
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)
