"""A game with convolutions, followed update by update: the backend's own gradients, by NumPy's optimizers.

Frameworks lay kernels and their gradients out in memory as suits their convolutions. An optimizer that walks through
memory instead of through indices then pairs each number with another one's slots, and no loss says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.conformance.compare import agree_by_name
from gankit.conformance.games import ADAM, SGD, leaves, minibatches, rule, small, start
from gankit.conformance.oracle import Params, Rule
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.layers import Conv, ConvTranspose, Dense, Flatten, LeakyRelu, Relu, Reshape, Sigmoid, place

SHAPE = (3, 2, 1)
G = (Dense(12), Reshape((3, 2, 2)), Relu(), Conv(4, 3), Relu(), ConvTranspose(1, 3, 1), Sigmoid())
D = (Conv(4, 3), LeakyRelu(), Conv(3, 3, 2), LeakyRelu(), Flatten(), Dense(1), Reshape(()))
UPDATES = 3
LIMIT = 0.4
"""Of the norms of the weights into one unit, which is less than most of them have."""


def check_convolutional_games_by_adam(subject: Subject) -> None:
    """DCGANs would train otherwise than on other backends from the second update on, though each layer is right."""
    follow(subject, None, **ADAM)


def check_convolutional_games_by_momentum(subject: Subject) -> None:
    """DCGANs would train by the velocities of other weights than their own."""
    follow(subject, None, **SGD)


@dataclass(frozen=True)
class Product:
    """Every kernel times the identity: the same numbers, in whatever order a product leaves them in memory."""

    name: ClassVar[str] = "product"
    player: ClassVar[str] = "both"

    def __call__(self, ops: Any, params: Any) -> Any:
        def times_one(p: Any) -> Any:
            flat = ops.xp.reshape(p, (-1, p.shape[-1]))
            return ops.xp.reshape(flat @ ops.asarray(np.eye(p.shape[-1])), p.shape)

        return {name: times_one(p) if p.ndim > 1 else p for name, p in params.items()}


def check_constrained_convolutional_games(subject: Subject) -> None:
    """Max-norm would bound other weights of a convolution than those into one unit, or leave them in another order."""

    def shortened(params: Params) -> Params:
        def short(kernel: Array) -> Array:
            norms = np.sqrt((kernel**2).sum(axis=tuple(range(kernel.ndim - 1)), keepdims=True))
            return np.asarray(kernel * (np.minimum(norms, LIMIT) / (norms + 1e-7)))

        return {name: short(array) if name.endswith("kernel") else array for name, array in params.items()}

    follow(subject, shortened, constraints=[{"name": "max-norm", "limit": LIMIT}, Product()], **ADAM)


def follow(subject: Subject, constrain: Callable[[Params], Params] | None = None, **settings: Any) -> None:
    """Play a few updates of each player, and do the same by hand."""
    config = small(generator="native", discriminator="native", ema=0.0, **settings)
    backend = subject.open(config.dtype)
    trainer = start(backend, config, brought={"generator": G, "discriminator": D})
    by_hand = ByHand(backend, trainer, constrain or (lambda params: params))
    for t, batch in enumerate(minibatches(config, 0, UPDATES)):
        trainer.fit(steps=1)
        by_hand.step(t, batch.x[0], batch.z[0], batch.g_z)
        cause = "the optimizer pairs a gradient with another weight, where the two lie differently in memory."
        what = f"a game with convolutions after {t + 1} steps"
        agree_by_name(leaves(trainer), by_hand.leaves(t + 1), what, atol=1e-9, cause=cause)


class ByHand:
    """The game: gradients by the backend, in the canonical layout; everything else in NumPy."""

    def __init__(self, backend: Any, trainer: Any, constrain: Callable[[Params], Params]) -> None:
        self.ops, self.constrain = backend.ops, constrain
        self.networks = {
            "generator": backend.network(place(G, (trainer.config.latent_dim,))),
            "discriminator": backend.network(place(D, SHAPE)),
        }
        self.params: dict[str, Params] = {role: dict(getattr(trainer, role).parameters) for role in self.networks}
        self.rules: dict[str, Rule] = {
            role: rule(getattr(trainer.config, f"{role}_optimizer").to_plain()) for role in self.networks
        }
        self.slots = {role: self.rules[role].start(params) for role, params in self.params.items()}

    def step(self, t: int, x: Array, z: Array, g_z: Array) -> None:
        """Algorithm 1 with k = 1: D on x and on G's answer to z, then G on g_z."""
        softplus, mean = self.ops.softplus, self.ops.xp.mean
        real = self.ops.asarray(x.reshape(len(x), *SHAPE))
        fake = self.ops.stop_gradient(self.apply("generator", self.tensors("generator"), self.ops.asarray(z)))

        def d_loss(d: Any) -> Any:
            on_real, on_fake = (self.apply("discriminator", d, batch) for batch in (real, fake))
            return mean(softplus(-on_real)) + mean(softplus(on_fake))

        self.move("discriminator", d_loss, t)
        d, latents = self.tensors("discriminator"), self.ops.asarray(g_z)

        def g_loss(g: Any) -> Any:
            return mean(softplus(-self.apply("discriminator", d, self.apply("generator", g, latents))))

        self.move("generator", g_loss, t)

    def apply(self, role: str, params: Any, x: Any) -> Any:
        """What a network makes of x; D's without the name that it may have."""
        out, _ = self.networks[role].apply(params, {}, x, {}, train=False, key=None)
        return out["logits"] if isinstance(out, dict) else out

    def tensors(self, role: str) -> Any:
        """A player's parameters on the device."""
        return self.networks[role].init(self.params[role])[0]

    def move(self, role: str, loss: Any, t: int) -> None:
        """One update of a player."""
        gradient = self.networks[role].export(self.ops.grad(loss)(self.tensors(role)))
        moved = self.rules[role].move(self.params[role], gradient, self.slots[role], t, t)
        self.params[role] = self.constrain({name: np.asarray(array) for name, array in moved.items()})

    def leaves(self, t: int) -> dict[str, Array]:
        """The state after t steps, under the names of checkpoints."""
        found: dict[str, Params] = {}
        for role, params in self.params.items():
            found |= {f"{role}/params": params, f"{role}/slots": self.rules[role].leaves(self.slots[role], t)}
        return {f"{part}/{name}": array for part, arrays in found.items() for name, array in arrays.items()}


CHECKS: tuple[Check, ...] = (
    check_convolutional_games_by_adam,
    check_convolutional_games_by_momentum,
    check_constrained_convolutional_games,
)
