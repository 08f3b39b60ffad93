"""What D says of a minibatch: real and fake, in as few passes as are exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from gankit import switches
from gankit.errors import ShapeError
from gankit.interfaces import Array, Draw, Key, Ops, Scores, Tensors
from gankit.play.rules import Game


class Slope(NamedTuple):
    """The gradient of D's logits in their examples, shaped like these, and what D was given."""

    x: Array
    labels: Array | None
    gradient: Array


class Judged(NamedTuple):
    """D's scores of a minibatch, its buffers after that, and the slopes that were asked for."""

    real: Scores
    fake: Scores
    buffers: Tensors
    slopes: tuple[Slope, ...]


@dataclass(frozen=True)
class Critic:
    """D as penalties are given it: (examples, labels of the reals by default) to Scores.

    slopes: those that are known already; `gankit.parts.penalties.input_gradient` finds them.
    """

    judge: Callable[[Array, Array | None], Scores]
    labels: Array | None
    slopes: tuple[Slope, ...] = field(default=())

    def __call__(self, x: Array, labels: Array | None = None) -> Scores:
        return self.judge(x, self.labels if labels is None else labels)


def judge(
    game: Game,
    params: Tensors,
    buffers: Tensors,
    draw: Draw,
    fake: Array,
    key: Key,
    *,
    together: bool = True,
    slopes_at: Set[str] = frozenset(),
) -> Judged:
    """D on real and on fake.

    One pass over both together where examples don't influence each other; else real first, then fake, each with the
    statistics of its own batch (Radford et al. 2015). Real examples with wrong labels, where the loss asks for them,
    come last; their logits are the real scores' `mismatched`.

    together: whether one pass is the cheaper way; not where only one of the two has a gradient to be taken.
    slopes_at: "real", "fake": where the gradient of D's logits in its examples is wanted as well. It comes from the
        same pass, except where that would make it another pass for the buffers of D: of running statistics, or of
        spectral norm, which moves at each.
    """
    ops = game.ops
    groups = {"real": (draw.real, draw.labels), "fake": (fake, draw.fake_labels)}
    if draw.wrong_labels is not None:
        groups["mismatched"] = (draw.real, draw.wrong_labels)
    mixes = game.discriminator.mixes_samples
    if buffers and (mixes or len(slopes_at) < len(groups)):
        slopes_at = frozenset()
    apart = mixes or not together or 0 < len(slopes_at) < len(groups)
    judged: dict[str, Scores] = {}
    slopes: list[Slope] = []
    m = fake.shape[0]
    for i, names in enumerate([[name] for name in groups] if apart else [list(groups)]):
        given = [groups[name] for name in names]
        x, labels = given[0] if apart else (_joined(ops, column) for column in zip(*given, strict=True))
        once, sloping = ops.fold_in(key, i) if apart else key, not slopes_at.isdisjoint(names)
        out, buffers, gradient = _one_pass(game, params, buffers, x, labels, once, sloping)
        for j, (name, (own_x, own_labels)) in enumerate(zip(names, given, strict=True)):
            part = slice(j * m, (j + 1) * m)
            judged[name] = out if apart else rows(out, part)
            if gradient is not None:
                slopes.append(Slope(own_x, own_labels, gradient if apart else gradient[part]))
    real = judged["real"]
    if "mismatched" in judged:
        real = replace(real, mismatched=judged["mismatched"].logits)
    return Judged(real, judged["fake"], buffers, tuple(slopes))


def slopes_wanted(game: Game) -> set[str]:
    """Where D's penalties need its slopes at every step; those that act now and then take a pass of their own."""
    if not switches.on("slopes"):
        return set()
    penalties = [p for p in game.penalties if p.player == "discriminator" and p.every == 1]
    return {place for penalty in penalties for place in getattr(penalty, "slopes_at", ())}


def scores(
    game: Game,
    params: Tensors,
    buffers: Tensors,
    x: Array,
    labels: Array | None,
    key: Key | None,
    *,
    train: bool = True,
) -> tuple[Scores, Tensors]:
    """D's output on x as Scores, with D's new buffers; raises ShapeError unless logits are (m,).

    In training D sees x through the game's augmentations, whoever plays, real and fake alike.
    """
    if train and key is not None:
        for i, augmentation in enumerate(game.augmentations):
            x = augmentation(game.ops, x, game.ops.fold_in(key, 100 + i))
    out, buffers = game.discriminator.apply(params, buffers, x, labels, train=train, key=key)
    # Losses are in the game's own dtype, whatever a module of the user's computes in.
    parts = game.ops.tree_map(game.ops.to_float, dict(out) if isinstance(out, Mapping) else {"logits": out})
    # (m, 1) - (m,) broadcasts to (m, m) without a word, so the shape is settled here.
    if tuple(parts["logits"].shape) != (x.shape[0],):
        raise ShapeError(
            f"The discriminator returned logits of shape {tuple(parts['logits'].shape)} for {x.shape[0]} examples; "
            f"it must return one raw score an example, shape ({x.shape[0]},). Flatten (N, 1) to (N,)."
        )
    return Scores(labels=labels, **parts), buffers


def rows(both: Scores, part: slice) -> Scores:
    """Some of the examples of a Scores."""

    def cut(x: Array | None) -> Array | None:
        return None if x is None else x[part]

    features = tuple(f[part] for f in both.features)
    return Scores(cut(both.logits), cut(both.labels), cut(both.class_logits), features)


def _one_pass(
    game: Game, params: Tensors, buffers: Tensors, x: Array, labels: Array | None, key: Key, sloping: bool
) -> tuple[Scores, Tensors, Array | None]:
    """(D's scores of x, its buffers after that, and, if `sloping`, the gradient of its logits in x)."""

    def scored(x: Array) -> tuple[Array, tuple[dict[str, Any], Tensors]]:
        out, after = scores(game, params, buffers, x, labels, key)
        return game.ops.xp.sum(out.logits), (vars(out), after)  # backends see through dicts, not through Scores

    if not sloping:
        return *scores(game, params, buffers, x, labels, key), None
    (_, (parts, after)), gradient = game.ops.value_and_grad(scored)(x)
    return Scores(**parts), after, gradient


def _joined(ops: Ops, arrays: tuple[Array | None, ...]) -> Array | None:
    return None if arrays[0] is None else ops.xp.concat(list(arrays))
