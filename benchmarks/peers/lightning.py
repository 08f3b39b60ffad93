"""PyTorch Lightning with manual optimization, as in its own GAN example."""

from __future__ import annotations

import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.loop import Loop, Setup
from benchmarks.peers.common import Game, Loader, game_of
from benchmarks.torch_loops.common import count

try:
    import lightning.pytorch as pl
except ImportError:  # the same, under its older name
    import pytorch_lightning as pl


class Adversarial(pl.LightningModule):
    def __init__(self, rules: Game) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.rules, self.g, self.d = rules, rules.generator(), rules.discriminator()

    def configure_optimizers(self) -> Any:
        return [self.rules.made(self.g), self.rules.made(self.d)]

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        g_optimizer, d_optimizer = self.optimizers()
        real, m = batch[0], len(batch[0])
        self.toggle_optimizer(d_optimizer)
        fake = self.g(self.rules.noise(m)).detach()
        d_loss = self.rules.half * (F.softplus(-self.d(real)).mean() + F.softplus(self.d(fake)).mean())
        d_optimizer.zero_grad()
        self.manual_backward(d_loss)
        d_optimizer.step()
        self.untoggle_optimizer(d_optimizer)
        self.toggle_optimizer(g_optimizer)
        g_loss = F.softplus(-self.d(self.g(self.rules.noise(m)))).mean()
        g_optimizer.zero_grad()
        self.manual_backward(g_loss)
        g_optimizer.step()
        self.untoggle_optimizer(g_optimizer)
        self.losses = {"d_loss": d_loss.detach(), "g_loss": g_loss.detach()}


def game(setup: Setup) -> Loop:
    for name in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    rules = game_of(setup)
    module, loader = Adversarial(rules), Loader(rules.images, setup.batch)

    def play(n: int) -> dict[str, float]:
        loader.batches = n
        trainer = pl.Trainer(
            accelerator="cpu" if setup.device == "cpu" else "gpu",
            devices=1,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)
        return {name: float(value) for name, value in module.losses.items()}

    torch.set_grad_enabled(True)
    return Loop(play, count(module.g, module.d))
