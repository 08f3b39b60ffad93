"""TorchGAN's Trainer. Its logs, checkpoints and pictures, made at each epoch's end, are left out of the timing."""

from __future__ import annotations

import os
import tempfile

import torch

from benchmarks.loop import Loop, Setup
from benchmarks.peers.common import Loader, game_of, stand_in
from benchmarks.torch_loops.common import count


def game(setup: Setup) -> Loop:
    os.environ.update(TENSORBOARD_LOGGING="0", CONSOLE_LOGGING="0", VISDOM_LOGGING="0")
    stand_in("torchvision", "torchvision.utils")
    from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
    from torchgan.models import Discriminator, Generator
    from torchgan.trainer import Trainer

    rules = game_of(setup)

    class G(Generator):
        def __init__(self) -> None:
            super().__init__(rules.latent)
            self.net = rules.generator()

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.net(z)

    class D(Discriminator):
        def __init__(self) -> None:
            super().__init__(784)
            self.net = rules.discriminator()

        def forward(self, x: torch.Tensor, **options: object) -> torch.Tensor:
            return self.net(x)

    class Quiet(Trainer):
        def save_model(self, *arguments: object, **options: object) -> None:
            pass

    g_optimizer, d_optimizer = ({"name": rules.optimizer, "args": o} for o in (rules.options, rules.d_options))
    folder = tempfile.mkdtemp()
    trainer = Quiet(
        {"generator": {"name": G, "optimizer": g_optimizer}, "discriminator": {"name": D, "optimizer": d_optimizer}},
        [MinimaxGeneratorLoss(), MinimaxDiscriminatorLoss()],
        device=torch.device("cpu"),
        epochs=1,
        checkpoints=f"{folder}/gan",
        recon=folder,
    )
    trainer.logger.run_end_epoch = lambda *arguments: None
    loader = Loader(rules.images, setup.batch)

    def play(n: int) -> dict[str, float]:
        loader.batches = n
        trainer(loader)
        logs = trainer.logger.get_loss_viz().logs
        g_loss, d_loss = (logs[f"Minimax{role}Loss"][-1] for role in ("Generator", "Discriminator"))
        return {"d_loss": d_loss * rules.half, "g_loss": g_loss}

    return Loop(play, count(trainer.generator, trainer.discriminator))
