"""A network that is a module of a framework instead of gankit's layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError, did_you_mean, one_of
from gankit.interfaces import LABEL, Backend, Network, Port
from gankit.layers import Shape
from gankit.networks.spec import GameSpec

OUTPUTS = ("unit", "symmetric", "free")
PARTS = ("logits", "class_logits", "features")
"""What D may return in a dict."""


@dataclass(frozen=True, eq=False)
class Native:
    """Your own `torch.nn.Module` or `flax.nnx.Module` as a player. It runs only on the backend of its framework.

    G is called as `module(z)` or `module(z, labels)`, D as `module(x)` or `module(x, labels)`. z is (N, latent_dim),
    and labels are (N,) integers. If there are other conditions, a dict of all conditions by name takes the place of
    labels. Examples are arrays (N, *shape), and images have the layout of the framework: (N, channels, height, width)
    in torch, (N, height, width, channels) in flax. D returns logits (N,), or a dict with `logits` and optionally
    `class_logits` (N, num_classes) and `features`, a tuple of arrays (N, ...).

    Training starts from the parameters in the module, so seed your framework if you want the same start again. The
    module may have dropout and running statistics: masks come from (seed, step), and the buffers of a player change
    only in its own phase.

    output: the range of a generator: "unit" for [0, 1], "symmetric" for [-1, 1], "free" for data without bounds.
    """

    module: Any
    output: Literal["unit", "symmetric", "free"] = "free"

    def __post_init__(self) -> None:
        if self.output not in OUTPUTS:
            raise ConfigError(
                f"Native(output={self.output!r}) is not possible.{did_you_mean(str(self.output), OUTPUTS)} "
                f"Choose {one_of(OUTPUTS)}."
            )

    @property
    def name(self) -> str:
        """`package.Class` of the module."""
        kind = type(self.module)
        return f"{kind.__module__}.{kind.__qualname__}"


def wrapped(native: Native, role: str, spec: GameSpec, backend: Backend) -> tuple[Network, dict[str, Array], Shape]:
    """(network, the numbers that the module holds, the shape that one example leaves it in).

    Raises ConfigError when the backend cannot run the module, or when the module cannot play its role.
    """
    network, arrays = backend.wrap(native.module)

    def evaluated(x: Any, given: Any) -> Any:
        return network.apply(*network.init(arrays), x, given, train=False, key=None)[0]

    latents, ops = role == "generator", backend.ops
    shape = (spec.latent_dim,) if latents else spec.shape
    given = {name: ops.asarray(zeros(port)) for name, port in spec.given.items()}
    try:
        out = ops.compile(evaluated)(ops.asarray(np.zeros((2, *shape))), given)
    except Exception as error:  # the module's own, whatever it is
        beside = " and their labels" if [*given] == [LABEL] else f" and their {', '.join(given)}" if given else ""
        what = f"{'latents' if latents else 'examples'} of shape {shape}{beside}"
        hint = f" It is given latent_dim={spec.latent_dim} numbers an example." if latents else ""
        said = str(error).strip().partition("\n")[0].rstrip(".")
        raise ConfigError(f"The {role} {native.name} fails on {what}. {type(error).__name__}: {said}.{hint}") from error
    return network, arrays, _end_shape(native, role, out)


def zeros(port: Port) -> Array:
    """Two of a condition."""
    return np.zeros((2, *port.shape), np.int32 if port.kind == "class" else np.float64)


def _end_shape(native: Native, role: str, out: Any) -> Shape:
    """The shape of one example, logit or latent; raises ConfigError unless `out` is what such a player returns."""
    parts = out if isinstance(out, Mapping) and role == "discriminator" else {"logits": out}
    if any(key not in PARTS for key in parts) or not hasattr(parts.get("logits"), "shape"):
        got = f"a dict with {one_of(map(str, out))}" if isinstance(out, Mapping) else f"a {type(out).__name__}"
        logits = "logits (N,), or a dict with 'logits' and perhaps 'class_logits' and 'features'"
        want = {"discriminator": logits, "encoder": "one array of latents"}.get(role, "one array of examples")
        raise ConfigError(f"The {role} {native.name} returns {got}; it must return {want}.")
    return tuple(int(n) for n in parts["logits"].shape[1:])
