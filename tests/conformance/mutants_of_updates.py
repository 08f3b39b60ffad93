"""Faults of an update: gradients and slots in another order of memory, constraints, resumed optimizers."""

from __future__ import annotations

import numpy as np
from mutants_of_open import without
from mutants_of_play import count_lost
from planting import Changed, Mutant, network, optimizer, patch, run

from gankit import layers

# Optimizers and memory layouts.


def in_memory_order(what):
    """An optimizer that walks through the memory of 4-D arrays in another order than their indices."""

    def plant(backend):
        xp = backend.ops.xp

        def mixed(tensors):
            def other(x):
                return xp.reshape(xp.permute_dims(x, (1, 0, 2, 3)), x.shape) if len(x.shape) == 4 else x

            return {name: other(x) for name, x in tensors.items()}

        def build(spec):
            real = backend.optimizer(spec)

            def update(slots, params, grads, given):
                if what == "gradient":
                    return real.update(slots, params, mixed(grads), given)
                slots, params = real.update(slots, params, grads, given)
                return {n: mixed(s) if n in ("velocity", "second") else s for n, s in slots.items()}, params

            return Changed(real, update=update)

        return Changed(backend, optimizer=build)

    return plant


def no_velocity_at_zero(real, slots, params, grads, given):
    slots, params = real.update(slots, params, grads, given)
    kept = given["momentum"] > 0
    return {**slots, "velocity": {name: v * kept for name, v in slots["velocity"].items()}}, params


ADAM, MOMENTUM = "check_convolutional_games_by_adam", "check_convolutional_games_by_momentum"
RAMP = "check_a_momentum_ramp_from_zero_follows_the_oracle"

OPTIMIZERS = (
    Mutant("adam takes gradients in memory order", ADAM, in_memory_order("gradient")),
    Mutant("momentum takes gradients in memory order", MOMENTUM, in_memory_order("gradient")),
    Mutant("velocities lie in another order", MOMENTUM, in_memory_order("slots")),
    Mutant("no velocity is kept while momentum is 0", RAMP, optimizer(no_velocity_at_zero, only="sgd")),
    Mutant(
        "a momentum of 0 is taken for none",
        RAMP,
        run(
            lambda b: b._replace(
                numbers={n: np.where(v == 0, 0.5, v) if "moment" in n else v for n, v in b.numbers.items()}
            )
        ),
    ),
)


def dense_alone(real):
    """Max-norm of a convolution by the first axis of its kernel, as if that were all of the way into a unit."""

    def call(self, o, params):
        def shortened(kernel):
            norms = o.xp.sqrt(o.xp.sum(kernel * kernel, axis=0, keepdims=True))
            return kernel * (o.xp.minimum(norms, o.xp.full_like(norms, self.limit)) / (norms + 1e-7))

        bounded = real(self, o, params)
        return {n: shortened(p) if len(p.shape) == 4 else bounded[n] for n, p in params.items()}

    return call


def turned_back_wrong(real, o, placed):
    """What a constraint leaves of a kernel is read from another place of its memory."""

    def own(tensors):
        def other(x):
            return o.xp.roll(x, 1, axis=0) if len(x.shape) == 4 else x

        return {name: other(x) for name, x in real.own(tensors).items()}

    return own


def outermost_alone(real, o, placed):
    return any(type(place.layer) in (layers.BatchNorm, layers.MinibatchStddev) for place in placed)


CONSTRAINED, OPTIMIZERS_RESUMED = "check_constrained_convolutional_games", "check_every_optimizer_is_resumed"

CONSTRAINTS = (
    Mutant(
        "max-norm is by one axis", CONSTRAINED, core=patch("gankit.parts.constraints:MaxNorm", "__call__", dense_alone)
    ),
    Mutant("constrained kernels lie in another order", CONSTRAINED, network(own=turned_back_wrong)),
    Mutant("adamw loses its count", OPTIMIZERS_RESUMED, optimizer(init=count_lost, only="adamw")),
    Mutant("what a run has learnt of squares is lost", OPTIMIZERS_RESUMED, core=without("discriminator/slots/second")),
    Mutant("batch norm inside of blocks is not seen", "check_mixing_is_said", network(mixes_samples=outermost_alone)),
    Mutant("nobody says that it mixes", "check_mixing_is_said", network(mixes_samples=lambda real, o, placed: False)),
)

UPDATES = (*OPTIMIZERS, *CONSTRAINTS)
