"""Faults of what is drawn before a game, of further optimizers, and of latents that are chosen after it."""

from __future__ import annotations

import math

import numpy as np
from planting import Mutant, patch

from gankit.parts.optimizers import Adam

LEADS, PASSES, REFINES = (
    "check_latent_optimisation_is_the_papers",
    "check_rejection_takes_as_many_as_d_says",
    "check_refined_latents_follow_adam",
)
OPTIMISATION = ("gankit.play.choosing:LatentOptimisation", "latents")
COMPLETES = "check_completions_answer_what_is_known"
OTHERS = "check_other_optimizers_follow_their_papers"
WINDOWS = "check_starting_values_of_windows_count_every_pixel"
KEPT, RANGE = "check_labels_are_kept_by_the_seed", "check_the_range_of_g_is_seen_through_its_last_layers"


def mean_of_squares(real):
    """The step is damped by the mean of the squared slopes instead of their sum."""

    def latents(self, game, n):
        z = game.draw("sample", n)
        for _ in range(self.steps):
            g = game.slopes(z, np.arange(n))
            z = z + self.rate * g / (self.damping + (g**2).mean(axis=1, keepdims=True))
        return z

    return latents


def shared_damping(real):
    """All rows are damped by the slopes of all."""

    def latents(self, game, n):
        z = game.draw("sample", n)
        for _ in range(self.steps):
            g = game.slopes(z, np.arange(n))
            z = z + self.rate * g / (self.damping + (g**2).sum())
        return z

    return latents


def tempered(real):
    """D's odds under half of its logits."""
    return lambda logits, highest, gamma: real(logits / 2, highest / 2, gamma)


def everything_passes(real):
    return lambda logits, highest, gamma: np.ones_like(real(logits, highest, gamma))


def one_decay(real):
    """The second moment is corrected as the first one is."""

    def refined(slopes, z, steps):
        mean, square = np.zeros_like(z), np.zeros_like(z)
        for i in range(1, steps + 1):
            g = slopes(z)
            mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
            z = z - 0.03 * (mean / (1 - 0.9**i)) / (np.sqrt(square / (1 - 0.9**i)) + 1e-12)
        return z

    return refined


def error_of_all(real):
    """Every example goes down the mean slope of all."""
    return lambda slopes, z, steps: real(lambda at: np.broadcast_to(slopes(at).mean(axis=0), at.shape), z, steps)


def upside_down(real):
    """What is hidden is taken for known, and the other way round, wherever G is asked."""

    def sample(self, n, *, given=None, **how):
        turned = {name: 1 - v if name == "mask" else v for name, v in (given or {}).items()}
        return real(self, n, given=turned or None, **how)

    return sample


def rounded_through_g(real):
    """Known values are those that come back from G."""

    def complete(gan, x, mask=None, *, n=8, seed=0, ema=None):
        answers = real(gan, x, mask, n=n, seed=seed, ema=ema)
        return answers.astype(np.float16).astype(answers.dtype)

    return complete


def one_sided(real):
    """The window counts for the inputs, and not for the outputs."""

    def drawn(self, rng, shape, data_mean):
        limit = self.gain * math.sqrt(6 / (math.prod(shape[:-2]) * shape[-2] + shape[-1]))
        return rng.uniform(-limit, limit, shape)

    return drawn


def without_windows(real):
    """He's fan is the input channels."""
    return lambda self, rng, shape, data_mean: rng.normal(0, self.gain * math.sqrt(2 / shape[-2]) / math.sqrt(2), shape)


def first_examples(real):
    """Of each class the first examples keep their labels, whatever the seed."""
    return lambda data, n, seed, num_classes=None: real(data, n, 0, num_classes)


def some_examples(real):
    """Any examples keep their labels."""

    def rows(data, n, seed, num_classes=None):
        return np.sort(np.random.default_rng(seed).choice(len(data), n, replace=False))

    return rows


def range_of_the_last(*through):
    """The range is that of the last layer, but for layers of these names."""

    def changed(real):
        def output_range(layers):
            last = layers[-1]
            if type(last).__name__ == "AsCondition":
                return output_range(last.inner)
            if type(last).__name__ in through:
                return output_range(layers[:-1])
            return {"Sigmoid": "unit", "Tanh": "symmetric"}.get(type(last).__name__, "free")

        return output_range

    return patch("gankit.conformance.declared", "output_range", changed)


def epsilon_inside(real):
    """RMSprop's epsilon is under the root."""

    def update(self, o, p, g, slots, numbers, count):
        second = self.decay * slots["second"] + (1 - self.decay) * (g * g)
        return p - numbers["lr"] * g / o.xp.sqrt(second + self.eps), {"second": second}

    return update


def plain_twice(real):
    """An optimistic optimizer looks ahead from the third step on."""
    return lambda o, direction, previous, count: real(o, direction, previous, count - 1.0)


def coupled(real):
    """The decay is a part of the gradient, as L2's."""
    return lambda self, o, p, g, slots, numbers, count: Adam.update(
        self, o, p, g + self.weight_decay * p, slots, numbers, count
    )


CHOICES = (
    Mutant(
        "RMSprop's epsilon is under the root",
        OTHERS,
        core=patch("gankit.parts.optimizers:RmsProp", "update", epsilon_inside),
    ),
    Mutant("optimism begins late", OTHERS, core=patch("gankit.parts.optimistic", "ahead", plain_twice)),
    Mutant("AdamW decays through the moments", OTHERS, core=patch("gankit.parts.optimizers:AdamW", "update", coupled)),
    Mutant("slopes are damped by their mean", LEADS, core=patch(*OPTIMISATION, mean_of_squares)),
    Mutant("slopes are damped by those of all", LEADS, core=patch(*OPTIMISATION, shared_damping)),
    Mutant("half of D's logits decide", PASSES, core=patch("gankit.play.choosing", "probability", tempered)),
    Mutant("D lets everything pass", PASSES, core=patch("gankit.play.choosing", "probability", everything_passes)),
    Mutant(
        "both moments of a refinement are corrected alike",
        REFINES,
        core=patch("gankit.play.trainer", "refined", one_decay),
    ),
    Mutant(
        "all examples are refined by one slope", REFINES, core=patch("gankit.play.trainer", "refined", error_of_all)
    ),
    Mutant(
        "completions are of the other part",
        COMPLETES,
        core=patch("gankit.play.trainer:AdversarialTrainer", "sample", upside_down),
    ),
    Mutant(
        "known pixels are rounded",
        COMPLETES,
        core=patch("gankit.conformance.choosing", "complete", rounded_through_g),
    ),
    Mutant(
        "Glorot's window has inputs only",
        WINDOWS,
        core=patch("gankit.parts.initializers:GlorotUniform", "__call__", one_sided),
    ),
    Mutant(
        "He's fan has no window", WINDOWS, core=patch("gankit.parts.initializers:HeNormal", "__call__", without_windows)
    ),
    Mutant(
        "every seed keeps the same labels", KEPT, core=patch("gankit.play.labelled", "labelled_rows", first_examples)
    ),
    Mutant("any examples keep their labels", KEPT, core=patch("gankit.play.labelled", "labelled_rows", some_examples)),
    Mutant("the range is that of the last layer", RANGE, core=range_of_the_last("Flatten", "Reshape")),
    Mutant("known pixels have no range", RANGE, core=range_of_the_last("Flatten", "Reshape", "PixelShuffle")),
)
