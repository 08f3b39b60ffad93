"""Ways to plant one fault: in a thin wrapper of a real backend, or in core itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """A fault, the check that has to catch it, and how it is planted: in the backend, or by a patch of core.

    immune: backends on which it is no fault, each with the reason.
    """

    name: str
    check: str
    backend: Callable[[Any], Any] = lambda backend: backend
    core: Callable[[Any], None] = lambda monkeypatch: None
    immune: Mapping[str, str] = field(default_factory=dict)


IMMUTABLE = {"mlx": "its arrays never change, and share no memory with NumPy's"}
AT_TIES = {"mlx": "the derivative of its maximum is 0 at a tie"}


class Changed:
    """An object of which some attributes are others."""

    def __init__(self, inner, **changes):
        self._inner = inner
        self.__dict__.update(changes)

    def __getattr__(self, name):
        return getattr(self._inner, name)


def ops(**functions):
    """functions: name -> f(the real ops), which returns the replacement."""
    return lambda backend: Changed(
        backend, ops=Changed(backend.ops, **{name: f(backend.ops) for name, f in functions.items()})
    )


def network(**methods):
    """methods: name -> f(the real network, ops, placed), which returns the replacement."""

    def plant(backend):
        def build(placed):
            real = backend.network(placed)
            return Changed(real, **{name: f(real, backend.ops, placed) for name, f in methods.items()})

        return Changed(backend, network=build)

    return plant


def layer(kind, function):
    """A network that is one layer of this kind computes function(ops, layer, params, x, the real output) instead."""

    def apply(real, o, placed):
        def changed(params, buffers, x, labels=None, **options):
            out, buffers = real.apply(params, buffers, x, labels, **options)
            if [type(p.layer) for p in placed] != [kind]:
                return out, buffers
            return function(o, placed[0].layer, {n.rpartition("/")[2]: p for n, p in params.items()}, x, out), buffers

        return changed

    return network(apply=apply)


def only(kind, **methods):
    """A network that is one layer of this kind has other methods: name -> f(the real network, ops, layer)."""

    def own(name, f):
        def changed(real, o, placed):
            alone = [type(place.layer) for place in placed] == [kind]
            return f(real, o, placed[0].layer) if alone else getattr(real, name)

        return changed

    return network(**{name: own(name, f) for name, f in methods.items()})


def kernel(params, x):
    """A layer's kernel as (in, out), whatever the layout of the backend; for kernels that are not square."""
    own = params["kernel"]
    return own if own.shape[0] == x.shape[1] else own.T


def dropout(function):
    """Every network computes function(real network, params, x, options, ops) instead."""

    def apply(real, o, placed):
        return lambda params, buffers, x, labels=None, **options: (
            function(real, params, x, labels, options, o),
            buffers,
        )

    return network(apply=apply)


def optimizer(update=None, init=None, only=None):
    """update: f(real, slots, params, grads, numbers); init: f(real, params, updates). only: the spec's name."""

    def plant(backend):
        def build(spec):
            real, changes = backend.optimizer(spec), {}
            if only not in (None, spec.name):
                return real
            if update:
                changes["update"] = lambda *a: update(real, *a)
            if init:
                changes["init"] = lambda params, updates=0: init(real, params, updates)
            return Changed(real, **changes)

        return Changed(backend, optimizer=build)

    return plant


def run(tamper):
    """The batches of every call of ops.run are tamper(batches); none is staged before, for a fault to be planted in."""
    return ops(
        run=lambda o: (
            lambda step, state, batches, *shared, **options: o.run(step, state, tamper(batches), *shared, **options)
        ),
        stage=lambda o: lambda batches, capacity: batches,
    )


def step(change):
    """Algorithm 1 is change(the real algorithm_1)(game)."""

    def plant(monkeypatch):
        import gankit.play.trainer

        monkeypatch.setattr(gankit.play.trainer, "algorithm_1", change(gankit.play.trainer.algorithm_1))

    return plant


def patch(target, name, change):
    """An attribute of core becomes change(the real one); target: "module:Class" or "module"."""

    def plant(monkeypatch):
        import importlib

        module, _, attribute = target.partition(":")
        owner = importlib.import_module(module)
        owner = getattr(owner, attribute) if attribute else owner
        monkeypatch.setattr(owner, name, change(getattr(owner, name)))

    return plant


def drifting(o, key, counter=count()):  # noqa: B008
    """Another key each time it is asked: what a hidden random state amounts to."""
    return o.fold_in(key, next(counter))
