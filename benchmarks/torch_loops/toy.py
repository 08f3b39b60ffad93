"""A small MLP game on points in PyTorch: what a step costs when there is hardly anything to compute."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import Feed, adam, frozen, loop, phase, prepared


def mlp(inputs: int, hidden: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    layers = nn.Linear(inputs, hidden), activation, nn.Linear(hidden, hidden), activation, nn.Linear(hidden, outputs)
    return nn.Sequential(*layers)


def best(setup: Setup) -> Loop:
    """Stock modules; one pass for real and fake, D frozen in G's phase, fused Adam."""
    m, hidden, latent = setup.batch, setup.sizes["hidden"], setup.sizes["latent"]
    feed = Feed({**setup.data, "x": setup.data["x"].astype("float32")}, m)
    g, d = mlp(latent, hidden, 2, nn.ReLU()), mlp(2, hidden, 1, nn.LeakyReLU(0.2))
    g_optimizer, d_optimizer = (adam(net, 1e-3, 0.0, 0.99) for net in (g, d))
    generate, judge = prepared(g, setup), prepared(d, setup)
    sides = torch.cat([torch.full((m, 1), -1.0), torch.ones(m, 1)])

    def iteration() -> tuple[Tensor, Tensor]:
        phase(setup)
        real = feed.x.index_select(0, feed.indices())
        with torch.no_grad():
            fake = generate(torch.randn(m, latent, device=feed.device))
        d_loss = 2 * F.softplus(judge(torch.cat([real, fake])) * sides).mean()
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        phase(setup)
        with frozen(d):
            g_loss = F.softplus(-judge(generate(torch.randn(m, latent, device=feed.device)))).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        return d_loss.detach(), g_loss.detach()

    return loop(iteration, g, d)
