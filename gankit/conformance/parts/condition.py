"""What any maker of conditions is judged by, a stranger's included: what it makes of examples, and a game on it.

python -m gankit.conformance --conditions downsample
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.building import assemble, prepared
from gankit.conformance.compare import agree, agree_by_name, bit_equal, require, same_names
from gankit.conformance.games import Recorder, small
from gankit.conformance.parts.common import exact, imports_no_framework, wish
from gankit.conformance.parts.scores import strict
from gankit.conformance.parts.settings_act import adjustable, others
from gankit.conformance.subject import Candidate, NotApplicable
from gankit.conformance.tiny import TinyOps
from gankit.data.dataset import Dataset
from gankit.errors import ConfigError, GankitError
from gankit.interfaces import Port
from gankit.interfaces.values import Choice
from gankit.networks.spec import GameSpec
from gankit.plug import registry

Arrays = dict[str, Array]
N = 6
FEW = 3
KINDS = ("class", "vector", "image", "mask", "part", "column", "chance")
AXES = {"class": (0,), "vector": (1,), "image": (3,), "mask": (1, 3), "part": (1,), "column": (1,), "chance": (1,)}
"""How many axes one example's condition has, by kind."""
TABLE = (Choice(0, 3, (0.5, 0.3, 0.2)), Choice(3, 5, (0.6, 0.4)))


class Shown(NamedTuple):
    """Examples, as a maker sees them, and the game that it is made for."""

    spec: GameSpec
    x: Array


def games() -> Iterator[Shown]:
    """Pictures in colour, in grey and as films, series, rows, a table, two domains."""
    rng = np.random.default_rng(3)
    for shape in ((8, 8, 3), (16,), (8, 12, 1), (6,), (8, 8, 4), (16, 1)):
        pictures = len(shape) == 3
        x = rng.random((N, *shape)) if pictures else rng.normal(size=(N, *shape))
        yield Shown(GameSpec(shape, 4, bounded=pictures), x)
    rows = np.concatenate([np.eye(3)[rng.integers(0, 3, N)], np.eye(2)[rng.integers(0, 2, N)]], axis=1)
    yield Shown(GameSpec((5,), 4, bounded=False, choices=TABLE), rows)
    yield Shown(GameSpec((8, 8, 3), 4, sources={"b": Port("image", (8, 8, 3))}), rng.random((N, 8, 8, 3)))


def shown(candidate: Candidate) -> list[Shown]:
    """The first few games that the maker takes; raises AssertionError where it takes none."""
    found: list[Shown] = []
    reasons = []
    for game in games():
        if len(found) == FEW:
            break
        try:
            candidate.made(game.spec)
        except ConfigError as reason:
            reasons.append(f"{game.spec.shape}: {reason}")
        else:
            found.append(game)
    require(bool(found), f"{candidate} takes none of the examples here. {' '.join(reasons)}")
    return found


def in_the_step(candidate: Candidate) -> list[Shown]:
    """The games in which it is called; raises NotApplicable for a maker that acts before the step."""
    if getattr(registry.load(candidate.kind, candidate.name), "splits", False):
        raise NotApplicable("It cuts the examples of the data in two, and is not called in the step.")
    found = [game for game in shown(candidate) if getattr(candidate.made(game.spec), "source", None) is None]
    if not found:
        raise NotApplicable("It hands on the examples of a further source, and is not called.")
    return found


def uniform(maker: Any, seed: int = 0, n: int = N) -> Array | None:
    """(n, noise) numbers in [0, 1), as the game's streams bring them; None where the maker wants none."""
    return np.random.default_rng(seed).random((n, maker.noise)) if maker.noise else None


def conditions(maker: Any, ops: Any, x: Array, noise: Array | None) -> Arrays:
    """What it makes, as NumPy."""
    out = maker(ops, ops.asarray(x), None if noise is None else ops.asarray(noise))
    read = getattr(ops, "to_numpy", np.asarray)
    return {name: read(c) for name, c in out.items()}


def check_conditions_contract(candidate: Candidate) -> None:
    """Networks are built before there are arrays: they would be of another shape than what reaches them."""
    for spec, _ in shown(candidate):
        maker = candidate.made(spec)
        what = f"{candidate}, examples {spec.shape}"
        ports, noise = getattr(maker, "ports", None), getattr(maker, "noise", None)
        require(isinstance(ports, Mapping) and bool(ports), f"{what}: ports is {ports!r}; it names what is made.")
        assert isinstance(ports, Mapping)
        whole = type(noise) is int and noise >= 0
        require(whole, f"{what}: noise is {noise!r}; it must be a whole number, 0 for none.")
        for name, port in ports.items():
            good = isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_-]*", name) and name != "label"
            require(bool(good), f"{what}: a condition cannot be called {name!r}.")
            a_port = isinstance(port, Port)
            require(a_port, f"{what}: {name!r} is {type(port).__name__}; it must be gankit.interfaces.Port.")
            require(port.kind in KINDS, f"{what}: {name!r} is of kind {port.kind!r}; possible: {', '.join(KINDS)}.")
            require(len(port.shape) in AXES[port.kind], f"{what}: {name!r} is a {port.kind} of shape {port.shape}.")
            told = port.kind != "class" or (type(port.num_classes) is int and port.num_classes > 0)
            require(told, f"{what}: {name!r} is a class, and its port does not say num_classes.")


def check_conditions_are_what_is_declared(candidate: Candidate) -> None:
    """Networks would fail on the arrays, in words that do not name the maker, or read masks that are none."""
    ops = candidate.on.open("float32").ops
    for spec, x in in_the_step(candidate):
        maker = candidate.made(spec)
        for n in (2, N):
            given = None if not maker.noise else ops.asarray(uniform(maker, n=n))
            out = maker(ops, ops.asarray(x[:n]), given)
            what = f"{candidate}, {n} examples {spec.shape}"
            require(isinstance(out, Mapping), f"{what}: it returns {type(out).__name__}, not conditions by name.")
            same_names(out, maker.ports, f"{what}, the conditions it makes beside those that its ports name")
            for name, port in maker.ports.items():
                c = ops.to_numpy(out[name])
                of = f"{what}: {name!r}"
                require(c.shape == (n, *port.shape), f"{of} has shape {c.shape}; its port says {(n, *port.shape)}.")
                kind = "iu" if port.kind == "class" else "f"
                require(c.dtype.kind in kind, f"{of} is {c.dtype}, and its port says {port.kind!r}.")
                require(bool(np.isfinite(c).all()), f"{of} is not finite.")
                _require_range(of, port, c, spec.bounded and len(spec.shape) == 3)


def _require_range(what: str, port: Port, c: Array, pictures: bool) -> None:
    """A mask is 0 or 1, a class is one of those that there are, a picture of a known range stays in it."""
    if port.kind in ("mask", "column"):
        require(bool(np.isin(c, (0.0, 1.0)).all()), f"{what} is a {port.kind}: its numbers must be 0 or 1.")
    if port.kind == "class":
        most = port.num_classes or 0
        require(bool(((c >= 0) & (c < most)).all()), f"{what} runs from {c.min()} to {c.max()}; classes: {most}.")
    if port.kind == "image" and pictures:
        within = c.min() >= -1e-6 and c.max() <= 1 + 1e-6
        require(bool(within), f"{what}, of pictures in [0, 1], runs from {c.min():.3g} to {c.max():.3g}.")


def check_conditions_draw_from_their_noise_alone(candidate: Candidate) -> None:
    """The same seed would be another run, and a resumed run not the uninterrupted one."""
    ops = candidate.on.open("float32").ops
    kept = np.random.get_state()
    try:
        for spec, x in in_the_step(candidate):
            maker = candidate.made(spec)
            outs = []
            for seed in (1, 2):
                np.random.seed(seed)
                outs.append(conditions(maker, ops, x, uniform(maker)))
            cause = "something drawn from elsewhere than `noise`, or kept from call to call."
            bit_equal(outs[1], outs[0], f"{candidate}, examples {spec.shape}: twice", cause=cause)
            again = conditions(candidate.made(spec), ops, x, uniform(maker))
            bit_equal(again, outs[0], f"{candidate}, examples {spec.shape}: made once more", cause=cause)
            if maker.noise:
                other = conditions(maker, ops, x, uniform(maker, seed=9))
                used = any((other[name] != c).any() for name, c in outs[0].items())
                require(used, f"{candidate} asks for {maker.noise} numbers of noise, and makes nothing of them.")
    finally:
        np.random.set_state(kept)


def check_conditions_are_of_their_own_example(candidate: Candidate) -> None:
    """An example would stand beside a condition of others, which says nothing of it, or all would have one."""
    ops = exact(candidate).ops
    for spec, x in in_the_step(candidate):
        maker, order = candidate.made(spec), np.array([3, 0, 5, 1, 4, 2])
        noise = uniform(maker)
        whole = conditions(maker, ops, x, noise)
        mixed = conditions(maker, ops, x[order], None if noise is None else noise[order])
        first = conditions(maker, ops, x[:2], None if noise is None else noise[:2])
        for name, c in whole.items():
            what = f"{candidate}, examples {spec.shape}: {name!r}"
            agree(mixed[name], c[order], f"{what}, examples in another order", rtol=1e-6, atol=1e-6)
            agree(first[name], c[:2], f"{what}, two examples beside six", rtol=1e-6, atol=1e-6)
        differ = any(len(np.unique(c.reshape(N, -1), axis=0)) > 1 for c in whole.values())
        require(differ, f"{candidate}, examples {spec.shape}: all of them have one condition.")


def check_conditions_leave_the_example(candidate: Candidate) -> None:
    """The game would be played on examples that the maker has changed."""
    ops = candidate.on.open("float32").ops
    for spec, x in in_the_step(candidate):
        maker, own = candidate.made(spec), ops.asarray(x)
        noise = None if not maker.noise else ops.asarray(uniform(maker))
        handed = {"x": own} if noise is None else {"x": own, "noise": noise}
        before = {name: ops.to_numpy(array).copy() for name, array in handed.items()}
        maker(ops, own, noise)
        after = {name: ops.to_numpy(array) for name, array in handed.items()}
        cause = "an assignment in place: make a new array."
        bit_equal(after, before, f"{candidate}, examples {spec.shape}: what it was handed", cause=cause)


def check_conditions_at_the_ends(candidate: Candidate) -> None:
    """One run in many would end in NaN: noise is 0 now and then, and examples are black, or all alike."""
    ops = candidate.on.open("float32").ops
    for spec, x in in_the_step(candidate):
        maker = candidate.made(spec)
        flat = [("examples of 0", 0.0 * x), ("examples of 1", 0.0 * x + 1.0), ("usual examples", x)]
        for what, those in flat if not spec.choices else flat[2:]:
            for end in (0.0, 1.0 - 2.0**-24):
                noise = np.full((N, maker.noise), end) if maker.noise else None
                for name, c in conditions(maker, ops, those, noise).items():
                    of = f"{candidate}, {what}, noise of {end:.8g}: {name!r}"
                    require(bool(np.isfinite(c).all()), f"{of} is not finite.")
                    _require_range(of, maker.ports[name], c, spec.bounded and len(spec.shape) == 3)


def check_conditions_without_a_framework(candidate: Candidate) -> None:
    """The same game would be another one on the next backend, or fail there: it leaves the array standard."""
    backend, xp = exact(candidate), strict()
    tolerance = 1e-10 if backend.dtype == "float64" else 1e-4
    for spec, x in in_the_step(candidate):
        maker = candidate.made(spec)
        try:
            want = conditions(maker, TinyOps(xp), x, uniform(maker))
        except (AttributeError, TypeError, IndexError, ValueError) as error:
            raise AssertionError(
                f"{candidate}, array-api-strict: {type(error).__name__}: {error}. Likely cause: a function of one "
                "framework or of NumPy; use those of the array-API standard (ops.xp) and of gankit.interfaces.Ops."
            ) from error
        got = conditions(maker, backend.ops, x, uniform(maker))
        agree_by_name(got, want, f"{candidate}, {spec.shape}, against array-api-strict", atol=tolerance)


def check_conditions_settings_act(candidate: Candidate) -> None:
    """A user would set a number in vain: the conditions are the same whatever a setting says."""
    ops, known = exact(candidate).ops, in_the_step(candidate)
    for setting in [each for each in adjustable(candidate) if each.name != "spec"]:
        acts = [different for game in known for different in _acts(candidate, ops, game, setting)]
        same = f"{candidate.name!r} makes the same whatever {setting.name} is. Use the setting, or remove it."
        require(any(acts) or not acts, same)


def _acts(candidate: Candidate, ops: Any, game: Shown, setting: Any) -> Iterator[bool]:
    usual = candidate.made(game.spec)
    for value in others(setting):
        try:
            maker = candidate.made(game.spec, **{setting.name: value})
        except GankitError:  # not among what is possible
            continue
        if dict(maker.ports) != dict(usual.ports) or maker.noise != usual.noise:
            yield True
        elif getattr(maker, "rows", None) is None:  # else it may be about which rows are drawn, which is not seen here
            want = conditions(usual, ops, game.x, uniform(usual))
            got = conditions(maker, ops, game.x, uniform(maker))
            yield any((got[name] != c).any() for name, c in want.items())


def check_conditions_split_the_data(candidate: Candidate) -> None:
    """What is to be made and what is given would not belong together, or the user's own data be changed."""
    if not getattr(registry.load(candidate.kind, candidate.name), "splits", False):
        raise NotApplicable("It makes conditions in the step.")
    for spec, x in shown(candidate):
        maker, labels = candidate.made(spec), np.arange(N) % 2
        data = Dataset(x.astype(np.float32), labels, 2, (0.0, 1.0) if spec.bounded else None, "conformance")
        before = data.x.copy()
        cut = maker.split(data)
        what = f"{candidate}, examples {spec.shape}"
        require(isinstance(cut, Dataset), f"{what}: split returns {type(cut).__name__}; it must return a Dataset.")
        bit_equal({"x": data.x}, {"x": before}, f"{what}: the data that it was given")
        same_names(cut.given, maker.ports, f"{what}: the conditions of the data beside those that its ports name")
        for name, port in maker.ports.items():
            got = cut.given[name].shape
            require(got == (N, *port.shape), f"{what}: {name!r} has shape {got}; its port says {(N, *port.shape)}.")
        kept = cut.labels is not None and (cut.labels == labels).all()
        require(bool(kept) and len(cut.x) == N, f"{what}: examples or labels are lost, or in another order.")
        order = np.array([3, 0, 5, 1, 4, 2])
        mixed = maker.split(replace(data, x=data.x[order], labels=labels[order]))
        for name, c in {"x": cut.x, **cut.given}.items():
            other = mixed.x if name == "x" else mixed.given[name]
            agree(other, c[order], f"{what}: {name!r}, examples in another order", rtol=0.0)


def check_conditions_play(candidate: Candidate) -> None:
    """The conditions would not train a game: a number is NaN within steps, or nobody can take them."""
    spec, x = in_the_step(candidate)[0]
    if spec.choices:
        raise NotApplicable("It takes tables, which the game here has none of.")
    data = Dataset(x.repeat(4, axis=0), value_range=(0.0, 1.0) if spec.bounded else None, name="conformance")
    config, recorder = small(dtype="float32", ema=0.0, given=[wish(candidate)]), Recorder()
    game = prepared(config, data)
    trainer = assemble(game.config, candidate.on.open("float32"), game.spec, game.data, {}, game.sources)
    trainer.fit(steps=3, callbacks=[recorder])
    for step, terms in enumerate(recorder.terms, 1):
        finite = bool(np.isfinite(list(terms.values())).all())
        require(finite, f"{candidate}, a small game: step {step} is not finite: {terms}.")
    samples = trainer.sample(4, seed=1, given=trainer.pairs(4)[1])
    require(samples.shape == (4, *spec.shape), f"{candidate}: four samples have shape {samples.shape}.")
    require(bool(np.isfinite(samples).all()), f"{candidate}: samples are not finite.")


def check_conditions_import_no_framework(candidate: Candidate) -> None:
    """Users of another framework could not install or use the maker, and everybody would wait for the import."""
    imports_no_framework(candidate)


CHECKS: tuple[Callable[[Any], None], ...] = (
    check_conditions_contract,
    check_conditions_are_what_is_declared,
    check_conditions_draw_from_their_noise_alone,
    check_conditions_are_of_their_own_example,
    check_conditions_leave_the_example,
    check_conditions_at_the_ends,
    check_conditions_without_a_framework,
    check_conditions_settings_act,
    check_conditions_split_the_data,
    check_conditions_play,
    check_conditions_import_no_framework,
)
