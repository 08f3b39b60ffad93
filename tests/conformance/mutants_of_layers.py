"""Faults of the layers: of what they compute, of their buffers, their derivatives and their corners."""

from __future__ import annotations

import numpy as np
from mutants_of_networks import NETWORKS, kernel_cut
from mutants_of_parts import cut_gradient
from planting import AT_TIES, Changed, Mutant, kernel, layer, network, only, ops, patch

from gankit import layers


def own_names(arrays):
    return {name.rpartition("/")[2]: array for name, array in arrays.items()}


# What a layer computes.


def turned_round(real, o, record):
    """Kernels (size, size, in, out) that start at their other end."""

    def init(arrays):
        return real.init({name: a[::-1, ::-1].copy() if a.ndim == 4 else a for name, a in arrays.items()})

    return init


def groups_interleaved(real, o, record):
    def apply(params, buffers, x, labels=None, **options):
        shuffled = np.arange(x.shape[-1]).reshape(record.groups, -1).T.reshape(-1)
        return real.apply(params, buffers, x[..., shuffled], labels, **options)

    return apply


def channels_before_cells(o, record, params, x, out):
    """torch's own nn.PixelShuffle: channel k * f * f + i * f + j."""
    f, (n, h, w, c) = record.factor, x.shape
    cells = o.xp.permute_dims(o.xp.reshape(x, (n, h, w, c // f**2, f, f)), (0, 1, 4, 2, 5, 3))
    return o.xp.reshape(cells, (n, h * f, w * f, c // f**2))


def corners_aligned(o, record, params, x, out):
    """Bilinear upsampling that keeps the first and the last pixel where they are."""
    if record.method == "nearest":
        return out
    for axis in (1, 2):
        old, new = x.shape[axis], x.shape[axis] * record.factor
        place = np.linspace(0, old - 1, new)
        weights = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(old)))
        x = o.xp.moveaxis(o.xp.tensordot(o.asarray(weights), x, axes=([1], [axis])), 0, axis)
    return x


def over_channels(o, record, params, x, out):
    """Layer norm as in language models: over the last axis alone."""
    centred = x - o.xp.mean(x, axis=-1, keepdims=True)
    deviation = (o.xp.mean(centred**2, axis=-1, keepdims=True) + record.eps) ** 0.5
    return centred / deviation * params["scale"] + params["bias"]


def neighbours_grouped(o, record, params, x, out):
    g = int(np.gcd(x.shape[0], record.group))
    split = o.xp.reshape(x, (x.shape[0] // g, g, *x.shape[1:]))
    centred = split - o.xp.mean(split, axis=1, keepdims=True)
    each = o.xp.mean((o.xp.mean(centred**2, axis=1) + 1e-8) ** 0.5, axis=(1, 2, 3))
    plane = o.xp.repeat(each, g)[:, None, None, None] + 0.0 * x[..., :1]
    return o.xp.concat([x, plane], axis=-1)


def labels_ignored(real, o, record):
    return lambda params, buffers, x, labels=None, **options: real.apply(
        params, buffers, x, {name: 0 * y for name, y in labels.items()}, **options
    )


def first_of_ties(o, record, params, x, out):
    affine = (x @ kernel(params, x) + params.get("bias", 0.0)).reshape(-1, record.pieces, record.units)
    return larger(o, [affine[:, piece] for piece in range(record.pieces)])


def first_of_pieces(o, record, params, x, out):
    size = x.shape[-1] // record.pieces
    return larger(o, [x[..., p * size : (p + 1) * size] for p in range(record.pieces)])


def larger(o, pieces):
    """Their maximum, whose gradient goes to the first of those that tie."""
    best = pieces[0]
    for piece in pieces[1:]:
        best = o.xp.where(piece > best, piece, best)
    return best


def edge_repeated(o, record, params, x, out):
    """Padding that repeats the border's own pixels, where a mirror has the ones inside of them."""
    s = record.size
    for axis in (1, 2):
        cut = [x[:, i : i + 1] if axis == 1 else x[:, :, i : i + 1] for i in range(x.shape[axis])]
        x = o.xp.concat([*cut[:s][::-1], x, *cut[-s:][::-1]], axis=axis)
    return x


def over_all_channels(o, record, params, x, out):
    """Instance norm whose statistics are those of the whole example."""
    axes = tuple(range(1, x.ndim))
    centred = x - o.xp.mean(x, axis=axes, keepdims=True)
    normal = centred / (o.xp.mean(centred**2, axis=axes, keepdims=True) + record.eps) ** 0.5
    return normal * params.get("scale", 1.0) + params.get("bias", 0.0)


def kernel_of_time_reversed(real, o, record):
    def init(arrays):
        return real.init({name: a[::-1].copy() if a.ndim == 3 else a for name, a in arrays.items()})

    return init


def masks_turned(real, o, layer):
    """What is hidden is kept, and what is known is made up."""

    def apply(params, buffers, x, given=None, **options):
        given = {**given, "mask": 1.0 - given["mask"]}
        return real.apply(params, buffers, x, given, **options)

    return apply


def not_modulated(real, o, layer):
    """z goes in, and modulates nothing."""

    def apply(params, buffers, x, given=None, **options):
        params = {name: 0 * p if name.rpartition("/")[2] == "scale" else p for name, p in params.items()}
        return real.apply(params, buffers, x, given, **options)

    return apply


def inner_first(real, o, record):
    """What a skip carries comes behind what it leads around."""

    def apply(params, buffers, x, labels=None, **options):
        out, moved = real.apply(params, buffers, x, labels, **options)
        return o.xp.concat([out[..., x.shape[-1] :], out[..., : x.shape[-1]]], axis=-1), moved

    return apply


VALUES = (
    Mutant("reflection repeats the border", "check_layer_values", layer(layers.ReflectionPad, edge_repeated)),
    Mutant("instance norm over all channels", "check_layer_values", layer(layers.InstanceNorm, over_all_channels)),
    Mutant("kernels of time are turned round", "check_layer_values", only(layers.Conv1d, init=kernel_of_time_reversed)),
    Mutant("what is hidden is kept", "check_layer_values", only(layers.KeepKnown, apply=masks_turned)),
    Mutant("z modulates nothing inside", "check_layer_values", only(layers.AsCondition, apply=not_modulated)),
    Mutant("a skip comes behind what it leads around", "check_layer_values", only(layers.Skip, apply=inner_first)),
    Mutant(
        "dense forgets its bias", "check_layer_values", layer(layers.Dense, lambda o, rec, p, x, out: x @ kernel(p, x))
    ),
    Mutant(
        "maxout groups its columns the other way",
        "check_layer_values",
        layer(
            layers.Maxout,
            lambda o, rec, p, x, out: o.xp.max(
                (x @ kernel(p, x) + p.get("bias", 0.0)).reshape(-1, rec.units, rec.pieces), axis=2
            ),
        ),
    ),
    Mutant(
        "one-hot label of the next example",
        "check_layer_values",
        layer(layers.ConcatLabels, lambda o, rec, p, x, out: o.xp.flip(out, axis=0)),
    ),
    Mutant("convolutions turn their kernels round", "check_layer_values", only(layers.Conv, init=turned_round)),
    Mutant("transposed kernels lie as flax's", "check_layer_values", only(layers.ConvTranspose, init=turned_round)),
    Mutant("groups of channels are interleaved", "check_layer_values", only(layers.Conv, apply=groups_interleaved)),
    Mutant("pixel shuffle has torch's order", "check_layer_values", layer(layers.PixelShuffle, channels_before_cells)),
    Mutant("bilinear aligns corners", "check_layer_values", layer(layers.Upsample, corners_aligned)),
    Mutant("layer norm over channels alone", "check_layer_values", layer(layers.LayerNorm, over_channels)),
    Mutant(
        "minibatch deviation of neighbours", "check_layer_values", layer(layers.MinibatchStddev, neighbours_grouped)
    ),
    Mutant(
        "D's score is that of its likeliest class",
        "check_layer_values",
        layer(layers.ClassesHead, lambda o, rec, p, x, out: {**out, "logits": o.xp.max(out["class_logits"], axis=-1)}),
    ),
    Mutant("a projection ignores labels", "check_layer_values", only(layers.ProjectionHead, apply=labels_ignored)),
    Mutant("a label's scale is the first's", "check_layer_values", only(layers.LabelAffine, apply=labels_ignored)),
)


# Buffers.


def statistics(change):
    """Batch norm's buffers after a training pass are change(old, new, share of the old, values of a channel)."""

    def apply(real, o, record):
        def changed(params, buffers, x, labels=None, *, train, **options):
            out, moved = real.apply(params, buffers, x, labels, train=train, **options)
            if train:
                n, m = x.size // x.shape[-1] if isinstance(x.size, int) else x.numel() // x.shape[-1], record.momentum
                moved = {
                    name: change(name, buffers[name], (moved[name] - m * buffers[name]) / (1 - m), m, n)
                    for name in moved
                }
            return out, moved

        return changed

    return only(layers.BatchNorm, apply=apply)


def divisor_n(name, old, new, m, n):
    return m * old + (1 - m) * (new * (n - 1) / n if name.endswith("var") else new)


def running_in_training(real, o, record):
    def apply(params, buffers, x, labels=None, *, train, **options):
        out, _ = real.apply(params, buffers, x, labels, train=False, **options)
        return out, real.apply(params, buffers, x, labels, train=train, **options)[1]

    return apply


def still(real, o, record):
    return lambda params, buffers, *a, **options: (real.apply(params, buffers, *a, **options)[0], buffers)


def in_place(real, o, placed):
    def apply(params, buffers, *a, train, **options):
        out, moved = real.apply(params, buffers, *a, train=train, **options)
        if train:
            buffers.update(moved)
        return out, moved

    return apply


BUFFERS = (
    Mutant("running variance has divisor n", "check_layer_values_in_training", statistics(divisor_n)),
    Mutant(
        "momentum is the share of the new",
        "check_layer_values_in_training",
        statistics(lambda name, old, new, m, n: (1 - m) * old + m * new),
    ),
    Mutant(
        "training normalises by running statistics",
        "check_layer_values_in_training",
        only(layers.BatchNorm, apply=running_in_training),
    ),
    Mutant(
        "the power iteration stands still", "check_layer_values_in_training", only(layers.SpectralNorm, apply=still)
    ),
    Mutant("training moves the buffers it was given", "check_buffers_given_stay_as_they_were", network(apply=in_place)),
)


# Derivatives and corners.


def straight_through(o, record, params, x, out):
    """The right value with the derivative of the identity."""
    return o.stop_gradient(out) + (x - o.stop_gradient(x))


def constant_statistics(real, o, record):
    """Batch norm in training whose gradient takes the batch's mean and variance for constants."""

    def apply(params, buffers, x, labels=None, *, train, **options):
        out, moved = real.apply(params, buffers, x, labels, train=train, **options)
        if not train:
            return out, moved
        axes = tuple(range(len(x.shape) - 1))
        mean = o.stop_gradient(o.xp.mean(x, axis=axes))
        var = o.stop_gradient(o.xp.mean((x - mean) ** 2, axis=axes))
        own = own_names(params)
        return (x - mean) / (var + record.eps) ** 0.5 * own.get("scale", 1.0) + own.get("bias", 0.0), moved

    return apply


def moving_vectors(real):
    """A gradient that runs through the power iteration."""
    return lambda o, *a, **options: real(Changed(o, stop_gradient=lambda x: x), *a, **options)


def rootless(o, record, params, x, out):
    """The deviation within a batch, without the epsilon below its root."""
    g = int(np.gcd(x.shape[0], record.group))
    split = o.xp.reshape(x, (g, x.shape[0] // g, *x.shape[1:]))
    deviation = o.xp.sqrt(o.xp.mean((split - o.xp.mean(split, axis=0, keepdims=True)) ** 2, axis=0))
    return o.xp.concat([x, 0.0 * x[..., :1] + o.xp.mean(deviation)], axis=-1)


def single_value_passes(real, o, record):
    def apply(params, buffers, x, *a, train, **options):
        return real.apply(params, buffers, x, *a, train=train and x.shape[0] > 1, **options)

    return apply


DERIVATIVES = (
    Mutant("tanh has the derivative of the identity", "check_layer_gradients", layer(layers.Tanh, straight_through)),
    Mutant("a convolution's kernel gets no gradient", "check_layer_gradients", only(layers.Conv, apply=kernel_cut)),
    Mutant(
        "batch statistics are constants", "check_layer_gradients", only(layers.BatchNorm, apply=constant_statistics)
    ),
    Mutant("a layer's inner gradient is cut", "check_second_derivatives", ops(grad=cut_gradient)),
    Mutant(
        "the gradient runs through the power iteration",
        "check_spectral_norm_holds_its_vectors",
        core=patch("gankit.layers", "largest_singular_value", moving_vectors),
    ),
    Mutant(
        "leaky relu has derivative 1 at 0",
        "check_corners",
        layer(layers.LeakyRelu, lambda o, rec, p, x, out: o.xp.where(x >= 0, x, rec.slope * x)),
    ),
    Mutant(
        "relu layer has derivative 1/2 at 0",
        "check_corners",
        layer(layers.Relu, lambda o, rec, p, x, out: o.xp.maximum(x, o.xp.zeros_like(x))),
        immune=AT_TIES,
    ),
    Mutant(
        "maxout gives ties to the first", "check_maxout_ties_share_the_gradient", layer(layers.Maxout, first_of_ties)
    ),
    Mutant(
        "pieces give ties to the first",
        "check_pooled_ties_share_the_gradient",
        layer(layers.MaxPieces, first_of_pieces),
    ),
    Mutant(
        "a deviation without epsilon", "check_gradients_where_nothing_varies", layer(layers.MinibatchStddev, rootless)
    ),
    Mutant(
        "batch norm takes one value for a batch",
        "check_batch_norm_refuses_a_single_value",
        only(layers.BatchNorm, apply=single_value_passes),
    ),
)


def without(*names):
    """A backend that does not say that it has these."""
    return lambda backend: Changed(backend, capabilities=backend.capabilities - set(names))


DECLARED = (
    Mutant("convolutions are there and not declared", "check_layers_that_work_are_declared", without("layer:Conv")),
    Mutant(
        "bfloat16 is there and not declared",
        "check_bfloat16_that_works_is_declared",
        without("bfloat16"),
        immune={"mlx": "it has none"},
    ),
)


LAYERS = (*VALUES, *BUFFERS, *DERIVATIVES, *NETWORKS, *DECLARED)
