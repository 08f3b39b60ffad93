"""The same pairs of players as torch modules and as flax modules, written the way their users write them.

Latents are 4 numbers, examples 3 x 2 x 1 or 6 x 4 x 3, classes 3.
"""

from __future__ import annotations

from typing import Any

import pytest

CLASSES = 3


def _of(backend: str, **pairs: Any) -> Any:
    """The pair for a backend; the test is skipped where modules are another framework's."""
    if backend not in pairs:
        pytest.skip(f"modules of {backend} are held to the same in backends/{backend}/tests")
    return pairs[backend]


def plain(backend: str, g: dict[str, Any], d: dict[str, Any]) -> tuple[Any, Any]:
    """Conditional multilayer perceptrons with batch norm, holding these numbers: g, d as records name them."""
    return _of(backend, torch=_torch_plain, jax=_flax_plain)(g, d)


def convolutional(backend: str, *, classes: int = 0, seed: int = 0) -> tuple[Any, Any]:
    """6 x 4 x 3 images, with convolutions, batch norm and dropout in both, and a spectral norm in torch's D."""
    return _of(backend, torch=_torch_convolutional, jax=_flax_convolutional)(classes, seed)


def linear(backend: str, picture: Any, weights: Any, class_weights: Any) -> tuple[Any, Any]:
    """G makes one picture (h, w, c) of any z; D's logits, class logits and features are linear in the example."""
    return _of(backend, torch=_torch_linear, jax=_flax_linear)(picture, weights, class_weights)


def half(backend: str) -> tuple[Any, Any]:
    """6 x 4 x 3 images; both compute in bfloat16, and return it."""
    return _of(backend, torch=_torch_half, jax=_flax_half)()


# ---- torch


def _torch_plain(g: dict[str, Any], d: dict[str, Any]) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn.functional import leaky_relu, one_hot

    class G(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4 + CLASSES, 7, bias=False)
            self.norm = nn.BatchNorm1d(7)
            self.outer = nn.Linear(7, 6)

        def forward(self, z: Any, labels: Any) -> Any:
            h = self.norm(self.inner(torch.cat([z, one_hot(labels, CLASSES)], 1)))
            return torch.sigmoid(self.outer(torch.relu(h))).reshape(-1, 1, 3, 2)

    class D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6 + CLASSES, 5, bias=False)
            self.norm = nn.BatchNorm1d(5)
            self.outer = nn.Linear(5, 1)

        def forward(self, x: Any, labels: Any) -> Any:
            h = self.norm(self.inner(torch.cat([x.flatten(1), one_hot(labels, CLASSES)], 1)))
            return self.outer(leaky_relu(h, 0.2))[:, 0]

    pair = G().double(), D().double()
    for module, held in zip(pair, (g, d), strict=True):
        with torch.no_grad():
            module.inner.weight.copy_(torch.tensor(held["dense0/kernel"].T))
            module.outer.weight.copy_(torch.tensor(held["dense1/kernel"].T))
            module.outer.bias.copy_(torch.tensor(held["dense1/bias"]))
    return pair


def _torch_convolutional(classes: int, seed: int) -> tuple[Any, Any]:
    import torch
    from torch import nn
    from torch.nn.functional import leaky_relu
    from torch.nn.utils.parametrizations import spectral_norm

    class G(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(max(classes, 1), 2)
            self.dense = nn.Linear(4 + (2 if classes else 0), 12)
            self.drop, self.norm, self.up = nn.Dropout(0.2), nn.BatchNorm2d(2), nn.ConvTranspose2d(2, 3, 2, 2)

        def forward(self, z: Any, labels: Any = None) -> Any:
            z = torch.cat([z, self.embed(labels)], 1) if classes else z
            h = self.drop(self.dense(z)).reshape(-1, 2, 3, 2)
            return torch.sigmoid(self.up(torch.relu(self.norm(h))))

    class D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = spectral_norm(nn.Conv2d(3, 4, 2, 2)), nn.BatchNorm2d(4)
            self.drop, self.score = nn.Dropout(0.3), nn.Linear(24, max(classes, 1))

        def forward(self, x: Any, labels: Any = None) -> Any:
            h = self.drop(leaky_relu(self.norm(self.conv(x)), 0.2))
            scores = self.score(h.flatten(1))
            return scores.gather(1, labels[:, None])[:, 0] if classes else scores[:, 0]

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return G(), D()


def _torch_linear(picture: Any, weights: Any, class_weights: Any) -> tuple[Any, Any]:
    import torch
    from torch import nn

    def first(array: Any) -> Any:  # (..., h, w, c) to torch's (..., c, h, w)
        return nn.Parameter(torch.tensor(array).moveaxis(-1, -3).contiguous())

    class G(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = first(picture)

        def forward(self, z: Any, labels: Any) -> Any:
            return self.picture.expand(len(z), *self.picture.shape)

    class D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights, self.class_weights = first(weights), first(class_weights)

        def forward(self, x: Any, labels: Any = None) -> Any:
            logits = (x * self.weights).sum((1, 2, 3))
            class_logits = torch.einsum("nchw,kchw->nk", x, self.class_weights)
            return {"logits": logits, "class_logits": class_logits, "features": (x, logits[:, None])}

    return G(), D()


def _torch_half() -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Player(nn.Module):
        def __init__(self, entry: int, out: int) -> None:
            super().__init__()
            self.inner, self.outer, self.out = nn.Linear(entry, 8), nn.Linear(8, out), out

        def forward(self, x: Any) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                y = self.outer(torch.tanh(self.inner(x.flatten(1))))
            return y[:, 0] if self.out == 1 else y.reshape(-1, 3, 6, 4)

    return Player(4, 72), Player(72, 1)


# ---- flax


def _flax_plain(g: dict[str, Any], d: dict[str, Any]) -> tuple[Any, Any]:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    class Player(nnx.Module):
        def __init__(self, entry: int, hidden: int, out: int, held: dict[str, Any]) -> None:
            rngs = nnx.Rngs(0)
            self.inner = nnx.Linear(entry + CLASSES, hidden, use_bias=False, rngs=rngs)
            self.norm = nnx.BatchNorm(hidden, momentum=0.9, rngs=rngs)
            self.outer = nnx.Linear(hidden, out, rngs=rngs)
            self.inner.kernel = nnx.Param(jnp.asarray(held["dense0/kernel"]))
            self.outer.kernel = nnx.Param(jnp.asarray(held["dense1/kernel"]))
            self.outer.bias = nnx.Param(jnp.asarray(held["dense1/bias"]))

        def hidden(self, x: Any, labels: Any) -> Any:
            y = jax.nn.one_hot(labels, CLASSES, dtype=x.dtype)
            return self.norm(self.inner(jnp.concatenate([x.reshape(len(x), -1), y], axis=1)))

    class G(Player):
        def __call__(self, z: Any, labels: Any) -> Any:
            return jax.nn.sigmoid(self.outer(jax.nn.relu(self.hidden(z, labels)))).reshape(-1, 3, 2, 1)

    class D(Player):
        def __call__(self, x: Any, labels: Any) -> Any:
            return self.outer(jax.nn.leaky_relu(self.hidden(x, labels), 0.2))[:, 0]

    return G(4, 7, 6, g), D(6, 5, 1, d)


def _flax_convolutional(classes: int, seed: int) -> tuple[Any, Any]:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    rngs = nnx.Rngs(seed)

    class G(nnx.Module):
        def __init__(self) -> None:
            self.embed = nnx.Embed(max(classes, 1), 2, rngs=rngs)
            self.dense = nnx.Linear(4 + (2 if classes else 0), 12, rngs=rngs)
            self.drop = nnx.Dropout(0.2, rngs=rngs)
            self.norm = nnx.BatchNorm(2, rngs=rngs)
            self.up = nnx.ConvTranspose(2, 3, (2, 2), (2, 2), rngs=rngs)

        def __call__(self, z: Any, labels: Any = None) -> Any:
            z = jnp.concatenate([z, self.embed(labels)], axis=1) if classes else z
            h = self.drop(self.dense(z)).reshape(-1, 3, 2, 2)
            return jax.nn.sigmoid(self.up(jax.nn.relu(self.norm(h))))

    class D(nnx.Module):
        def __init__(self) -> None:
            self.conv = nnx.Conv(3, 4, (2, 2), 2, rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.drop = nnx.Dropout(0.3, rngs=rngs)
            self.score = nnx.Linear(24, max(classes, 1), rngs=rngs)

        def __call__(self, x: Any, labels: Any = None) -> Any:
            h = self.drop(jax.nn.leaky_relu(self.norm(self.conv(x)), 0.2))
            scores = self.score(h.reshape(len(x), -1))
            return jnp.take_along_axis(scores, labels[:, None], axis=1)[:, 0] if classes else scores[:, 0]

    return G(), D()


def _flax_linear(picture: Any, weights: Any, class_weights: Any) -> tuple[Any, Any]:
    import jax.numpy as jnp
    from flax import nnx

    class G(nnx.Module):
        def __init__(self) -> None:
            self.picture = nnx.Param(jnp.asarray(picture))

        def __call__(self, z: Any, labels: Any) -> Any:
            return jnp.broadcast_to(self.picture[...], (len(z), *picture.shape))

    class D(nnx.Module):
        def __init__(self) -> None:
            self.weights, self.class_weights = nnx.Param(jnp.asarray(weights)), nnx.Param(jnp.asarray(class_weights))

        def __call__(self, x: Any, labels: Any = None) -> Any:
            logits = jnp.sum(x * self.weights[...], axis=(1, 2, 3))
            class_logits = jnp.einsum("nhwc,khwc->nk", x, self.class_weights[...])
            return {"logits": logits, "class_logits": class_logits, "features": (x, logits[:, None])}

    return G(), D()


def _flax_half() -> tuple[Any, Any]:
    import jax.numpy as jnp
    from flax import nnx

    class Player(nnx.Module):
        def __init__(self, entry: int, out: int) -> None:
            options: dict[str, Any] = {"dtype": jnp.bfloat16, "rngs": nnx.Rngs(0)}
            self.inner, self.outer = nnx.Linear(entry, 8, **options), nnx.Linear(8, out, **options)
            self.out = out

        def __call__(self, x: Any) -> Any:
            y = self.outer(jnp.tanh(self.inner(x.reshape(len(x), -1))))
            return y[:, 0] if self.out == 1 else y.reshape(-1, 6, 4, 3)

    return Player(4, 72), Player(72, 1)
