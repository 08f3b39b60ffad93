"""Dropout, the only randomness inside networks: its share, its masks, its keys."""

from __future__ import annotations

from typing import Any

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.compare import agree, require
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.interfaces import Backend
from gankit.layers import Layer, place
from gankit.plug.capabilities import demand, needs

N, FEATURES = 200, 100


def drop(
    backend: Backend,
    *stack: Layer,
    key: tuple[int, int] = (1, 2),
    train: bool = True,
    shape: tuple[int, ...] = (FEATURES,),
) -> Array:
    """Ones (N, *shape) through the layers."""
    demand(backend, needs(stack), "Dropout")
    ops, network = backend.ops, backend.network(place(stack, shape))
    params, buffers = network.init({})
    words: tuple[Any, Any] = (np.uint32(key[0]), np.uint32(key[1]))
    out, _ = network.apply(params, buffers, ops.asarray(np.ones((N, *shape))), {}, train=train, key=ops.key(words))
    return ops.to_numpy(out)


def check_dropout_keeps_the_expectation(subject: Subject) -> None:
    """Activations would be larger or smaller in training than in evaluation, so scores would not match."""
    for dtype in subject.dtypes:
        for keep in (0.5, 0.8):
            out = drop(subject.open(dtype), layers.Dropout(keep))
            kept = out != 0
            share = 5 * np.sqrt(keep * (1 - keep) / out.size)
            agree(
                kept.mean(),
                keep,
                f"Dropout({keep}): share that stays",
                rtol=0,
                atol=share,
                cause="keep taken for the rate.",
            )
            agree(
                out[kept],
                np.full(kept.sum(), 1 / keep),
                f"Dropout({keep}): what stays of 1",
                rtol=1e-6,
                cause="no division by keep.",
            )


def check_dropout_masks_every_example_by_itself(subject: Subject) -> None:
    """All examples of a batch would lose the same units, which is a different and worse regulariser than the
    paper's."""
    kept = drop(subject.open(), layers.Dropout(0.5)) != 0
    require(
        len({row.tobytes() for row in kept}) == N,
        "Two examples have the same mask. Likely cause: one mask for the batch.",
    )
    require(len({column.tobytes() for column in kept.T}) == FEATURES, "Two units are always dropped together.")
    spread = kept.mean(axis=1).std()
    agree(spread, np.sqrt(0.25 / FEATURES), "Dropout(0.5): spread of the share kept an example", rtol=0.25)


def check_dropout_masks_every_pixel_by_itself(subject: Subject) -> None:
    """Images would lose whole channels, or the same pixel in all of them: another regulariser than on vectors."""
    shape = (5, 4, 3)
    kept = drop(subject.open(), layers.Dropout(0.5), shape=shape) != 0
    columns = {column.tobytes() for column in kept.reshape(N, -1).T}
    many = int(np.prod(shape))
    cause = "one number for each channel, or for each pixel."
    require(len(columns) == many, f"Of {many} numbers of an image {many - len(columns)} share a mask. Likely: {cause}")
    spread = kept.reshape(N, -1).mean(axis=1).std()
    agree(spread, np.sqrt(0.25 / many), "Dropout(0.5): spread of the share kept of an image", rtol=0.25, cause=cause)


def check_dropout_is_off_in_evaluation(subject: Subject) -> None:
    """Scores and samples would be random, and differ at every call."""
    out = drop(subject.open(), layers.Dropout(0.5), train=False)
    agree(out, np.ones((N, FEATURES)), "Dropout(0.5) in evaluation", rtol=0)
    out = drop(subject.open(), layers.Dropout(1.0))
    agree(out, np.ones((N, FEATURES)), "Dropout(1) in training", rtol=0)


def check_dropout_repeats_with_its_key(subject: Subject) -> None:
    """A resumed run would drop different units than the uninterrupted one, and no run could be repeated."""
    for dtype in subject.dtypes:
        first, second = (drop(subject.open(dtype), layers.Dropout(0.5)) for _ in range(2))
        require(
            first.tobytes() == second.tobytes(), "Two passes with one key drop different units: the key is ignored."
        )


def check_dropout_varies_with_its_key(subject: Subject) -> None:
    """The same units would be dropped at every step. That makes the network smaller and does not regularise it."""
    backend = subject.open()
    masks = [drop(backend, layers.Dropout(0.5), key=key) != 0 for key in ((1, 2), (1, 3), (2, 2))]
    for other in masks[1:]:
        share = np.asarray((masks[0] == other).mean())
        agree(
            share,
            0.5,
            "share of units on which the masks of two keys agree",
            rtol=0,
            atol=0.03,
            cause="a word of the key is ignored.",
        )


def check_dropout_layers_differ(subject: Subject) -> None:
    """Two dropout layers of one network would drop the same units, so the second would have no effect."""
    out = drop(subject.open(), layers.Dropout(0.5), layers.Dropout(0.5))
    agree(
        np.asarray((out != 0).mean()),
        0.25,
        "share that two layers of Dropout(0.5) keep",
        rtol=0,
        atol=0.02,
        cause="every layer uses the same key.",
    )


CHECKS: tuple[Check, ...] = (
    check_dropout_keeps_the_expectation,
    check_dropout_masks_every_example_by_itself,
    check_dropout_masks_every_pixel_by_itself,
    check_dropout_is_off_in_evaluation,
    check_dropout_repeats_with_its_key,
    check_dropout_varies_with_its_key,
    check_dropout_layers_differ,
)
