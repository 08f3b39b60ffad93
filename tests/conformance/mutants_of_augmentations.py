"""Augmentations with one fault each, written as a stranger would write them."""

from __future__ import annotations

from itertools import count

import numpy as np
from planted_parts import Broken, heavy

from gankit import ConfigError
from gankit.parts.augmentations import cutout, translation


def column(x):
    """The shape of one number for each example."""
    return (x.shape[0], *(1 for _ in x.shape[1:]))


def brightness(spec, span, *, strength: float = 0.25):
    """As it should be: moved by up to a quarter of the span."""

    def change(ops, x, given, key):
        return x + strength * span * (2.0 * ops.uniform(key, column(x)) - 1.0), given

    return change


def noise(spec, span, *, size: float = 0.05):
    """As it should be: noise on every number."""
    return does(lambda ops, x, key: x + size * span * ops.normal(key, tuple(x.shape)))(spec, span)


def does(change_of_x):
    """A target whose augmentation changes examples alone, by (ops, x, key)."""
    return lambda spec, span: lambda ops, x, given, key: (change_of_x(ops, x, key), given)


def flip(spec, span, *, share: float = 0.5):
    """As it should be: left to right, pictures among the conditions with it."""
    spec.image_shape("flip")

    def change(ops, x, given, key):
        turned = ops.to_float(ops.uniform(key, (x.shape[0], 1, 1, 1)) < share)

        def moved(x):
            return turned * ops.xp.flip(x, axis=2) + (1.0 - turned) * x

        return moved(x), {name: moved(c) if len(c.shape) == 4 else c for name, c in given.items()}

    return change


def alone(spec, span):
    return lambda ops, x, given, key: brightness(spec, span)(ops, x, given, key)[0]


def loses_labels(spec, span):
    return lambda ops, x, given, key: (x, {name: c for name, c in given.items() if name != "label"})


def crops(spec, span):
    spec.image_shape("crops")
    return lambda ops, x, given, key: (x[:, 1:-1, 1:-1], given)


def one_hot_labels(spec, span):
    def change(ops, x, given, key):
        return x, {name: ops.one_hot(c, 3) if name == "label" else c for name, c in given.items()}

    return change


def refuses(spec, span):
    raise ConfigError(f"Not for examples of shape {spec.shape}.")


one_for_all = does(lambda ops, x, key: x + ops.uniform(key, (1,) * len(x.shape)) - 0.5)
always_alike = does(lambda ops, x, key: x * 0.9)


def without_key(spec, span):
    places = np.random.default_rng(0).random((64, 1)) - 0.5

    def change(ops, x, given, key):
        moved = ops.asarray(span * places[: x.shape[0]].reshape(column(x)))
        return x + 0.1 * moved, given

    return change


of_numpy = does(lambda ops, x, key: x + ops.asarray(0.1 * np.random.normal(size=column(x))))


together = does(lambda ops, x, key: (x + 0.1 * ops.uniform(key, column(x))) * (1.1 - 0.2 * ops.uniform(key, column(x))))
of_both_kinds = does(lambda ops, x, key: x + 0.05 * ops.normal(key, column(x)) * ops.uniform(key, column(x)))


def remembering(spec, span, seen=count()):  # noqa: B008
    def change(ops, x, given, key):
        return brightness(spec, span)(ops, x, given, ops.fold_in(key, next(seen)))

    return change


def in_place(spec, span):
    def change(ops, x, given, key):
        x += span * 0.1 * (ops.uniform(key, column(x)) - 0.5)
        return x, given

    return change


def exchanges(ops, x, key):
    """Every example where its neighbour was."""
    x = ops.xp.concat([x[1:], x[:1]], axis=0)
    return x + 0.1 * (ops.uniform(key, column(x)) - 0.5)


def mixes(ops, x, key):
    """A little of another example, as mixup does, with the labels of one."""
    share = 0.2 * ops.uniform(key, column(x))
    return (1.0 - share) * x + share * ops.xp.flip(x, axis=0)


centres = does(lambda ops, x, key: x - ops.xp.mean(x, axis=0, keepdims=True) + 0.1 * ops.uniform(key, column(x)))


def moves_labels(spec, span):
    def change(ops, x, given, key):
        x = x + 0.1 * (ops.uniform(key, column(x)) - 0.5)
        return x, {**given, "label": ops.xp.flip(given["label"], axis=0)}

    return change


def leaves_conditions(of):
    """Moves the example, and leaves pictures beside it where they are."""

    def target(spec, span):
        spec.image_shape("broken")
        inner = of(spec, span)
        return lambda ops, x, given, key: (inner(ops, x, given, key)[0], given)

    return target


def moves_conditions_alone(spec, span):
    spec.image_shape("broken")

    def change(ops, x, given, key):
        _, moved = flip(spec, span)(ops, x, given, key)
        return brightness(spec, span)(ops, x, given, ops.fold_in(key, 1))[0], moved

    return change


def moves_them_elsewhere(spec, span):
    """Draws again for the conditions."""
    spec.image_shape("broken")

    def change(ops, x, given, key):
        out, _ = translation(spec, span, share=0.25)(ops, x, given, ops.fold_in(key, 0))
        _, moved = translation(spec, span, share=0.25)(ops, x, given, ops.fold_in(key, 1))
        return out, moved

    return change


def smooths_masks(spec, span):
    """Moves by half a pixel."""
    spec.image_shape("broken")

    def change(ops, x, given, key):
        x, given = flip(spec, span)(ops, x, given, key)
        mask = given["mask"]
        return x, {**given, "mask": 0.5 * (mask + ops.xp.concat([mask[:, 1:, ...], mask[:, :1, ...]], axis=1))}

    return change


cut_off = does(lambda ops, x, key: ops.stop_gradient(x) + 0.1 * (ops.uniform(key, column(x)) - 0.5))


def rounded(spec, span):
    def change(ops, x, given, key):
        x = brightness(spec, span)(ops, x, given, key)[0]
        return ops.xp.round(x * (128.0 / span)) * (span / 128.0), given

    return change


def straight_through(ops, x, key):
    """What comes out is squeezed, and its gradient is that of what went in."""
    wanted = ops.xp.tanh(x) + 0.1 * (ops.uniform(key, column(x)) - 0.5)
    return x + ops.stop_gradient(wanted - x)


brighter = does(lambda ops, x, key: x + 0.5 * ops.uniform(key, column(x)))
louder = does(lambda ops, x, key: x * (1.0 + 20.0 * ops.uniform(key, column(x)) ** 4))


def for_bytes(spec, span):
    """Noise of 5 levels, whatever white is."""
    return lambda ops, x, given, key: (x + 0.2 * (ops.uniform(key, column(x)) - 0.5), given)


def gamma(spec, span):
    """A curve that is right for numbers about 1 only."""
    return lambda ops, x, given, key: (x + 0.2 * (ops.uniform(key, column(x)) - 0.5) * x * x, given)


def with_methods(ops, x, key):
    return (x + 0.1 * (ops.uniform(key, column(x)) - 0.5)).clip(-1.0, 1.0)


def on_host(spec, span):
    def change(ops, x, given, key):
        size = 0.1 * (1.0 + 1e-6 * hasattr(ops, "to_numpy"))
        return x + size * span * (ops.uniform(key, column(x)) - 0.5), given

    return change


def deaf(spec, span, *, strength: float = 1.0):
    return brightness(spec, span)


def deaf_to_switch(spec, span, *, share: float = 0.5, keep: bool = True):
    return flip(spec, span, share=share)


def logarithm(spec, span):
    """Not a number for black pixels."""

    def change(ops, x, given, key):
        moved, _ = brightness(spec, span)(ops, x, given, key)
        return ops.xp.log(moved), given

    return change


def silent(spec, span):
    """Shows D nothing of what it is to judge."""

    def change(ops, x, given, key):
        return 0.0 * x + ops.uniform(key, tuple(x.shape)) / 0.0, given

    return change


HEAVY = """
from gankit.parts.augmentations import colour


def Part(spec, span):
    return colour(spec, span)
"""

HONEST = {"brightness": brightness, "noise": noise, "flip": flip}
AUGMENTATIONS = tuple(
    Broken("augmentations", *fault)
    for fault in (
        ("returns examples alone", "check_augmentation_contract", alone),
        ("loses labels", "check_augmentation_contract", loses_labels),
        ("crops", "check_augmentation_contract", crops),
        ("labels to one-hot", "check_augmentation_contract", one_hot_labels),
        ("for no data at all", "check_augmentation_contract", refuses),
        ("one draw for all", "check_augmentation_draws_for_each_example", one_for_all),
        ("always alike", "check_augmentation_draws_for_each_example", always_alike),
        ("places of its own", "check_augmentation_draws_for_each_example", without_key),
        ("draws by NumPy", "check_augmentation_draws_from_its_key_alone", of_numpy),
        ("counts its calls", "check_augmentation_draws_from_its_key_alone", remembering),
        ("changes what it is given", "check_augmentation_draws_from_its_key_alone", in_place),
        ("moves two things together", "check_augmentation_draws_with_a_key_each", together),
        ("draws both kinds with one key", "check_augmentation_draws_with_a_key_each", of_both_kinds),
        ("exchanges neighbours", "check_augmentation_leaves_examples_apart", does(exchanges)),
        ("mixes examples", "check_augmentation_leaves_examples_apart", does(mixes)),
        ("centres the batch", "check_augmentation_leaves_examples_apart", centres),
        ("moves labels", "check_augmentation_leaves_examples_apart", moves_labels),
        ("flips the example alone", "check_augmentation_moves_conditions_with_the_example", leaves_conditions(flip)),
        ("cuts the example alone", "check_augmentation_moves_conditions_with_the_example", leaves_conditions(cutout)),
        ("moves it elsewhere", "check_augmentation_moves_conditions_with_the_example", moves_them_elsewhere),
        ("moves the condition alone", "check_augmentation_moves_conditions_with_the_example", moves_conditions_alone),
        ("moves masks by half a pixel", "check_augmentation_moves_conditions_with_the_example", smooths_masks),
        ("cut from the graph", "check_augmentation_is_differentiable", cut_off),
        ("rounded to levels", "check_augmentation_is_differentiable", rounded),
        ("another gradient", "check_augmentation_is_differentiable", does(straight_through)),
        ("always brighter", "check_augmentation_keeps_the_range", brighter),
        ("far out of range", "check_augmentation_keeps_the_range", louder),
        ("levels of bytes", "check_augmentation_scales_with_the_units", for_bytes),
        ("a curve about 1", "check_augmentation_scales_with_the_units", gamma),
        ("methods of arrays", "check_augmentation_without_a_framework", does(with_methods)),
        ("other numbers on a backend", "check_augmentation_without_a_framework", on_host),
        ("deaf to its strength", "check_augmentation_settings_act", deaf),
        ("deaf to a switch", "check_augmentation_settings_act", deaf_to_switch),
        ("the logarithm of black", "check_augmentation_plays", logarithm),
        ("infinite", "check_augmentation_plays", silent),
        ("imports a framework", "check_augmentation_imports_no_framework", heavy(HEAVY, '("torch", "jax")')),
        ("imports another", "check_augmentation_imports_no_framework", heavy(HEAVY, '("jax", "torch")')),
    )
)
