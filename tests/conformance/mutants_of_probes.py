"""Faults that no result shows by itself: shared keys, evaluation mode in a step, layouts, labels, parts, memories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mutants_of_networks import applied
from mutants_of_open import after, without
from mutants_of_play import count_lost, discriminator, with_player
from planting import Changed, Mutant, drifting, dropout, network, only, ops, optimizer, patch, run, step

from gankit import layers
from gankit.conformance.probes import ProbedOps
from gankit.interfaces import LABEL

# The functions of Ops.


def cut_when_nested(limit):
    """A gradient inside so many others is a constant of them."""

    def plant(o):
        depth = [0]

        def grad(f):
            def counted(x):
                depth[0] += 1
                try:
                    return f(x)
                finally:
                    depth[0] -= 1

            def evaluated(x):
                found = o.grad(counted)(x)
                return o.tree_map(o.stop_gradient, found) if depth[0] >= limit else found

            return evaluated

        return grad

    return plant


def parabola(o):
    """softplus and its first two derivatives, and none after them."""

    def softplus(x):
        at = o.stop_gradient(x)
        s, away = o.sigmoid(at), x - at
        return o.softplus(at) + s * away + 0.5 * s * (1 - s) * away * away

    return softplus


def unused_is_an_error(o):
    """As torch has it by default, but only inside another gradient."""
    depth = [0]

    def grad(f):
        def evaluated(tree):
            if depth[0] and isinstance(tree, dict) and "unused" in tree:
                raise RuntimeError("One of the differentiated tensors appears not to have been used in the graph.")
            depth[0] += 1
            try:
                return o.grad(f)(tree)
            finally:
                depth[0] -= 1

        return evaluated

    return grad


def over_axis_1(o):
    def log_softmax(x):
        if len(x.shape) < 3:
            return o.log_softmax(x)
        return o.xp.moveaxis(o.log_softmax(o.xp.moveaxis(x, 1, -1)), -1, 1)

    return log_softmax


def in_place_order(o):
    """tree_map that pairs the values of dicts in the order that they happen to have."""

    def ordered(first, tree):
        if not isinstance(tree, dict):
            return tree
        return dict(zip(first, tree.values(), strict=True))

    return lambda f, tree, *others: o.tree_map(f, tree, *(ordered(tree, other) for other in others))


OPS = (
    Mutant("the third gradient is cut", "check_gradients_may_be_nested_three_deep", ops(grad=cut_when_nested(2))),
    Mutant("softplus has two derivatives", "check_gradients_may_be_nested_three_deep", ops(softplus=parabola)),
    Mutant(
        "an unused input of an inner gradient is an error",
        "check_unused_inputs_have_gradient_zero",
        ops(grad=unused_is_an_error),
    ),
    Mutant("log_softmax over axis 1", "check_log_softmax", ops(log_softmax=over_axis_1)),
    Mutant(
        "log_softmax of one example is 0",
        "check_log_softmax",
        ops(log_softmax=lambda o: lambda x: 0.0 * x if len(x.shape) == 1 else o.log_softmax(x)),
    ),
    Mutant(
        "one_hot puts classes second",
        "check_one_hot",
        ops(one_hot=lambda o: lambda y, n: o.xp.moveaxis(o.one_hot(y, n), -1, min(1, len(y.shape)))),
    ),
    Mutant("tree_map goes by place", "check_trees_go_by_name", ops(tree_map=in_place_order)),
    Mutant(
        "average goes by place",
        "check_trees_go_by_name",
        ops(
            average=lambda o: (
                lambda mean, new, decay: o.average(mean, dict(zip(mean, new.values(), strict=True)), decay)
            )
        ),
    ),
    Mutant(
        "numbers come through float32",
        "check_numbers_keep_their_digits",
        ops(asarray=lambda o: lambda x: o.asarray(np.float64(np.float32(x)) if isinstance(x, float) else x)),
    ),
    Mutant(
        "the decay comes through float32",
        "check_numbers_keep_their_digits",
        ops(average=lambda o: lambda mean, new, decay: o.average(mean, new, float(np.float32(decay)))),
    ),
)


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


# Optimizers and memory layouts.


def in_memory_order(what):
    """An optimizer that walks through the memory of 4-D arrays in another order than their indices."""

    def plant(backend):
        xp = backend.ops.xp

        def mixed(tensors):
            def other(x):
                return xp.reshape(xp.permute_dims(x, (1, 0, 2, 3)), x.shape) if len(x.shape) == 4 else x

            return {name: other(x) for name, x in tensors.items()}

        def build(spec):
            real = backend.optimizer(spec)

            def update(slots, params, grads, given):
                if what == "gradient":
                    return real.update(slots, params, mixed(grads), given)
                slots, params = real.update(slots, params, grads, given)
                return {n: mixed(s) if n in ("velocity", "second") else s for n, s in slots.items()}, params

            return Changed(real, update=update)

        return Changed(backend, optimizer=build)

    return plant


def no_velocity_at_zero(real, slots, params, grads, given):
    slots, params = real.update(slots, params, grads, given)
    kept = given["momentum"] > 0
    return {**slots, "velocity": {name: v * kept for name, v in slots["velocity"].items()}}, params


ADAM, MOMENTUM = "check_convolutional_games_by_adam", "check_convolutional_games_by_momentum"
RAMP = "check_a_momentum_ramp_from_zero_follows_the_oracle"

OPTIMIZERS = (
    Mutant("adam takes gradients in memory order", ADAM, in_memory_order("gradient")),
    Mutant("momentum takes gradients in memory order", MOMENTUM, in_memory_order("gradient")),
    Mutant("velocities lie in another order", MOMENTUM, in_memory_order("slots")),
    Mutant("no velocity is kept while momentum is 0", RAMP, optimizer(no_velocity_at_zero, only="sgd")),
    Mutant(
        "a momentum of 0 is taken for none",
        RAMP,
        run(
            lambda b: b._replace(
                numbers={n: np.where(v == 0, 0.5, v) if "moment" in n else v for n, v in b.numbers.items()}
            )
        ),
    ),
)


def dense_alone(real):
    """Max-norm of a convolution by the first axis of its kernel, as if that were all of the way into a unit."""

    def call(self, o, params):
        def shortened(kernel):
            norms = o.xp.sqrt(o.xp.sum(kernel * kernel, axis=0, keepdims=True))
            return kernel * (o.xp.minimum(norms, o.xp.full_like(norms, self.limit)) / (norms + 1e-7))

        bounded = real(self, o, params)
        return {n: shortened(p) if len(p.shape) == 4 else bounded[n] for n, p in params.items()}

    return call


def turned_back_wrong(real, o, placed):
    """What a constraint leaves of a kernel is read from another place of its memory."""

    def own(tensors):
        def other(x):
            return o.xp.roll(x, 1, axis=0) if len(x.shape) == 4 else x

        return {name: other(x) for name, x in real.own(tensors).items()}

    return own


def outermost_alone(real, o, placed):
    return any(type(place.layer) in (layers.BatchNorm, layers.MinibatchStddev) for place in placed)


CONSTRAINED, OPTIMIZERS_RESUMED = "check_constrained_convolutional_games", "check_every_optimizer_is_resumed"

MORE = (
    Mutant(
        "max-norm is by one axis", CONSTRAINED, core=patch("gankit.parts.constraints:MaxNorm", "__call__", dense_alone)
    ),
    Mutant("constrained kernels lie in another order", CONSTRAINED, network(own=turned_back_wrong)),
    Mutant("adamw loses its count", OPTIMIZERS_RESUMED, optimizer(init=count_lost, only="adamw")),
    Mutant("what a run has learnt of squares is lost", OPTIMIZERS_RESUMED, core=without("discriminator/slots/second")),
    Mutant("batch norm inside of blocks is not seen", "check_mixing_is_said", network(mixes_samples=outermost_alone)),
    Mutant("nobody says that it mixes", "check_mixing_is_said", network(mixes_samples=lambda real, o, placed: False)),
)


# The game around Algorithm 1.


def each_by_itself(real):
    def clipped(ops_, gradient, limit):
        return {name: real(ops_, {name: g}, limit)[name] for name, g in gradient.items()}

    return clipped


def entries(real):
    def clipped(ops_, gradient, limit):
        return {name: ops_.xp.clip(g, -limit, limit) for name, g in gradient.items()}

    return clipped


def first_part(real):
    """The gradient of the first part, and the others are left out."""
    return lambda game, gradient: (
        lambda state, draw, numbers, key: gradient(
            state, draw.rows(slice(0, draw.z.shape[0] // game.accumulate)), numbers, key
        )
    )


def summed_parts(real):
    def accumulated(game, gradient):
        mean = real(game, gradient)

        def total(*a):
            found = mean(*a)
            return found._replace(gradient=game.ops.tree_map(lambda g: game.accumulate * g, found.gradient))

        return total

    return accumulated


def constrained_once(real):
    return lambda game, phase, state, descent, numbers, again=False: real(
        replace(game, constraints=()) if again else game, phase, state, descent, numbers, again
    )


def constrained_last(real):
    """After the last of D's updates only, which is the k-th."""
    calls = [0]

    def descended(game, phase, state, descent, numbers, again=False):
        calls[0] = calls[0] + 1 if again else 1
        free = phase == "discriminator" and calls[0] < game.k
        return real(replace(game, constraints=()) if free else game, phase, state, descent, numbers, again)

    return descended


def under_labels_of_reals(real):
    return lambda game, match, players, draw, key: real(game, match, players, draw._replace(fake_given=draw.given), key)


def right_labels(d):
    return d._replace(others={"mismatched": d.others["mismatched"]._replace(given=d.given)})


def mismatched_are_fakes(real):
    def judge(*a, **options):
        judged = real(*a, **options)
        if judged.real.mismatched is None:
            return judged
        return judged._replace(real=replace(judged.real, mismatched=judged.fake.logits))

    return judge


def rolled_pairs(b):
    g = b.generator
    return b._replace(generator=g._replace(given={LABEL: np.roll(g.labels, 1, axis=1)}, fake_given=g.fake_given))


def reals_of_d(b):
    return b._replace(generator=b.generator._replace(real=b.discriminator.real[:, -1]))


def remembered_when_weighed(real):
    def term_values(game, phase, moment, memory):
        value, remembered, values = real(game, phase, moment, memory)
        o = game.ops

        def kept(name, new):
            on = 1.0 * (o.asarray(np.zeros(())) + moment.numbers[name] != 0)
            return {key: on * x + (1 - on) * memory[name][key] for key, x in new.items()}

        return value, {name: kept(name, new) for name, new in remembered.items()}, values

    return term_values


def remembering(change):
    """What terms remember is restored from change(the arrays of the checkpoint)."""
    return patch(
        "gankit.play.assembled:Assembled", "_remembered", lambda real: lambda self, arrays: real(self, change(arrays))
    )


def streamed(change):
    """What comes in blocks, as data too large for the device do, comes with other labels."""

    def tamper(b):
        d = b.discriminator
        return b._replace(discriminator=d._replace(given=change(d.given), fake_given=d.given)) if d.real.ndim > 3 else b

    return run(tamper)


CLIP, PARTS = "check_clipping_is_of_a_players_whole_gradient", "check_accumulated_parts_are_the_whole_minibatch"
CONSTRAINTS, REMEMBER = "check_constraints_see_the_canonical_layout", "check_terms_remember"
UNIFORM, WRONG = "check_fakes_with_labels_of_their_own_follow_the_oracle", "check_mismatched_labels_follow_the_oracle"
PAIRS, RESUMED = "check_pairs_are_under_one_label", "check_what_terms_remember_is_resumed"
STREAMED = "check_streamed_labels_stay_in_step"

GAME = (
    Mutant("every array is clipped by itself", CLIP, core=patch("gankit.play.step", "clipped", each_by_itself)),
    Mutant("every entry is clipped by itself", CLIP, core=patch("gankit.play.step", "clipped", entries)),
    Mutant("parts after the first are left out", PARTS, core=patch("gankit.play.step", "accumulated", first_part)),
    Mutant("parts are added up", PARTS, core=patch("gankit.play.step", "accumulated", summed_parts)),
    Mutant("D is constrained once a step", CONSTRAINTS, core=patch("gankit.play.step", "descended", constrained_once)),
    Mutant(
        "D is constrained after its last update",
        CONSTRAINTS,
        core=patch("gankit.play.step", "descended", constrained_last),
    ),
    Mutant("fakes keep the labels of the reals", UNIFORM, run(discriminator(lambda d: d._replace(fake_given=d.given)))),
    Mutant(
        "fakes are made under the labels of the reals",
        UNIFORM,
        core=patch("gankit.play.phases", "generate", under_labels_of_reals),
    ),
    Mutant("mismatched labels match", WRONG, run(discriminator(right_labels))),
    Mutant("fakes for mismatched pairs", WRONG, core=patch("gankit.play.phases", "judge", mismatched_are_fakes)),
    Mutant("G is compared with other classes", PAIRS, run(rolled_pairs)),
    Mutant("G is compared with what D has seen", PAIRS, run(reals_of_d)),
    Mutant(
        "terms remember when they act",
        REMEMBER,
        core=patch("gankit.play.phases", "term_values", remembered_when_weighed),
    ),
    Mutant("terms remember nothing", REMEMBER, core=after(lambda before, state: state._replace(memory=before.memory))),
    Mutant("what terms remember is not restored", RESUMED, core=remembering(lambda arrays: {})),
    Mutant(
        "a restored memory is that of another term",
        RESUMED,
        core=remembering(lambda arrays: {n.replace("generator-", "discriminator-"): x for n, x in arrays.items()}),
    ),
    Mutant(
        "streamed examples have the labels of others",
        STREAMED,
        streamed(lambda given: {LABEL: np.roll(given[LABEL], 1, axis=-1)}),
    ),
    Mutant(
        "streamed examples have the labels of the first step",
        STREAMED,
        streamed(lambda given: {LABEL: np.repeat(given[LABEL][:1], len(given[LABEL]), axis=0)}),
    ),
)


# Keys and modes.


def folded(change):
    """Every index that a key is folded with is change(it)."""

    def planted(real):
        def made(game):
            o = game.ops
            return real(replace(game, ops=Changed(o, fold_in=lambda key, i: o.fold_in(key, change(i)))))

        return made

    return step(planted)


def constant_key(real):
    def gradient(game, **options):
        inner = real(game, **options)
        words = (np.uint32(1), np.uint32(2))
        return lambda state, draw, given, key: inner(state, draw, given, game.ops.key(words))

    return gradient


def g_in_evaluation(real):
    def generate(game, match, players, draw, key):
        seat = replace(game.seats[match.generator], frozen=True)
        return real(replace(game, seats={**game.seats, match.generator: seat}), match, players, draw, key)

    return generate


def d_in_evaluation(real):
    return lambda *a, **options: real(*a, **{**options, "train": False})


KEYS, MODES = "check_every_key_is_used_once", "check_every_pass_is_in_training"

PROBES = (
    Mutant("all terms have one key", KEYS, core=folded(lambda i: 3 if 3 <= i < 100 else i)),
    Mutant("all augmentations have one key", KEYS, core=folded(lambda i: 100 if 100 <= i < 800 else i)),
    Mutant("all parts of a minibatch have one key", KEYS, core=folded(lambda i: 1000 if 1000 <= i < 2000 else i)),
    Mutant("D's k steps have one key", KEYS, core=patch("gankit.play.step", "discriminator_gradient", constant_key)),
    Mutant("both phases have one key", KEYS, core=folded(lambda i: 0 if i == 1 else i)),
    Mutant("D judges in evaluation mode", MODES, core=patch("gankit.play.judging", "scores", d_in_evaluation)),
    Mutant("G plays in evaluation mode", MODES, core=patch("gankit.play.phases", "generate", g_in_evaluation)),
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

# What is recorded or compiled, against what is written; and what large numbers show.


def off_by_a_little(real):
    """A fast path that leaves D a little elsewhere; the probed backend has none."""

    def made(game):
        inner = real(game)

        def stepped(state, batch):
            state, terms = inner(state, batch)
            if not isinstance(game.ops, ProbedOps):
                d = state.discriminator
                nudged = d._replace(params=game.ops.tree_map(lambda p: p + 1e-6, d.params))
                state = with_player(state, "discriminator", nudged)
            return state, terms

        return stepped

    return made


def noise_kept(real):
    """A fast path that draws once; the probed backend has none."""

    def made(game):
        if isinstance(game.ops, ProbedOps):
            return real(game)
        o, words = game.ops, (np.uint32(1), np.uint32(2))
        return real(replace(game, ops=Changed(o, uniform=lambda key, shape: o.uniform(o.key(words), shape))))

    return made


def squares_less_the_square(real, o, record):
    """Variance as the mean of squares less the squared mean."""

    def apply(params, buffers, x, labels=None, *, train, **options):
        out, moved = real.apply(params, buffers, x, labels, train=train, **options)
        if not train or params:
            return out, moved
        axes = tuple(range(len(x.shape) - 1))
        mean, squares = o.xp.mean(x, axis=axes), o.xp.mean(x * x, axis=axes)
        return (x - mean) / o.xp.sqrt(o.xp.abs(squares - mean * mean) + record.eps), moved

    return apply


def origin_at_zero(real, o, record):
    """Statistics of the examples as float16 would have them."""

    def apply(params, buffers, x, labels=None, *, train, **options):
        coarse = x if params else o.to_float(o.xp.round(x * 4) / 4)
        return real.apply(params, buffers, coarse, labels, train=train, **options)

    return apply


def own_variance(**how):
    """`ops.xp` whose variances take no correction, or always one."""

    def plant(backend):
        xp = backend.ops.xp

        def var(x, *, axis=None, correction=0, **more):
            return xp.var(x, axis=axis, correction=how.get("correction", 0), **more)

        def std(x, *, axis=None, correction=0, **more):
            return xp.std(x, axis=axis, correction=how.get("correction", 0), **more)

        return Changed(backend, ops=Changed(backend.ops, xp=Changed(xp, var=var, std=std)))

    return plant


def relabelled(change):
    """Samples that are drawn in several parts are of change(labels, the size of a part)."""

    def planted(real):
        def in_pieces(self, f, n, parts, given, size):
            other = {name: change(np.asarray(v), size) for name, v in given.items()} if n > size else given
            return real(self, f, n, parts, other, size)

        return in_pieces

    return patch("gankit.play.inference:Inference", "_in_pieces", planted)


def of_the_first_part(y, size):
    return np.resize(y[:size], y.shape)


def next_ones_after_the_first_part(y, size):
    return np.concatenate([y[:size], np.roll(y[size:], 1)])


WRITTEN, FAR = "check_a_step_is_played_as_it_is_written", "check_batch_norm_far_from_zero"
VARIANCE, MANY = "check_variances_take_a_correction", "check_many_samples_keep_their_labels"

PLAIN = (
    Mutant("a fast path that is off by a little", WRITTEN, core=step(off_by_a_little)),
    Mutant("a fast path that keeps its noise", WRITTEN, core=step(noise_kept)),
    Mutant("variance is squares less the square", FAR, only(layers.BatchNorm, apply=squares_less_the_square)),
    Mutant("statistics of rounded examples", FAR, only(layers.BatchNorm, apply=origin_at_zero)),
    Mutant("every part of many samples is of the first one's classes", MANY, core=relabelled(of_the_first_part)),
    Mutant("later parts are off by one class", MANY, core=relabelled(next_ones_after_the_first_part)),
    Mutant("variances ignore the correction", VARIANCE, own_variance()),
    Mutant("variances always have a correction", VARIANCE, own_variance(correction=1)),
)

GAMES = (*PLAIN, *MORE, *MODULES, *OPS, *NETWORKS, *OPTIMIZERS, *GAME, *PROBES)
