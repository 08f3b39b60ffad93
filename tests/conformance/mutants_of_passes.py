"""Faults of a pass: after a refused one, of many examples, in evaluation, through a module of a user's own."""

from __future__ import annotations

import numpy as np
from mutants_of_networks import applied
from planting import Changed, Mutant, drifting, dropout, network, ops, step

# Networks.


def on_refusal(change):
    """After a pass that was refused, change(params, buffers)."""

    def apply(real, o, placed):
        def changed(params, buffers, *a, **options):
            try:
                return real.apply(params, buffers, *a, **options)
            except Exception:
                change(params, buffers)
                raise

        return changed

    return network(apply=apply)


def halved(tensors):
    tensors.update({name: 0.5 * tensor for name, tensor in tensors.items()})


def left_divided(real, o, placed):
    """A module that a refused pass leaves with its weights divided."""
    refused = []

    def apply(*a, **options):
        try:
            out, moved = real.apply(*a, **options)
        except Exception:
            refused.append(1)
            raise
        return (o.tree_map(lambda x: 0.5 * x, out) if refused else out), moved

    return apply


def mask_of(part):
    """Dropout whose mask is drawn for a part of the numbers of an image, and serves all."""

    def masked(real, params, x, labels, options, o):
        return x * applied(real, params, o.xp.ones_like(part(x)), labels, options)

    return dropout(masked)


def in_parameters_cut(o):
    """A gradient in parameters that is a constant of the next one."""

    def grad(f):
        def evaluated(tree):
            found = o.grad(f)(tree)
            return o.tree_map(o.stop_gradient, found) if isinstance(tree, dict) else found

        return evaluated

    return grad


def halved_in_parameters(o):
    """As if one of two ways by which the second gradient comes were left out."""

    def grad(f):
        def evaluated(tree):
            found = o.grad(f)(tree)
            if not isinstance(tree, dict):
                return found
            return o.tree_map(lambda g: 0.5 * g + 0.5 * o.stop_gradient(g), found)

        return evaluated

    return grad


def large(change):
    """Networks in float32 that are shown many examples compute with change(ops, params)."""

    def apply(real, o, placed):
        def changed(params, buffers, x, *a, **options):
            fast = x.shape[0] > 30 and "float32" in str(x.dtype)
            return real.apply(change(o, params) if fast else params, buffers, x, *a, **options)

        return changed

    return network(apply=apply)


def biases_cut(o, params):
    return {name: o.stop_gradient(p) if name.endswith("bias") else p for name, p in params.items()}


def coarse(o, params):
    """As in bfloat16: seven binary digits."""
    return {name: p + o.stop_gradient(o.xp.round(p * 256) / 256 - p) for name, p in params.items()}


def training_for_samples(real, o, placed):
    """Whatever is asked, batch norm goes by the batch."""

    def apply(params, buffers, x, given=None, *, train, key=None):
        out, moved = real.apply(params, buffers, x, given, train=True, key=o.key((np.uint32(0), np.uint32(0))))
        return out, moved if train else buffers

    return apply


def old_statistics(real, o, placed):
    """In evaluation batch norm goes by the statistics of an untrained network."""

    def apply(params, buffers, x, given=None, *, train, key=None):
        used = buffers if train else {n: 0 * b + n.endswith("var") for n, b in buffers.items()}
        out, moved = real.apply(params, used, x, given, train=train, key=key)
        return out, moved if train else buffers

    return apply


SQUARED = "check_derivatives_of_squared_gradients_in_parameters"
REFUSED, SAMPLES = "check_a_refused_pass_leaves_no_trace", "check_samples_use_running_statistics"

NETWORKS = (
    Mutant("a gradient in parameters is a constant", SQUARED, ops(grad=in_parameters_cut)),
    Mutant("half of a gradient in parameters is a constant", SQUARED, ops(grad=halved_in_parameters)),
    Mutant("biases of large layers stand still", "check_large_layers", large(biases_cut)),
    Mutant("large layers compute coarsely", "check_large_layers", large(coarse)),
    Mutant("a refused pass leaves other parameters", REFUSED, on_refusal(lambda params, buffers: halved(params))),
    Mutant("a refused pass leaves other buffers", REFUSED, on_refusal(lambda params, buffers: halved(buffers))),
    Mutant("a refused pass leaves weights divided", REFUSED, network(apply=left_divided)),
    Mutant(
        "dropout drops whole channels",
        "check_dropout_masks_every_pixel_by_itself",
        mask_of(lambda x: x[:, :1, :1] if len(x.shape) == 4 else x),
    ),
    Mutant(
        "dropout drops a pixel in all channels",
        "check_dropout_masks_every_pixel_by_itself",
        mask_of(lambda x: x[..., :1]),
    ),
    Mutant("samples are normalised by their batch", SAMPLES, network(apply=training_for_samples)),
    Mutant("samples are normalised by no statistics", SAMPLES, network(apply=old_statistics)),
)

# Modules of a user's own.


def own_module(scale=1.0, **changes):
    """A stranger's module has other methods or attributes, name -> f(the real network, ops), or other numbers."""

    def plant(backend):
        def wrap(module):
            real, held = backend.wrap(module)
            network = Changed(real, **{name: f(real, backend.ops) for name, f in changes.items()})
            return network, {name: scale * array for name, array in held.items()}

        return Changed(backend, wrap=wrap)

    return plant


def without_a_key(real, o):
    def apply(params, buffers, x, given=None, *, train, key=None):
        fixed = None if key is None else o.key((np.uint32(1), np.uint32(1)))
        return real.apply(params, buffers, x, given or {}, train=train, key=fixed)

    return apply


def own_mood(real, o):
    def apply(params, buffers, x, given=None, *, train, key=None):
        return real.apply(params, buffers, x, given or {}, train=train, key=None if key is None else drifting(o, key))

    return apply


def one_key_for_all(real):
    """Every step has the key of the first."""

    def made(game):
        inner = real(game)
        words = (np.uint32(1), np.uint32(2))
        return lambda state, batch: inner(state, batch._replace(key=words))

    return made


ONE_DRAW = "check_terms_draw_anew_at_every_step"
MODULE, SEEDED = "check_a_module_plays_as_what_it_is", "check_a_modules_dropout_goes_by_the_seed"

MODULES = (
    Mutant("terms draw once for the whole run", ONE_DRAW, core=step(one_key_for_all)),
    Mutant("terms draw from half of the range", ONE_DRAW, ops(uniform=lambda o: lambda k, s: 0.5 * o.uniform(k, s))),
    Mutant("a module sees real and fake together", MODULE, own_module(mixes_samples=lambda real, o: False)),
    Mutant("a module starts from other numbers", MODULE, own_module(scale=0.9)),
    Mutant("a module's masks never change", SEEDED, own_module(apply=without_a_key)),
    Mutant("a module's masks have a state", SEEDED, own_module(apply=own_mood)),
)

PASSES = (*NETWORKS, *MODULES)
