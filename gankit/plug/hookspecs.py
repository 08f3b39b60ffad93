"""The plugin hooks: one for each kind of part. Each yields `Entry` records.

A distribution that ships parts lists a module or object in the entry-point group `gankit`:

    [project.entry-points.gankit]
    my-losses = "my_package.plugin"

and that module lists its parts, without importing anything heavy:

    from gankit import Entry, hookimpl

    @hookimpl
    def gankit_losses():
        yield Entry(name="hinge", target="my_package.losses:Hinge", api=2, summary="max-margin scores")
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy

PLUGIN_API = 2
"""Raised when a part would be called in another way. 2: penalties are handed a `Moment`, augmentations the conditions,
networks of a backend all conditions instead of labels."""
OLDEST_API = {"backends": 2}
"""The oldest that still works, by kind; 1 for all others, through `gankit.parts.first_api`, until gankit 1.0."""

GROUP = "gankit"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One part that a plugin provides.

    name: what a user types, `[a-z0-9-]+`.
    target: `"package.module:attribute"`, imported when the part is first used and not before.
    api: the `PLUGIN_API` the author wrote against.
    summary: one line for `gankit plugins`.
    """

    name: str
    target: str
    api: int
    summary: str = ""


class Specs:
    """The hooks. All are alike: no arguments, an iterable of `Entry`."""

    @hookspec
    def gankit_backends(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are classes: `Backend(device=..., dtype=...)`."""

    @hookspec
    def gankit_generators(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are functions: `f(spec: GameSpec, **settings)` to a tuple of layer records, or to a `Native`."""

    @hookspec
    def gankit_discriminators(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are functions: `f(spec: GameSpec, **settings)` to a tuple of layer records, or to a `Native`."""

    @hookspec
    def gankit_encoders(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are functions: `f(spec: GameSpec, **settings)` to a tuple of layer records, or to a `Native`."""

    @hookspec
    def gankit_losses(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return a `Loss`: `Hinge(**settings)`."""

    @hookspec
    def gankit_penalties(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return a `Term`: `R1(weight=..., every=...)`."""

    @hookspec
    def gankit_conditions(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are functions: `f(spec: GameSpec, **settings)` to a `ConditionMaker`."""

    @hookspec
    def gankit_priors(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return a `Prior`: `Truncated(latent_dim, limit=...)`."""

    @hookspec
    def gankit_constraints(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return a `Constraint`: `WeightClipping(limit=...)`."""

    @hookspec
    def gankit_augmentations(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return an `Augmentation`: `Translation(share=...)`."""

    @hookspec
    def gankit_optimizers(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return an `OptimizerSpec`: `Adam(lr=...)`."""

    @hookspec
    def gankit_trainers(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are classes that implement `Trainer`."""

    @hookspec
    def gankit_recipes(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are mappings of settings, the keys those of `gankit.build`."""

    @hookspec
    def gankit_data(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are functions: `f(split="train") -> Dataset`."""

    @hookspec
    def gankit_metrics(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return a `gankit.metrics.Metric`: `Frechet(n=...)`."""

    @hookspec
    def gankit_extractors(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return a `gankit.metrics.Extractor`, without arguments."""

    @hookspec
    def gankit_figures(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are `gankit.figures.Figure` records: `Figure(draw, unfit=...)`."""

    @hookspec
    def gankit_loggers(self) -> Iterable[Entry]:  # type: ignore[empty-body]
        """Targets are callables that return a `Logger`: `TensorBoard()`."""


KINDS: tuple[str, ...] = tuple(name.removeprefix("gankit_") for name in vars(Specs) if name.startswith("gankit_"))
"""`("backends", "generators", "discriminators", "losses", …)`: the plural is the kind's name everywhere."""
