"""The keys of one step, by purpose. Which number stands for which purpose is part of what a seed means."""

from __future__ import annotations

from typing import Any

GENERATE, JUDGE, SCORE = 0, 1, 2
"""In a phase: G's pass, D's on the minibatch, and every further one of D's that a term asks for."""
TERM = 3
"""The first term's; the i-th has `TERM + i`."""
AUGMENTATION = 100
"""Under the key of a pass of D: the first augmentation's."""
ENCODE = 800
"""In a phase: the encoder's pass over real examples."""
APPLY = 900
"""Further passes of any player that a term asks for, by its place among the players."""
PART = 1000
"""The first part of an accumulated minibatch."""
MATCH = 2000
"""The second pair of G and D; the first has the phase's own key."""


def of_encoder(ops: Any, key: Any) -> Any:
    """The key of an encoder's pass, from that of its match."""
    return ops.fold_in(key, ENCODE)


def of_match(ops: Any, key: Any, i: int) -> Any:
    """The key of the i-th pair of G and D in a phase."""
    return ops.fold_in(key, MATCH + i) if i else key
