"""vegans' VanillaGAN, driven as its `fit` does, without logs: `fit` calls an iterator's `next`, gone since Python 2."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.loop import Loop, Setup
from benchmarks.peers.common import Loader, game_of, stand_in
from benchmarks.torch_loops.common import count


def game(setup: Setup) -> Loop:
    stand_in("torchvision", "torchvision.utils", "torchvision.datasets", "torchvision.transforms")
    from vegans.GAN import VanillaGAN

    rules = game_of(setup)
    g, d = rules.generator(), nn.Sequential(rules.discriminator(), nn.Unflatten(0, (-1, 1)), nn.Sigmoid())
    gan = VanillaGAN(
        g,
        d,
        x_dim=tuple(rules.images.shape[1:]),
        z_dim=rules.latent,
        optim=rules.optimizer,
        optim_kwargs={"Generator": rules.options, "Adversary": rules.options},
        device="cpu",
        folder=None,
        secure=False,  # its checks know plain stacks of layers only
    )
    loader = Loader(rules.images, setup.batch)

    def play(n: int) -> dict[str, float]:
        loader.batches, losses = n, {}
        gan.train()
        for x, _ in loader:
            z = gan.sample(n=len(x))
            for name in gan.neural_nets:
                gan._losses = gan.calculate_losses(X_batch=x, Z_batch=z, who=name)
                gan._zero_grad(who=name)
                gan._backward(who=name)
                gan._step(who=name)
                losses[name] = gan._losses[name]
        # Its loss of D is already the half of both cross-entropies.
        return {"d_loss": float(losses["Adversary"]) * 2 * rules.half, "g_loss": float(losses["Generator"])}

    torch.set_grad_enabled(True)
    return Loop(play, count(g, d))
