"""torch-mimicry's train_step of both players, driven as its Trainer does, without its logger and its pictures."""

from __future__ import annotations

import torch

from benchmarks.loop import Loop, Setup
from benchmarks.peers.common import Loader, bare, game_of
from benchmarks.torch_loops.common import count


def game(setup: Setup) -> Loop:
    # In full it wants TensorFlow and torchvision, for metrics and pictures.
    bare("torch_mimicry", "torch_mimicry.nets", "torch_mimicry.training")
    from torch_mimicry.nets.gan.gan import BaseDiscriminator, BaseGenerator
    from torch_mimicry.training.metric_log import MetricLog

    rules = game_of(setup)

    class G(BaseGenerator):
        def __init__(self) -> None:
            super().__init__(nz=rules.latent, ngf=64, bottom_width=7, loss_type="ns")
            self.net = rules.generator()

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.net(z)

    class D(BaseDiscriminator):
        def __init__(self) -> None:
            super().__init__(ndf=64, loss_type="ns")
            self.net = rules.discriminator()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x)[:, None]

    g, d = G(), D()
    g_optimizer, d_optimizer = rules.made(g), rules.optimizer(d.parameters(), **rules.d_options)
    loader = Loader(rules.images, setup.batch)

    def play(n: int) -> dict[str, float]:
        loader.batches = n
        device = torch.device("cpu")
        for step, batch in enumerate(loader):
            log = MetricLog()
            common = {"real_batch": batch, "log_data": log, "global_step": step, "device": device}
            log = d.train_step(netG=g, optD=d_optimizer, **common)
            log = g.train_step(netD=d, optG=g_optimizer, **common)
        losses = {name: float(log[name]) for name in ("errD", "errG")}
        return {"d_loss": losses["errD"] * rules.half, "g_loss": losses["errG"]}

    return Loop(play, count(g.net, d.net))
