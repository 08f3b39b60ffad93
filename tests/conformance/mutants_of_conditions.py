"""Makers of conditions with one fault each, written as a stranger would write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
from planted_parts import Broken, heavy

from gankit import ConfigError
from gankit.interfaces import Port
from gankit.parts.conditions import Made, Previous, previous


def picture(spec):
    """(height, width, channels) of pictures; refuses all else, and films."""
    shape = spec.image_shape("broken")
    spec.require(spec.bounded and shape[2] != 4, "broken", "pictures")
    return shape


def rows(spec):
    """The means of both halves of any example, as a vector."""
    return Made({"halves": Port("vector", (2,))}, lambda ops, x, noise: {"halves": halves(ops, x)})


def halves(ops, x):
    flat = ops.xp.reshape(x, (x.shape[0], -1))
    middle = flat.shape[1] // 2
    means = [ops.xp.mean(part, axis=1) for part in (flat[:, :middle], flat[:, middle:])]
    return ops.xp.stack(means, axis=1)


def bright(spec):
    """As it should be: a class, whether the first half of an example is the brighter one."""

    def compute(ops, x, noise):
        two = halves(ops, x)
        return {"bright": ops.xp.astype(two[:, 0] > two[:, 1], ops.xp.int32)}

    return Made({"bright": Port("class", num_classes=2)}, compute)


def grainy(spec, *, size: float = 0.1):
    """As it should be: the example under noise, kept to its range."""
    shape = picture(spec)

    def compute(ops, x, noise):
        grain = ops.xp.reshape(noise, x.shape)
        return {"image": ops.xp.clip(x + size * (grain - 0.5), 0.0, 1.0)}

    return Made({"image": Port("image", shape)}, compute, noise=int(np.prod(shape)))


def makes(compute, ports=None, noise=0, takes=lambda spec: None):
    """A target that makes, by (ops, x, noise), what its ports say: by default a vector of two numbers."""

    def target(spec):
        takes(spec)
        told = {"halves": Port("vector", (2,))} if ports is None else ports(spec) if callable(ports) else ports
        return Made(told, compute, noise)

    return target


def vector(function, **more):
    """A target that makes a vector of two numbers."""
    return makes(lambda ops, x, noise: {"halves": function(ops, x, noise)}, **more)


def image(function, **more):
    """A target that makes a picture of the examples' size."""
    ports = lambda spec: {"image": Port("image", picture(spec))}  # noqa: E731
    return makes(lambda ops, x, noise: {"image": function(ops, x, noise)}, ports, takes=picture, **more)


def mask(function, noise=2):
    """A target that makes a mask of a picture."""
    ports = lambda spec: {"mask": Port("mask", (*picture(spec)[:2], 1))}  # noqa: E731
    return makes(lambda ops, x, noise: {"mask": function(ops, x, noise)}, ports, noise, takes=picture)


@dataclass(frozen=True)
class Portless:
    """A function in the shape of a class."""

    def __call__(self, ops, x, noise):
        return {"halves": halves(ops, x)}


def refuses(spec):
    raise ConfigError(f"Not for examples of shape {spec.shape}.")


def half(ops, x):
    """1 on the left half of the first channel."""
    width = x.shape[2]
    left = ops.asarray((np.arange(width) < width // 2).astype(np.float64))
    return ops.xp.ones_like(x[..., :1]) * ops.xp.reshape(left, (1, 1, width, 1))


def counted(spec, seen=count()):  # noqa: B008
    return Made({"halves": Port("vector", (2,))}, lambda ops, x, noise: {"halves": halves(ops, x) + 1e-3 * next(seen)})


def of_numpy(ops, x, noise):
    return halves(ops, x) + ops.asarray(0.1 * np.random.normal(size=(x.shape[0], 2)))


def places_of_its_own(spec):
    """The hole is drawn when the maker is made."""
    shape = picture(spec)
    hole = np.random.default_rng().random((1, *shape[:2], 1)) < 0.5

    def compute(ops, x, noise):
        return {"mask": ops.to_float(ops.asarray(hole)) * ops.xp.ones_like(x[..., :1])}

    return Made({"mask": Port("mask", (*shape[:2], 1))}, compute, noise=1)


def with_neighbour(ops, x, noise):
    return halves(ops, ops.xp.concat([x[1:], x[:1]], axis=0))


def centred(ops, x, noise):
    h = halves(ops, x)
    return h - ops.xp.mean(h, axis=0, keepdims=True)


def in_place(ops, x, noise):
    x *= 0.5
    return halves(ops, x)


def noise_in_place(ops, x, noise):
    noise -= 0.5
    return halves(ops, x) + noise


def logarithm_of_noise(ops, x, noise):
    return halves(ops, x) - ops.xp.log(noise)


def over_its_deviation(ops, x, noise):
    flat = ops.xp.reshape(x, (x.shape[0], -1))
    return halves(ops, x) / ops.xp.std(flat, axis=1, keepdims=True)


def one_too_far(ops, x, noise):
    """Which of four quarters: the fifth, once in a while, where rounding helps."""
    return ops.xp.astype(ops.xp.round(4.0 * noise[:, 0]), ops.xp.int32)


def with_methods(ops, x, noise):
    return halves(ops, x).clip(-2.0, 2.0)


def on_host(ops, x, noise):
    return halves(ops, x) * (1.0 + 1e-7 * hasattr(ops, "to_numpy"))


def deaf(spec, *, factor: float = 1.0):
    return rows(spec)


def deaf_to_switch(spec, *, absolute: bool = False):
    return Made({"halves": Port("vector", (2,))}, lambda ops, x, noise: {"halves": ops.xp.abs(halves(ops, x))})


def splits(split):
    """A target that cuts films in two by (maker, dataset)."""

    @dataclass(frozen=True)
    class Cut(Previous):
        def split(self, dataset):
            return split(super(), dataset)

    def target(spec):
        maker = previous(spec)
        return Cut(maker.ports, maker.name, maker.frames)

    target.splits = True
    return target


def in_another_order(maker, dataset):
    cut = maker.split(dataset)
    return replace(cut, given={name: c[::-1] for name, c in cut.given.items()})


def without_labels(maker, dataset):
    return replace(maker.split(dataset), labels=None, num_classes=None)


def one_frame_too_many(maker, dataset):
    cut = maker.split(dataset)
    return replace(cut, given={name: dataset.x[..., :3] for name in cut.given})


def scaled_data(maker, dataset):
    dataset.x[:] = dataset.x * 0.5
    return maker.split(dataset)


def infinite(ops, x, noise):
    """Larger with every pixel: too much for a network."""
    return halves(ops, x) * 1e38 * 10.0


@dataclass(frozen=True)
class Renamed:
    """A maker that tells other ports once it is at work."""

    ports: Mapping[str, Port]
    noise: int = 0

    def __call__(self, ops: Any, x: Any, noise: Any) -> Any:
        return {"other": halves(ops, x)}


def renamed(spec):
    return Renamed({"halves": Port("vector", (2,))})


HEAVY = """
from gankit.parts.conditions import edges


def Part(spec):
    return edges(spec)
"""

HONEST = {"halves": rows, "bright": bright, "grainy": grainy}
CONDITIONS = tuple(
    Broken("conditions", *fault)
    for fault in (
        ("has no ports", "check_conditions_contract", lambda spec: Portless()),
        ("calls it label", "check_conditions_contract", makes(None, {"label": Port("class", num_classes=2)})),
        ("a class without a number", "check_conditions_contract", makes(None, {"bright": Port("class")})),
        ("a kind that there is not", "check_conditions_contract", makes(None, {"a": Port("picture", (8, 8, 1))})),
        ("for no data at all", "check_conditions_contract", refuses),
        (
            "one number fewer than declared",
            "check_conditions_are_what_is_declared",
            vector(lambda ops, x, noise: halves(ops, x)[:, :1]),
        ),
        ("under another name", "check_conditions_are_what_is_declared", renamed),
        (
            "a mask of numbers between",
            "check_conditions_are_what_is_declared",
            mask(lambda ops, x, noise: 0.5 * half(ops, x)),
        ),
        (
            "a picture in levels of bytes",
            "check_conditions_are_what_is_declared",
            image(lambda ops, x, noise: 255.0 * x),
        ),
        ("draws by NumPy", "check_conditions_draw_from_their_noise_alone", vector(of_numpy)),
        ("counts its calls", "check_conditions_draw_from_their_noise_alone", counted),
        ("a hole of its own", "check_conditions_draw_from_their_noise_alone", places_of_its_own),
        (
            "noise that is not used",
            "check_conditions_draw_from_their_noise_alone",
            vector(lambda ops, x, noise: halves(ops, x), noise=3),
        ),
        ("of its neighbour", "check_conditions_are_of_their_own_example", vector(with_neighbour)),
        ("centred over the batch", "check_conditions_are_of_their_own_example", vector(centred)),
        ("one for all", "check_conditions_are_of_their_own_example", vector(lambda o, x, n: 0.0 * halves(o, x))),
        ("changes the example", "check_conditions_leave_the_example", vector(in_place)),
        ("changes its noise", "check_conditions_leave_the_example", vector(noise_in_place, noise=2)),
        ("the logarithm of noise", "check_conditions_at_the_ends", vector(logarithm_of_noise, noise=2)),
        ("over its deviation", "check_conditions_at_the_ends", vector(over_its_deviation)),
        (
            "a class too many",
            "check_conditions_at_the_ends",
            makes(
                lambda ops, x, noise: {"quarter": one_too_far(ops, x, noise)},
                {"quarter": Port("class", num_classes=4)},
                noise=1,
            ),
        ),
        ("methods of arrays", "check_conditions_without_a_framework", vector(with_methods)),
        ("other numbers on a backend", "check_conditions_without_a_framework", vector(on_host)),
        ("deaf to its factor", "check_conditions_settings_act", deaf),
        ("deaf to its switch", "check_conditions_settings_act", deaf_to_switch),
        ("conditions in another order", "check_conditions_split_the_data", splits(in_another_order)),
        ("loses labels", "check_conditions_split_the_data", splits(without_labels)),
        ("one frame too many", "check_conditions_split_the_data", splits(one_frame_too_many)),
        ("changes the data", "check_conditions_split_the_data", splits(scaled_data)),
        ("infinite in a game", "check_conditions_play", vector(infinite)),
        (
            "wants noise that nobody draws",
            "check_conditions_play",
            vector(lambda ops, x, noise: halves(ops, x) + noise[:, 2:], noise=2),
        ),
        ("imports a framework", "check_conditions_import_no_framework", heavy(HEAVY, '("torch", "jax")')),
        ("imports another", "check_conditions_import_no_framework", heavy(HEAVY, '("jax", "torch")')),
    )
)
