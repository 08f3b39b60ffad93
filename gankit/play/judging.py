"""What D says of a minibatch: real and fake, in as few passes as are exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from gankit import switches
from gankit.errors import ShapeError
from gankit.interfaces import LABEL, Array, Draw, Given, Key, Ops, Player, Scores, Tensors
from gankit.play import keys
from gankit.play.game import D, Game


class Slope(NamedTuple):
    """The gradient of D's logits in their examples, shaped like these, and the conditions that D was given."""

    x: Array
    given: Given
    gradient: Array


class Judged(NamedTuple):
    """D's scores of a minibatch, its buffers after that, and the slopes that were asked for."""

    real: Scores
    fake: Scores
    buffers: Tensors
    slopes: tuple[Slope, ...]


@dataclass(frozen=True)
class Critic:
    """D as terms are given it: (examples, conditions of the reals by default) to Scores.

    The conditions may be the labels alone; the rest is then the reals' own.
    slopes: those that are known already; `gankit.penalties.input_gradient` finds them.
    """

    judge: Callable[[Array, Given], Scores]
    given: Given
    slopes: tuple[Slope, ...] = field(default=())

    def __call__(self, x: Array, given: Any = None) -> Scores:
        return self.judge(x, self.given if given is None else as_given(given, self.given))


def as_given(given: Any, rest: Given) -> Given:
    """Conditions from what may be the labels alone."""
    return given if isinstance(given, Mapping) else {**rest, LABEL: given}


def judge(
    game: Game,
    role: str,
    players: Mapping[str, Player],
    draw: Draw,
    fake: Array,
    key: Key,
    *,
    together: bool = True,
    slopes_at: Set[str] = frozenset(),
) -> Judged:
    """D, the player of that role, on real and on fake.

    One pass over both together where examples don't influence each other; else real first, then fake, each with the
    statistics of its own batch (Radford et al. 2015). Real examples under conditions that are not theirs, where the
    loss asks for them, come last; their logits are the real scores' `mismatched`.

    together: whether one pass is the cheaper way; not where only one of the two has a gradient to be taken.
    slopes_at: "real", "fake": where the gradient of D's logits in its examples is wanted as well. It comes from the
        same pass, except where that would make it another pass for the buffers of D: of running statistics, or of
        spectral norm, which moves at each.
    """
    ops, d = game.ops, players[role]
    groups = {"real": (draw.real, draw.given), "fake": (fake, draw.fake_given)}
    if "mismatched" in draw.others:
        groups["mismatched"] = (draw.real, draw.others["mismatched"].given)
    mixes = game.seats[role].network.mixes_samples
    if d.buffers and (mixes or len(slopes_at) < len(groups)):
        slopes_at = frozenset()
    apart = mixes or not together or 0 < len(slopes_at) < len(groups)
    judged: dict[str, Scores] = {}
    slopes: list[Slope] = []
    m = fake.shape[0]
    for i, names in enumerate([[name] for name in groups] if apart else [list(groups)]):
        members = [groups[name] for name in names]
        x, given = members[0] if apart else joined(ops, members)
        once, sloping = ops.fold_in(key, i) if apart else key, not slopes_at.isdisjoint(names)
        out, buffers, gradient = _one_pass(game, role, d, x, given, once, sloping)
        d = d._replace(buffers=buffers)
        for j, (name, (own_x, own_given)) in enumerate(zip(names, members, strict=True)):
            part = slice(j * m, (j + 1) * m)
            judged[name] = out if apart else rows(out, part)
            if gradient is not None:
                slopes.append(Slope(own_x, own_given, gradient if apart else gradient[part]))
    real = judged["real"]
    if "mismatched" in judged:
        real = replace(real, mismatched=judged["mismatched"].logits)
    return Judged(real, judged["fake"], d.buffers, tuple(slopes))


def slopes_wanted(game: Game) -> set[str]:
    """Where D's terms need its slopes at every step; those that act now and then take a pass of their own."""
    if not switches.on("slopes"):
        return set()
    terms = [term for term in game.terms if term.player == D and term.every == 1]
    return {place for term in terms for place in getattr(term, "slopes_at", ())}


def scores(
    game: Game, role: str, d: Player, x: Array, given: Given, key: Key | None, *, train: bool = True
) -> tuple[Scores, Tensors]:
    """What D, the player of that role, says of x, with its new buffers; raises ShapeError unless logits are (m,).

    In training D sees x through the game's augmentations, whoever plays, real and fake alike.
    """
    ops, seen = game.ops, given
    if train and key is not None:
        for i, augmentation in enumerate(game.augmentations):
            x, seen = augmentation(ops, x, seen, ops.fold_in(key, keys.AUGMENTATION + i))
    seat = game.seats[role]
    train, key = train and not seat.frozen, None if seat.frozen else key
    out, buffers = seat.network.apply(d.params, d.buffers, x, seen, train=train, key=key)
    # Losses are in the game's own dtype, whatever a module of the user's computes in.
    parts = ops.tree_map(ops.to_float, dict(out) if isinstance(out, Mapping) else {"logits": out})
    # (m, 1) - (m,) broadcasts to (m, m) without a word, so the shape is settled here.
    if tuple(parts["logits"].shape) != (x.shape[0],):
        raise ShapeError(
            f"The {role} returned logits of shape {tuple(parts['logits'].shape)} for {x.shape[0]} examples; "
            f"it must return one raw score an example, shape ({x.shape[0]},). Flatten (N, 1) to (N,)."
        )
    return Scores(given=given, **parts), buffers


def rows(both: Scores, part: slice) -> Scores:
    """Some of the examples of a Scores."""
    given = {name: condition[part] for name, condition in both.given.items()}
    classes = None if both.class_logits is None else both.class_logits[part]
    return Scores(both.logits[part], None, classes, tuple(f[part] for f in both.features), given=given)


def joined(ops: Ops, members: Sequence[tuple[Array, Given]]) -> tuple[Array, Given]:
    """Several minibatches as one, with the conditions that all of them have."""
    xs, givens = zip(*members, strict=True)
    common = [name for name in givens[0] if all(name in given for given in givens)]
    return ops.xp.concat(list(xs)), {name: ops.xp.concat([given[name] for given in givens]) for name in common}


def _one_pass(
    game: Game, role: str, d: Player, x: Array, given: Given, key: Key, sloping: bool
) -> tuple[Scores, Tensors, Array | None]:
    """(D's scores of x, its buffers after that, and, if `sloping`, the gradient of its logits in x)."""

    def scored(x: Array) -> tuple[Array, tuple[dict[str, Any], Tensors]]:
        out, after = scores(game, role, d, x, given, key)
        return game.ops.xp.sum(out.logits), (vars(out), after)  # backends see through dicts, not through Scores

    if not sloping:
        return *scores(game, role, d, x, given, key), None
    (_, (parts, after)), gradient = game.ops.value_and_grad(scored)(x)
    return Scores(**parts), after, gradient
