"""Constraints with one fault each, written as a stranger would write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from planted_parts import Broken

from gankit.parts.constraints import MaxNorm


@dataclass(frozen=True)
class Clipped:
    """Every parameter in [-limit, limit], as it should be."""

    limit: float = 0.01
    player: str = "discriminator"
    name: ClassVar[str] = "broken"

    def __call__(self, ops: Any, params: Any) -> Any:
        return {name: self.change(ops, name, p) for name, p in params.items()}

    def change(self, ops, name, p):
        return ops.xp.clip(p, -self.limit, self.limit)


class Unnamed:
    """A function in the shape of a class."""

    __call__ = Clipped.__call__
    change = Clipped.change
    limit = 0.01


class Nobodys(Clipped):
    """Of a player that there is not."""

    def __init__(self):
        super().__init__(player="critic")


class KernelsOnly(Clipped):
    """Returns what it has changed, and drops the rest."""

    def __call__(self, ops, params):
        return {name: self.change(ops, name, p) for name, p in params.items() if name.endswith("kernel")}


class Summed(Clipped):
    """One number in the place of an array."""

    def change(self, ops, name, p):
        return ops.xp.clip(ops.xp.mean(p), -self.limit, self.limit)


class Idle(Clipped):
    """Returns what it is given."""

    def __call__(self, ops, params):
        return dict(params)


class OtherNames(Clipped):
    """Looks for names that another framework gives."""

    def change(self, ops, name, p):
        return super().change(ops, name, p) if name.endswith(".weight") else p


class Shrinking(Clipped):
    """Scales everything down, within the limit too."""

    def change(self, ops, name, p):
        return 0.9 * p


class HalfWay(Clipped):
    """Goes half of the way back."""

    def change(self, ops, name, p):
        return 0.5 * (p + super().change(ops, name, p))


class Unguarded(Clipped):
    """Norm 1 for every array: 0 divided by 0."""

    def change(self, ops, name, p):
        return p / ops.xp.sqrt(ops.xp.sum(p * p))


class Overflowing(Clipped):
    """The norm by a fourth power, which is infinite in float32."""

    def change(self, ops, name, p):
        norm = ops.xp.sum(p**4) ** 0.25
        return p - p * ops.relu(norm - self.limit) / (norm + 1e-12)


class OfMethods(Clipped):
    """Methods that arrays have on some frameworks only."""

    def change(self, ops, name, p):
        return p.clip(-self.limit, self.limit)


class OnHost(Clipped):
    """A limit in single precision on this backend."""

    def change(self, ops, name, p):
        limit = self.limit * (1 + 1e-7 * hasattr(ops, "to_numpy"))
        return ops.xp.clip(p, -limit, limit)


class InPlace(Clipped):
    def change(self, ops, name, p):
        p *= 0.0
        return p


class Counting(Clipped):
    """Tighter with each call."""

    calls: ClassVar[list[int]] = []

    def change(self, ops, name, p):
        self.calls.append(0)
        limit = self.limit / len(self.calls)
        return ops.xp.clip(p, -limit, limit)


class Noisy(Clipped):
    def change(self, ops, name, p):
        return ops.xp.clip(p, -self.limit, self.limit) * float(np.random.uniform(1 - 1e-9, 1.0))


class ByPlace(Clipped):
    """Takes the first array for the input layer's, and spares it."""

    def __call__(self, ops, params):
        return {name: p if i == 0 else self.change(ops, name, p) for i, (name, p) in enumerate(params.items())}


class Deaf(Clipped):
    """Has a limit of its own."""

    def change(self, ops, name, p):
        return ops.xp.clip(p, -0.01, 0.01)


@dataclass(frozen=True)
class DeafToSwitch(Clipped):
    """Spares biases whatever it is told."""

    biases: bool = False

    def change(self, ops, name, p):
        return p if name.endswith("bias") else super().change(ops, name, p)


class Exploding(Clipped):
    """The logarithm of what may be below 0."""

    def change(self, ops, name, p):
        return ops.xp.log(p + 0.01) if name.endswith("bias") else super().change(ops, name, p)


class Frozen(Clipped):
    """Nothing is left to learn."""

    def change(self, ops, name, p):
        return 0.0 * p


class ByRole(Clipped):
    """Says that it is D's, and, by a class variable, is whatever it was asked last."""

    asked: ClassVar[list[str]] = []

    @property
    def player(self):
        self.asked.append("")
        return ("both", "discriminator")[len(self.asked) % 2]

    @player.setter
    def player(self, value):
        pass

    def __init__(self):
        object.__setattr__(self, "limit", 0.01)


class Wandering(Clipped):
    """Holds another player each time it is made."""

    made: ClassVar[list[int]] = []

    def __init__(self):
        self.made.append(0)
        super().__init__(player=("discriminator", "generator")[len(self.made) % 2])


HEAVY = """
for framework in ("jax", "torch", "mlx.core"):  # whichever is here
    try:
        __import__(framework)
        break
    except ImportError:
        continue

from gankit.parts.constraints import MaxNorm


class Part(MaxNorm):
    name = "broken"
"""
LATER = HEAVY.replace('("jax", "torch", "mlx.core")', '("torch", "mlx.core", "jax")')


class NamedMaxNorm(MaxNorm):
    name: ClassVar[str] = "broken"


HONEST = {"clipping": Clipped, "max-norm": NamedMaxNorm}
CONSTRAINTS = tuple(
    Broken("constraints", *fault)
    for fault in (
        ("says nothing of itself", "check_constraint_contract", Unnamed),
        ("is a player's that there is not", "check_constraint_contract", Nobodys),
        ("drops biases", "check_constraint_contract", KernelsOnly),
        ("one number for an array", "check_constraint_contract", Summed),
        ("returns what it is given", "check_constraint_binds", Idle),
        ("looks for names of another framework", "check_constraint_binds", OtherNames),
        ("shrinks whatever there is", "check_constraint_is_idempotent", Shrinking),
        ("goes half of the way", "check_constraint_is_idempotent", HalfWay),
        ("divides 0 by 0", "check_constraint_is_finite", Unguarded),
        ("a fourth power", "check_constraint_is_finite", Overflowing),
        ("methods of arrays", "check_constraint_without_a_framework", OfMethods),
        ("a limit in single precision", "check_constraint_without_a_framework", OnHost),
        ("changes what it is given", "check_constraint_keeps_nothing_to_itself", InPlace, frozenset({"jax", "mlx"})),
        ("tightens with each call", "check_constraint_keeps_nothing_to_itself", Counting),
        ("draws by NumPy", "check_constraint_keeps_nothing_to_itself", Noisy),
        ("spares what comes first", "check_constraint_keeps_nothing_to_itself", ByPlace),
        ("deaf to its limit", "check_constraint_settings_act", Deaf),
        ("deaf to its switch", "check_constraint_settings_act", DeafToSwitch),
        ("NaN in a game", "check_constraint_holds_after_every_update", Exploding),
        ("nothing is left to learn", "check_constraint_holds_after_every_update", Frozen),
        ("holds whom it does not say", "check_constraint_spares_the_other_player", ByRole),
        ("holds another each time", "check_constraint_spares_the_other_player", Wandering),
        ("imports a framework", "check_constraint_imports_no_framework", HEAVY),
        ("imports another framework", "check_constraint_imports_no_framework", LATER),
    )
)
