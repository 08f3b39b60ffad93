"""The paper's MNIST game in PyTorch: with modules and autograd, and with every gradient written out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.loop import Loop, Setup
from benchmarks.torch_loops.common import Feed, Masks, frozen, loop, phase, prepared, product, uniform_noise

LATENT = 100


class Maxout(nn.Module):
    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).view(-1, self.pieces, self.units).amax(1)


def generator() -> nn.Sequential:
    layers = nn.Linear(LATENT, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(), nn.Linear(1200, 784), nn.Sigmoid()
    return initialised(nn.Sequential(*layers), 0.05)


def discriminator() -> nn.Sequential:
    first, second = Maxout(784, 240, 5), Maxout(240, 240, 5)
    layers = nn.Dropout(0.2), first, nn.Dropout(0.5), second, nn.Dropout(0.5), nn.Linear(240, 1), nn.Flatten(0)
    return initialised(nn.Sequential(*layers), 0.005)


def initialised(net: nn.Sequential, limit: float) -> nn.Sequential:
    for name, p in net.named_parameters():
        nn.init.uniform_(p, -limit, limit) if name.endswith("weight") else nn.init.zeros_(p)
    return net


def sgd(net: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5, fused=True)


def stock(setup: Setup) -> Loop:
    """Stock modules; real and fake in one pass, D frozen in G's phase, fused SGD."""
    feed, m = Feed(setup.data, setup.batch), setup.batch
    feed.x = feed.x.flatten(1)
    g, d = generator(), discriminator()
    g_optimizer, d_optimizer = sgd(g), sgd(d)
    generate, judge = prepared(g, setup), prepared(d, setup)
    sides = torch.cat([torch.full((m,), -1.0), torch.ones(m)])

    def iteration() -> tuple[Tensor, Tensor]:
        phase(setup)
        real, _ = feed.images()
        with torch.no_grad():
            fake = generate(uniform_noise(m, LATENT, feed.device))
        d_loss = F.softplus(judge(torch.cat([real, fake])) * sides).mean()  # half the sum of the two cross-entropies
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        phase(setup)
        with frozen(d):
            g_loss = F.softplus(-judge(generate(uniform_noise(m, LATENT, feed.device)))).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
        g_optimizer.step()
        return d_loss.detach(), g_loss.detach()

    return loop(iteration, g, d)


def best(setup: Setup) -> Loop:
    """Gradients written out, matrix products through oneDNN, masks from raw bits. On CUDA, `stock`."""
    if setup.device != "cpu":
        return stock(setup)
    feed, m, masks = Feed(setup.data, setup.batch), setup.batch, Masks()
    feed.x = feed.x.flatten(1)
    g, d = generator(), discriminator()
    g_optimizer, d_optimizer = sgd(g), sgd(d)
    g_layers = [layer for layer in g if isinstance(layer, nn.Linear)]
    d_layers = [layer.linear for layer in d if isinstance(layer, Maxout)] + [d[-2]]
    keeps = (0.8, 0.5, 0.5)

    def set_gradient(layer: nn.Linear, out: Tensor, x: Tensor) -> None:
        """out: the gradient of the layer's output on x."""
        layer.weight.grad, layer.bias.grad = product(out.T, x), out.sum(0)

    def generate() -> list[Tensor]:
        """What each layer of G is given, and the picture."""
        h = [uniform_noise(m, LATENT)]
        for layer in g_layers[:-1]:
            h.append(product(h[-1], layer.weight.T, layer.bias).relu_())
        return [*h, product(h[-1], g_layers[-1].weight.T, g_layers[-1].bias).sigmoid_()]

    def judge(x: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor], Tensor]:
        """(what each layer of D is given, the masks, the winning pieces, the logits)."""
        given, dropped, winners = [], [], []
        for i, layer in enumerate(d_layers):
            dropped.append(masks(x.shape, keeps[i]))
            given.append(x * dropped[i])
            out = product(given[i], layer.weight.T, layer.bias)
            if i < 2:
                pieces = out.view(-1, 5, 240)
                x = pieces.amax(1)
                winners.append(pieces == x.unsqueeze(1))  # ten times as fast as max with its indices
        return given, dropped, winners, out.squeeze(1)

    def back(layer: int, out: Tensor, dropped: list[Tensor], winners: list[Tensor]) -> Tensor:
        """From the gradient of one layer's output to that of what came out of the one before it."""
        before = product(out, d_layers[layer].weight).mul_(dropped[layer])
        if layer == 0:
            return before
        return (winners[layer - 1] * before.unsqueeze(1)).view(-1, 1200)

    sides = torch.cat([torch.full((m,), -1.0), torch.ones(m)])

    @torch.no_grad()
    def iteration() -> tuple[Tensor, Tensor]:
        real, _ = feed.images()
        given, dropped, winners, logits = judge(torch.cat([real, generate()[-1]]))
        signed = logits * sides
        d_loss = F.softplus(signed).mean()
        out = (signed.sigmoid() * sides).div_(2 * m).unsqueeze(1)
        for i in (2, 1, 0):
            set_gradient(d_layers[i], out, given[i])
            if i:
                out = back(i, out, dropped, winners)
        d_optimizer.step()

        h = generate()
        _, dropped, winners, logits = judge(h[-1])
        g_loss = F.softplus(-logits).mean()
        out = (-logits).sigmoid().div_(-m).unsqueeze(1)
        for i in (2, 1, 0):
            out = back(i, out, dropped, winners)
        out = out.mul_(h[-1]).mul_(1 - h[-1])
        for i in (2, 1, 0):
            set_gradient(g_layers[i], out, h[i])
            if i:
                out = torch.ops.aten.threshold_backward(product(out, g_layers[i].weight), h[i], 0.0)
        g_optimizer.step()
        return d_loss, g_loss

    return loop(iteration, g, d)
