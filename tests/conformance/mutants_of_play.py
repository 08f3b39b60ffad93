"""Faults of the step, of what is the same for a seed, and of resuming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mutants_of_networks import own_key
from planting import IMMUTABLE, Changed, Mutant, dropout, network, ops, optimizer, patch, run, step

from gankit.interfaces import LABEL
from gankit.trees import tree_map


def numbers(**changes):
    """An optimizer that is given other numbers."""
    return lambda real, slots, params, grads, given: real.update(
        slots, params, grads, {**given, **{name: f(given[name]) for name, f in changes.items() if name in given}}
    )


def discriminator(change):
    """A tamper of D's minibatches, whose arrays are (steps, k, m, ...)."""
    return lambda b: b._replace(discriminator=change(b.discriminator))


def first_of_k(x):
    return np.repeat(x[:, :1], x.shape[1], axis=1)


def rolled_labels(b):
    return b._replace(discriminator=b.discriminator._replace(given={LABEL: np.roll(b.discriminator.labels, 1, axis=2)}))


def rolled_g_labels(b):
    return b._replace(generator=b.generator._replace(fake_given={LABEL: np.roll(b.generator.fake_labels, 1, axis=1)}))


def with_game(**changes):
    return step(lambda real: lambda game: real(replace(game, **changes)))


def with_player(state, role, player):
    return state._replace(players={**state.players, role: player})


def nudged(player):
    """Every step moves this player by a little more than it should, whatever its learning rate."""

    def change(real):
        def made(game):
            inner = real(game)

            def stepped(state, batch):
                state, terms = inner(state, batch)
                moved = getattr(state, player)
                params = game.ops.tree_map(lambda p: p + 1e-3, moved.params)
                return with_player(state, player, moved._replace(params=params)), terms

            return stepped

        return made

    return step(change)


def decayed(real, slots, params, grads, given):
    slots, params = real.update(slots, params, grads, given)
    return slots, {name: 0.999 * p for name, p in params.items()}


def first_step_of_a_call_is_idle(b):
    return b._replace(
        numbers={n: np.concatenate([0 * x[:1], x[1:]]) if n.endswith("lr") else x for n, x in b.numbers.items()}
    )


def made_anew(backend):
    """Every call traces the step once more, on a copy of the state, before it plays."""

    def run(step, state, batches, *shared, **options):
        first = tree_map(lambda x: x[:1], batches)
        backend.ops.run(lambda *a: step(*a), backend.ops.copy(state), first, *shared, **options)
        return backend.ops.run(step, state, batches, *shared, **options)

    return Changed(backend, ops=Changed(backend.ops, run=run))


def disturbed_by_looking(backend):
    """After with_params was called, every z is 0: as bad as a native module that is left in evaluation mode."""
    looked = []

    def with_params(real, o, placed):
        return lambda *a: (looked.append(1), real.with_params(*a))[1]

    def tamper(b):
        return tree_map(lambda x: 0 * x if x.dtype == np.float64 and x.ndim > 1 else x, b) if looked else b

    return run(tamper)(network(with_params=with_params)(backend))


def streamed_black(b):
    real = b.discriminator.real
    return b._replace(discriminator=b.discriminator._replace(real=0 * real)) if real.ndim > 3 else b


class HandAdam:
    """Adam written out, with epsilon inside the root, or without the correction of its start."""

    def __init__(self, spec, o, inside, corrected=True):
        self.spec, self.ops, self.inside, self.corrected = spec, o, inside, corrected

    def init(self, params, updates=0):
        first, second = ({name: 0.0 * p for name, p in params.items()} for _ in range(2))
        return {"first": first, "second": second, "count": self.ops.asarray(np.array(float(updates)))}

    def updates(self, slots):
        return int(self.ops.to_numpy(slots["count"]))

    def update(self, slots, params, grads, given):
        s, n, xp = self.spec, slots["count"] + 1.0, self.ops.xp
        m = {k: s.b1 * slots["first"][k] + (1 - s.b1) * g for k, g in grads.items()}
        v = {k: s.b2 * slots["second"][k] + (1 - s.b2) * g * g for k, g in grads.items()}
        a, b = (1 - s.b1**n, 1 - s.b2**n) if self.corrected else (1.0, 1.0)
        root = {k: xp.sqrt(x / b + s.eps) if self.inside else xp.sqrt(x / b) + s.eps for k, x in v.items()}
        return {"first": m, "second": v, "count": n}, {
            k: p - given["lr"] * (m[k] / a) / root[k] for k, p in params.items()
        }


def hand_adam(**options):
    def plant(backend):
        return Changed(
            backend,
            optimizer=lambda spec: (
                HandAdam(spec, backend.ops, **options) if spec.name == "adam" else backend.optimizer(spec)
            ),
        )

    return plant


def negative_velocity(real, slots, params, grads, given):
    slots, params = real.update({"velocity": {k: -v for k, v in slots["velocity"].items()}}, params, grads, given)
    return {"velocity": {k: -v for k, v in slots["velocity"].items()}}, params


def columns_pass(real):
    def scores(game, role, d, x, given, key, *, train=True):
        seat = game.seats[role]
        squeezed = Changed(seat.network, apply=lambda *a, **k: flat(seat.network.apply(*a, **k)))
        seats = {**game.seats, role: replace(seat, network=squeezed)}
        return real(replace(game, seats=seats), role, d, x, given, key, train=train)

    return scores


def flat(result):
    out, buffers = result
    return {**out, "logits": out["logits"].reshape(-1)}, buffers


def columns_everywhere(monkeypatch):
    for module in ("judging", "phases", "inference"):
        patch(f"gankit.play.{module}", "scores", columns_pass)(monkeypatch)


def shifted_given(real):
    return lambda self, step, *a: real(self, step + 1, *a)


def rounded(real, o, placed):
    def apply(params, buffers, x, labels=None, **options):
        out, buffers = real.apply(params, buffers, x, labels, **options)
        return 1.01 * out, buffers

    return apply


def exported(change):
    return network(export=lambda real, o, placed: lambda tensors: change(real.export(tensors)))


STEP = (
    Mutant(
        "sgd ignores the schedule of lr",
        "check_sgd_momentum_follows_the_oracle",
        optimizer(numbers(lr=lambda x: 0.0 * x + 0.1)),
    ),
    Mutant(
        "sgd ignores momentum", "check_sgd_momentum_follows_the_oracle", optimizer(numbers(momentum=lambda x: 0.0 * x))
    ),
    Mutant(
        "momentum in the form u = mu u + g while lr changes",
        "check_sgd_momentum_follows_the_oracle",
        core=patch("gankit.parts.optimizers:Sgd", "numbers", lambda real: plain_momentum),
    ),
    Mutant("labels of other examples", "check_conditional_sgd_follows_the_oracle", run(rolled_labels)),
    Mutant(
        "D(x) and D(G(z)) are exchanged in the log",
        "check_minimax_follows_the_oracle",
        core=step(lambda real: swapped_terms(real)),
    ),
    Mutant(
        "D's loss is negated inside the step",
        "check_minimax_follows_the_oracle",
        core=patch("gankit.parts.losses:CrossEntropy", "discriminator", lambda real: lambda *a: -real(*a)),
    ),
    Mutant(
        "G plays the non-saturating loss",
        "check_minimax_follows_the_oracle",
        core=patch(
            "gankit.parts.losses:Minimax",
            "generator",
            lambda real: lambda self, o, r, f: o.xp.mean(o.softplus(-f.logits)),
        ),
    ),
    Mutant(
        "simultaneous players alternate",
        "check_simultaneous_schedule_follows_the_oracle",
        core=with_game(schedule="alternating"),
    ),
    Mutant(
        "one z for all k steps",
        "check_k_steps_draw_fresh_batches_and_latents",
        run(discriminator(lambda d: d._replace(z=first_of_k(d.z)))),
    ),
    Mutant(
        "one batch for all k steps",
        "check_k_steps_draw_fresh_batches_and_latents",
        run(discriminator(lambda d: d._replace(real=first_of_k(d.real)))),
    ),
    Mutant("k is ignored", "check_k_steps_draw_fresh_batches_and_latents", core=with_game(k=1)),
    Mutant(
        "G reuses D's last z",
        "check_k_steps_draw_fresh_batches_and_latents",
        run(lambda b: b._replace(generator=b.generator._replace(z=b.discriminator.z[:, -1]))),
    ),
    Mutant(
        "step draws the noise of the next step",
        "check_step_on_given_examples",
        core=patch("gankit.play.batches:Batches", "given", shifted_given),
    ),
    Mutant("D's phase moves G", "check_only_the_discriminator_moves_in_its_phase", core=nudged("generator")),
    Mutant("G's phase moves D", "check_only_the_generator_moves_in_its_phase", core=nudged("discriminator")),
    Mutant("weights decay at learning rate 0", "check_only_the_generator_moves_in_its_phase", optimizer(decayed)),
    Mutant("the step rejects nothing", "check_column_logits_are_rejected", core=columns_everywhere),
    Mutant("dropout from a hidden state", "check_two_runs_are_bit_equal", dropout(own_key)),
    Mutant("every call begins with an idle step", "check_cuts_do_not_matter", run(first_step_of_a_call_is_idle)),
    Mutant("every call makes its program anew", "check_nothing_is_compiled_twice", made_anew),
    Mutant("looking leaves a trace", "check_looking_does_not_disturb", disturbed_by_looking),
    Mutant(
        "float32 becomes float64",
        "check_float32_stays_float32",
        exported(lambda arrays: {k: a.astype(np.float64) for k, a in arrays.items()}),
    ),
    Mutant("streamed examples are black", "check_streamed_data_is_the_same_run", run(streamed_black)),
)


def plain_momentum(self, steps):
    from gankit.parts.schedules import at

    return {"lr": at(self.lr, steps), "momentum": at(self.momentum, steps)}


def swapped_terms(real):
    def made(game):
        inner = real(game)

        def stepped(state, batch):
            state, terms = inner(state, batch)
            return state, {**terms, "D(x)": terms["D(G(z))"], "D(G(z))": terms["D(x)"]}

        return stepped

    return made


def other_start(real, o, placed):
    return lambda arrays: real.init({name: 1.001 * a for name, a in arrays.items()})


def count_lost(real, params, updates):
    return real.init(params, 0)


SEED = (
    Mutant("networks draw their own start", "check_initial_parameters_are_cores", network(init=other_start)),
    Mutant("Adam's epsilon inside the root", "check_adam_follows_the_oracle", hand_adam(inside=True)),
    Mutant("Adam without its corrections", "check_adam_follows_the_oracle", hand_adam(inside=False, corrected=False)),
    Mutant(
        "the average stands still",
        "check_adam_follows_the_oracle",
        ops(average=lambda o: lambda mean, new, decay: mean),
    ),
    Mutant(
        "the average is no copy",
        "check_adam_follows_the_oracle",
        ops(copy=lambda o: lambda tree: tree),
        immune=IMMUTABLE,
    ),
    Mutant("G's labels are of other latents", "check_conditional_adam_follows_the_oracle", run(rolled_g_labels)),
    Mutant("sigmoid is off by a percent", "check_float32_follows_at_first", network(apply=rounded)),
    Mutant(
        "samples are not from the average",
        "check_samples_are_the_same",
        core=patch(
            "gankit.play.places:Places",
            "player",
            lambda real: lambda self, role, ema: real(self, role, False),
        ),
    ),
    Mutant(
        "compiled functions are off",
        "check_scores_are_the_same",
        ops(compile=lambda o: lambda f: lambda *a: 1.01 * f(*a)),
    ),
)

RESUME = (
    Mutant("dropout from a hidden state, resumed", "check_resumed_in_a_new_process", dropout(own_key)),
    Mutant("the count of updates is not restored", "check_resumed_by_another_trainer", optimizer(init=count_lost)),
    Mutant(
        "slots are not restored",
        "check_resumed_by_another_trainer",
        core=patch(
            "gankit.checkpoint",
            "under",
            lambda real: lambda prefix, a: {k: 0 * x if "slots" in prefix else x for k, x in real(prefix, a).items()},
        ),
    ),
    Mutant(
        "velocity has the other sign",
        "check_goes_on_from_the_oracles_checkpoint",
        optimizer(negative_velocity, only="sgd"),
    ),
    Mutant(
        "biases are not saved",
        "check_every_leaf_is_saved",
        exported(lambda arrays: {k: a for k, a in arrays.items() if not k.endswith("bias")}),
    ),
    Mutant(
        "a dropped leaf passes",
        "check_a_dropped_leaf_is_named",
        core=patch("gankit.checkpoint", "require_same_leaves", lambda real: lambda *a: None),
    ),
    Mutant(
        "a misshaped leaf passes",
        "check_a_misshaped_leaf_is_named",
        core=patch("gankit.checkpoint", "require_same_leaves", lambda real: lambda *a: None),
    ),
)
