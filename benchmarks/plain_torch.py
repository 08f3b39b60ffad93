"""The `gan-2014` game as a plain hand-written PyTorch loop: modules, torch.optim, backward, nothing clever."""

import torch
import torch.nn.functional as F
from torch import nn


class Maxout(nn.Module):
    def __init__(self, inputs: int, units: int, pieces: int):
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x):
        return self.linear(x).view(-1, self.pieces, self.units).amax(1)


def networks():
    g = nn.Sequential(
        nn.Linear(100, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(), nn.Linear(1200, 784), nn.Sigmoid()
    )
    d = nn.Sequential(
        nn.Dropout(0.2), Maxout(784, 240, 5), nn.Dropout(0.5), Maxout(240, 240, 5), nn.Dropout(0.5), nn.Linear(240, 1)
    )
    for net, limit in ((g, 0.05), (d, 0.005)):
        for name, p in net.named_parameters():
            nn.init.uniform_(p, -limit, limit) if name.endswith("weight") else nn.init.zeros_(p)
    return g, d


def game(images):
    """A function that plays n iterations; images: (n, 28, 28, 1) uint8."""
    data = torch.from_numpy(images).reshape(len(images), -1)
    g, d = networks()
    g_opt = torch.optim.SGD(g.parameters(), lr=0.1, momentum=0.5)
    d_opt = torch.optim.SGD(d.parameters(), lr=0.1, momentum=0.5)

    def latents():
        return (torch.rand(100, 100) * 2 - 1) * 3**0.5

    def play(n: int) -> None:
        for _ in range(n):
            real = data[torch.randint(len(data), (100,))].float() / 255
            d_opt.zero_grad()
            with torch.no_grad():
                fake = g(latents())
            loss = 0.5 * (F.softplus(-d(real)).mean() + F.softplus(d(fake)).mean())
            loss.backward()
            d_opt.step()
            g_opt.zero_grad()
            F.softplus(-d(g(latents()))).mean().backward()
            g_opt.step()

    return play
