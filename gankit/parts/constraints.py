"""Constraints, which change the parameters of a player after each of its updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gankit.errors import ConfigError
from gankit.interfaces import Array, Ops, Tensors


@dataclass(frozen=True)
class MaxNorm:
    """Scales the incoming weights of each unit down to norm `limit` if they are longer. Srivastava et al. 2014.

    As pylearn2's `max_col_norm` and `max_kernel_norm`: only kernels, with norms over all axes except the outputs.
    """

    limit: float = 1.9365
    player: Literal["discriminator", "generator", "both"] = "both"
    name: ClassVar[str] = "max-norm"

    def __post_init__(self) -> None:
        require_player(self.name, self.player)
        if not self.limit > 0:
            raise ConfigError(f"max-norm: limit={self.limit}; it must be above 0.")

    def __call__(self, ops: Ops, params: Tensors) -> Tensors:
        kernels = {name for name in params if name.endswith("kernel")}
        if not kernels:
            raise ConfigError(
                f"max-norm finds no kernels among {', '.join(sorted(params)) or 'no parameters'}: it knows them by "
                "names that end in 'kernel'. A module of your own that names them otherwise must limit them itself."
            )
        return {name: self._shortened(ops, p) if name in kernels else p for name, p in params.items()}

    def _shortened(self, ops: Ops, kernel: Array) -> Array:
        xp = ops.xp
        norm = xp.sqrt(xp.sum(kernel * kernel, axis=tuple(range(kernel.ndim - 1)), keepdims=True))
        return kernel * (xp.minimum(norm, xp.full_like(norm, self.limit)) / (1e-7 + norm))


def require_player(name: str, player: str) -> None:
    """Raise ConfigError unless a constraint's player exists."""
    if player not in ("discriminator", "generator", "both"):
        raise ConfigError(f"{name}: player={player!r}; possible: 'discriminator', 'generator' and 'both'.")
