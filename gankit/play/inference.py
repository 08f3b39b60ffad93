"""Networks outside training: many examples through G or D, a part at a time, in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import Config
from gankit.data.spec import DataSpec
from gankit.errors import ConfigError
from gankit.interfaces import LATENT, Given, Ops, Player, Scores
from gankit.play.conditions import Makers, Seen
from gankit.play.encoding import encode
from gankit.play.feed import EXAMPLES, Units
from gankit.play.game import Game, Match
from gankit.play.judging import scores
from gankit.play.sharing import on_lane, shares

NUMBERS_AT_ONCE = 2**20
"""In the examples that G or D is given together outside training: many enough to keep two cores busy, and half a
gigabyte at most in the convolutions of `dcgan`."""
SIZES = (20, 50, 100, 200, 500, 1000)
"""Of the parts in which they are given."""
PARTS_AHEAD = 16
"""How many of them the device is given before the first is fetched, as fetching holds a CPU up; 64 MB of numbers."""


def _classes(ops: Ops, said: Scores) -> Any:
    if said.class_logits is None:
        raise ConfigError(
            "The discriminator of this game predicts no classes. Use one that does: recipe='semi-supervised', "
            "discriminator='k-class', or a network of your own that ends in gankit.layers.ClassesHead."
        )
    return ops.xp.exp(ops.log_softmax(said.class_logits))


def _features(ops: Ops, said: Scores) -> Any:
    if not said.features:
        raise ConfigError(
            "This game's discriminator marks no features. 'mlp', 'dcgan' and 'k-class' do. In a network of your own "
            "put gankit.layers.Features() after the layer that you want."
        )
    return ops.xp.concat([ops.xp.reshape(f, (f.shape[0], -1)) for f in said.features], axis=1)


LOGITS, CLASSES, FEATURES = "logits", "classes", "features"
ANSWERS, SLOPES = "answers", "slopes"
SAID: Mapping[str, Callable[[Ops, Scores], Any]] = {
    LOGITS: lambda ops, said: said.logits,
    CLASSES: _classes,
    FEATURES: _features,
}
"""What D may be asked for, of what it says."""


class Inference:
    """The compiled networks of one game."""

    def __init__(self, rules: Game, config: Config, spec: DataSpec, units: Mapping[str, Units]) -> None:
        self.rules, self.config, self._spec, self._units = rules, config, spec, units[""][EXAMPLES]
        self._generate: dict[str, Any] = {}
        self._generate_bytes: dict[str, Any] = {}
        self._judge: dict[tuple[str, str], Any] = {}

    def in_bytes(self, role: str, player: Player, z: Iterable[Array], n: int, given: Given, size: int) -> Array:
        """`Scaling.to_user` of what G makes, for data of bytes: on the device, a quarter of what comes back."""
        if role not in self._generate_bytes:
            self._generate_bytes[role] = self._ops.compile(lambda *a: self._made_in_bytes(role, *a))
        return self._made_by(self._generate_bytes[role], player, z, n, given, size)

    def generated(self, role: str, player: Player, z: Iterable[Array], n: int, given: Given, size: int) -> Array:
        """What G makes of n latents, which come in parts of `size`, and conditions: (n, -1) in model units."""
        if role not in self._generate:
            self._generate[role] = self._ops.compile(lambda *a: self._made(role, *a))
        return self._made_by(self._generate[role], player, z, n, given, size)

    def judged(self, role: str, player: Player, x: Array, given: Given, size: int, what: str = LOGITS) -> Array:
        """What D says of x, in model units: its logits (n,), the probabilities of classes, or its features, (n, -1)."""
        if (role, what) not in self._judge:
            self._judge[role, what] = self._ops.compile(lambda *a: SAID[what](self._ops, self._scores(role, *a)))
        judge = self._judge[role, what]
        return self._in_pieces(
            lambda x, y: judge(player.params, player.buffers, x, y), len(x), in_parts(x, size), given, size
        )

    def encoded(self, role: str, player: Player, x: Array, given: Given, size: int) -> Array:
        """What an encoder makes of x, in model units: (n, latent_dim)."""
        if (role, LATENT) not in self._judge:
            self._judge[role, LATENT] = self._ops.compile(
                lambda p, b, x, y: encode(self.rules, role, Player(p, b, {}), x, y, None)[0]
            )
        return self._made_by(self._judge[role, LATENT], player, in_parts(x, size), len(x), given, size)

    def slopes(self, role: str, player: Player, x: Array, given: Given, size: int, z: Array) -> Array:
        """The gradient in each z of the squared error of what G makes of it beside x, a mean over pixels."""
        if (role, SLOPES) not in self._judge:
            self._judge[role, SLOPES] = self._ops.compile(lambda *a: self._error_slopes(role, *a))
        slopes, beside = self._judge[role, SLOPES], {**given, EXAMPLES: x}
        return self._in_pieces(
            lambda z, y: slopes(player.params, player.buffers, z, y), len(z), in_parts(z, size), beside, size
        )

    def _error_slopes(self, role: str, params: Any, buffers: Any, z: Any, beside: Any) -> Any:
        ops, given = self._ops, {name: values for name, values in beside.items() if name != EXAMPLES}

        def errors(z: Any) -> Any:
            out, _ = self.rules.seats[role].network.apply(params, buffers, z, given, train=False, key=None)
            apart = ops.xp.reshape(ops.to_float(out) - beside[EXAMPLES], (z.shape[0], -1))
            return ops.xp.sum(ops.xp.mean(apart * apart, axis=1))

        return ops.grad(errors)(z)

    def answered(self, match: Match, players: tuple[Player, Player], z: Array, given: Given, slopes: bool) -> Array:
        """D's logits of what G makes of latents, (n,); slopes: or their gradients in the latents, (n, width).

        players: a G and the D that judges it. given: the conditions of both, in model units.
        """
        key = (match.discriminator, SLOPES if slopes else ANSWERS)
        if key not in self._judge:
            self._judge[key] = self._ops.compile(lambda *a: self._answers(match, slopes, *a))
        (g, d), judge = players, self._judge[key]
        size = at_once(self._spec.shape)
        return self._in_pieces(
            lambda z, y: judge(g.params, g.buffers, d.params, d.buffers, z, y), len(z), in_parts(z, size), given, size
        )

    def conditions(self, makers: Makers, x: Array, noise: Sequence[Array]) -> dict[str, Array]:
        """What the makers of conditions make of examples in model units, each with its own noise."""
        ops, seen = self._ops, Seen.of(self._spec)

        def made(x: Any, given: Any) -> dict[str, Any]:
            return {
                name: values
                for i, maker in enumerate(makers)
                if not hasattr(maker, "source")
                for name, values in seen.made_by(maker, ops, x, given.get(str(i))).items()
            }

        size, drawn = at_once(self._spec.shape), {str(i): own for i, own in enumerate(noise) if own.shape[1]}
        names = [name for maker in makers if not hasattr(maker, "source") for name in maker.ports]
        return {
            name: self._in_pieces(
                lambda x, given, name=name: made(x, given)[name], len(x), in_parts(x, size), drawn, size
            )
            for name in names
        }

    @property
    def _ops(self) -> Ops:
        return self.rules.ops

    def _made_by(self, f: Any, player: Player, z: Iterable[Array], n: int, given: Given, size: int) -> Array:
        return self._in_pieces(lambda z, y: f(player.params, player.buffers, z, y), n, z, given, size)

    def _made(self, role: str, params: Any, buffers: Any, z: Any, given: Any) -> Any:
        """G's output, a row for each example: XLA computes more slowly what ends in an image's axes."""
        ops = self._ops
        out, _ = self.rules.seats[role].network.apply(params, buffers, z, given, train=False, key=None)
        return ops.xp.reshape(ops.to_float(out), (z.shape[0], -1))

    def _made_in_bytes(self, role: str, params: Any, buffers: Any, z: Any, given: Any) -> Any:
        xp, scaling = self._ops.xp, self._spec.scaling
        offset, scale = (xp.reshape(unit, (-1,)) for unit in self._units)
        x = self._made(role, params, buffers, z, given) * scale + offset
        return xp.astype(xp.round(xp.clip(x, scaling.low, scaling.high)), xp.uint8)

    def _answers(
        self, match: Match, slopes: bool, g: Any, g_buffers: Any, d: Any, d_buffers: Any, z: Any, y: Any
    ) -> Any:
        def logits(z: Any) -> Any:
            made, _ = self.rules.seats[match.generator].network.apply(g, g_buffers, z, y, train=False, key=None)
            seen = {**y, LATENT: z} if match.encoder else y
            return self._scores(match.discriminator, d, d_buffers, self._ops.to_float(made), seen).logits

        return self._ops.grad(lambda z: self._ops.xp.sum(logits(z)))(z) if slopes else logits(z)

    def _scores(self, role: str, params: Any, buffers: Any, x: Any, given: Any) -> Scores:
        return scores(self.rules, role, Player(params, buffers, {}), x, given, None, train=False)[0]

    def _in_pieces(self, f: Any, n: int, parts: Iterable[Array], given: Given, size: int) -> Array:
        """f over n examples in parts of `size`, so a compiled f is compiled once and an example never depends on how
        many there are.

        The last part is filled up with its examples over again, for a D that compares those it is shown together.
        """
        ops, out, done = self._ops, np.zeros((0,), self.config.dtype), 0
        running: list[tuple[Any, int]] = []
        shared = shares(ops) if n > size else None
        lengths = [min(size, n - start) for start in range(0, n, size)]
        rows = n if shared is None else sum(count for i, count in enumerate(lengths) if shared.own(i))

        def collect(left: int) -> None:
            nonlocal out, done
            while len(running) > left:
                values, count = running.pop(0)
                made = ops.to_numpy(values)[:count]
                if not done:
                    out = np.empty((rows, *made.shape[1:]), made.dtype)
                out[done : done + count] = made
                done += count

        for i, x in enumerate(parts):
            if shared is not None and not shared.own(i):
                continue
            count = len(x)
            own = np.arange(size) % count
            x = x if count == size else x[own]
            with nullcontext() if shared is None else on_lane(shared.lane(i)):
                y = {name: ops.asarray(np.asarray(values)[i * size + own]) for name, values in given.items()}
                running.append((f(ops.asarray(x), y), count))
            collect(PARTS_AHEAD)
        collect(0)
        return out if shared is None else shared.whole(out, lengths)


def units_on_device(spec: DataSpec, ops: Ops) -> dict[str, Units]:
    """Offset and scale of the examples and the conditions of each source."""

    def units(own: DataSpec) -> Units:
        scalings = {EXAMPLES: own.scaling, **own.units}
        return {name: (ops.asarray(s.offset), ops.asarray(s.scale)) for name, s in scalings.items()}

    return {"": units(spec), **{source: units(own) for source, own in spec.sources.items()}}


def in_parts(x: Array, size: int) -> Iterable[Array]:
    """x, (n, ...), as arrays of `size` rows and one of what is left."""
    return (x[start : start + size] for start in range(0, len(x), size))


def at_once(shape: tuple[int, ...]) -> int:
    """How many examples of that shape make a part: 20, 50, ... 1,000, which divide the numbers that people ask for."""
    return max((size for size in SIZES if size * np.prod(shape) <= NUMBERS_AT_ONCE), default=SIZES[0])
