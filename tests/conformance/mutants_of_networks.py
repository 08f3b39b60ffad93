"""Faults of networks: of how they keep their arrays, of the precision they compute in, and of dropout."""

from __future__ import annotations

import numpy as np
from planting import Changed, Mutant, drifting, dropout, layer, network, only

from gankit import layers

# How arrays are kept, and in what precision they are computed with.


def exported(change):
    return network(
        export=lambda real, o, placed: lambda tensors: {k: change(v) for k, v in real.export(tensors).items()}
    )


def without_variance(real, o, placed):
    return lambda tensors: {k: v for k, v in real.export(tensors).items() if not k.endswith("var")}


def biases_lost(real, o, placed):
    return lambda arrays: real.restore({k: 0 * a if k.endswith("bias") else a for k, a in arrays.items()})


def backwards(real, o, placed):
    """The canonical layout with its axes the other way round."""

    def canonical(tensors):
        return {k: o.xp.permute_dims(v, (*range(v.ndim),)[::-1]) for k, v in real.canonical(tensors).items()}

    return canonical


def scaled_native(real, o, placed):
    return lambda params, buffers: real.with_params({k: 1.5 * p for k, p in params.items()}, buffers)


def unscaled_native(real, o, placed):
    """Without the scales of its batch norm, which are then those of the start."""
    return lambda params, buffers: real.with_params(
        {k: 0 * p + 1 if k.endswith("scale") else p for k, p in params.items()}, buffers
    )


def training_native(real, o, placed):
    def with_params(params, buffers):
        module = real.with_params(params, buffers)
        module.train()
        return module

    return with_params


def short_outputs(real, o, placed):
    def apply(*a, **options):
        out, moved = real.apply(*a, **options)
        return o.tree_map(lambda x: o.xp.astype(x, o.xp.bfloat16), out), moved

    return apply


def kernel_cut(real, o, record):
    """The right value; nothing reaches the kernel."""

    def apply(params, *a, **options):
        cut = {name: o.stop_gradient(p) if name.endswith("kernel") else p for name, p in params.items()}
        return real.apply(cut, *a, **options)

    return apply


def cut_in_bfloat16(backend):
    """What torch's autocast does with its cache, where parameters change between calls."""
    return backend if backend.precision == "full" else only(layers.Dense, apply=kernel_cut)(backend)


def full_precision(backend):
    """precision="bfloat16" is accepted, and forgotten."""
    return Changed(backend, network=type(backend)(dtype=backend.dtype).network)


TAKEN = "check_a_module_that_was_taken_out_lives"

KEEPING = (
    Mutant("kernels are exported transposed", "check_names_and_layout", exported(lambda a: np.array(a.T, order="C"))),
    Mutant("kernels are exported F-ordered", "check_names_and_layout", exported(np.asfortranarray)),
    Mutant("running variances are not exported", "check_names_and_layout", network(export=without_variance)),
    Mutant("restore loses biases", "check_export_restore_export", network(restore=biases_lost)),
    Mutant("constraints see kernels backwards", "check_canonical_and_back", network(canonical=backwards)),
    Mutant("the native module holds other numbers", "check_native_module", network(with_params=scaled_native)),
    Mutant("a module taken out holds other numbers", TAKEN, network(with_params=scaled_native)),
    Mutant("a module taken out forgets its scales", TAKEN, network(with_params=unscaled_native)),
    Mutant("the native module is in training", "check_native_module", network(with_params=training_native)),
    Mutant("scores leave in bfloat16", "check_bfloat16_values", network(apply=short_outputs)),
    Mutant("casts to bfloat16 are kept, without their graph", "check_bfloat16_gradients", cut_in_bfloat16),
    Mutant("bfloat16 is forgotten", "check_bfloat16_is_used", full_precision),
)


# Dropout.


def applied(real, params, x, labels, options):
    return real.apply(params, {}, x, labels, **options)[0]


def same_mask(real, params, x, labels, options, o):
    return applied(real, params, x, labels, options)[:1] * x


def always_training(real, params, x, labels, options, o):
    return applied(real, params, x, labels, {**options, "train": True})


def own_key(real, params, x, labels, options, o):
    key = options["key"]
    return applied(real, params, x, labels, {**options, "key": None if key is None else drifting(o, key)})


def constant_key(real, params, x, labels, options, o):
    key = options["key"]
    return applied(
        real, params, x, labels, {**options, "key": None if key is None else o.key((np.uint32(1), np.uint32(1)))}
    )


def one_mask_twice(backend):
    """A stack of two dropouts applies the mask of one of them twice."""

    def build(placed):
        kinds = [type(p.layer) for p in placed]
        if kinds != [layers.Dropout, layers.Dropout]:
            return backend.network(placed)
        return dropout(lambda *a: applied(*a[:5]) ** 2)(backend).network(placed[:1])

    return Changed(backend, network=build)


DROPOUT = (
    Mutant(
        "dropout is not rescaled",
        "check_dropout_keeps_the_expectation",
        layer(layers.Dropout, lambda o, rec, p, x, out: out * rec.keep),
    ),
    Mutant("one mask for the batch", "check_dropout_masks_every_example_by_itself", dropout(same_mask)),
    Mutant("dropout in evaluation", "check_dropout_is_off_in_evaluation", dropout(always_training)),
    Mutant("dropout has a state", "check_dropout_repeats_with_its_key", dropout(own_key)),
    Mutant("dropout ignores its key", "check_dropout_varies_with_its_key", dropout(constant_key)),
    Mutant("two dropouts share their mask", "check_dropout_layers_differ", one_mask_twice),
)

NETWORKS = (*KEEPING, *DROPOUT)
