"""Trees of arrays (dicts, tuples, named tuples; None is empty), for backends that bring no trees of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Tree = Any
INNER = (dict, tuple, list, type(None))


def tree_map(f: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """f over the leaves, with trees of the same structure in step."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        if not others:  # the one that training takes many times a step
            return {key: tree_map(f, x) if isinstance(x, INNER) else f(x) for key, x in tree.items()}
        return {key: tree_map(f, value, *(other[key] for other in others)) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        items = [tree_map(f, *parts) for parts in zip(tree, *others, strict=True)]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return f(tree, *others)


def leaves(tree: Tree) -> Iterator[Any]:
    """The leaves, in the order in which `tree_map` meets them."""
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, tuple | list):
        if tree is not None:
            yield tree
        return
    for part in tree:
        yield from leaves(part)
