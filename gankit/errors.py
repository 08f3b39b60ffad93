"""gankit's own errors: each says what was asked, what is wrong, what is possible and what to type."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GankitError(Exception):
    """Base of every error that gankit raises on purpose."""


class ConfigError(GankitError, ValueError):
    """A setting is unknown, of the wrong type, or contradicts another."""


class UnknownNameError(GankitError, LookupError):
    """No installed plugin provides a part of that name."""


class PluginError(GankitError):
    """A plugin cannot be used: it is broken, ambiguous, or for another version of gankit."""


class CapabilityError(ConfigError):
    """The chosen backend cannot do what the game needs. `lacks` has names from `gankit.plug.capabilities`."""

    def __init__(self, message: str, *lacks: str) -> None:
        super().__init__(message)
        self.lacks = lacks


class DataError(GankitError, ValueError):
    """A data set is missing or damaged, or it has the wrong shape, dtype or range."""


class ShapeError(GankitError, ValueError):
    """An array, or a network's output, has a shape that the game does not allow."""


class DeviceError(GankitError, RuntimeError):
    """The requested device does not exist on this machine."""


class CheckpointError(GankitError):
    """A checkpoint is missing, damaged, or belongs to another game."""


class DamagedError(CheckpointError):
    """A checkpoint is damaged: its bytes or its header changed after it was written. Try the one before it."""


class RunInUseError(GankitError):
    """Another process trains in this run folder."""


class WorkersError(GankitError):
    """One of several workers of a game has stopped or disappeared."""


class UnplayableError(CheckpointError, ConfigError):
    """No game can be built from a checkpoint's settings, or not without modules that you have to pass."""


class MissingPartError(CheckpointError, UnknownNameError):
    """A checkpoint needs a part that is not installed."""


KNOWN_AS = {
    # settings
    "lr": "generator_optimizer.lr",
    "learning_rate": "lr generator_optimizer.lr",
    "g_lr": "generator_optimizer.lr",
    "d_lr": "discriminator_optimizer.lr",
    "beta1": "generator_optimizer.b1",
    "beta2": "generator_optimizer.b2",
    "betas": "b1 generator_optimizer.b1",
    "optimizer": "generator_optimizer",
    "momentum": "generator_optimizer.momentum",
    "batch": "batch_size",
    "bs": "batch_size",
    "n_critic": "k",
    "critic_iters": "k",
    "d_steps": "k",
    "z_dim": "latent_dim",
    "nz": "latent_dim",
    "noise_dim": "latent_dim",
    "noise": "prior",
    "clip_grad": "gradient_clip",
    "n_classes": "num_classes",
    "weight_clip": "constraints",
    # metrics
    "fid": "frechet",
    "kid": "kernel-distance",
    "is": "classifier-score",
    "inception-score": "classifier-score",
    "swd": "sliced-wasserstein",
    "prdc": "density-coverage precision-recall",
    # losses, penalties
    "bce": "non-saturating",
    "wgan": "wasserstein",
    "gp": "gradient-penalty",
    "wgan-gp": "wasserstein gradient-penalty",
    "lsgan": "least-squares",
    "rgan": "relativistic",
    "ragan": "relativistic-average",
    # recipes and data
    "pix2pix": "image-to-image",
    "cyclegan": "cycle",
    "srgan": "super-resolution",
    "inpainting": "masked",
    "r3gan": "modern",
    "gan": "gan-2014",
    "vanilla": "gan-2014 minimax",
    "cifar": "cifar10",
    "cifar-10": "cifar10",
}
"""Names that people type, and gankit's names for them. The first one that exists is suggested."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'hinge'?"`, or an empty string when nothing is close."""
    known = list(known)
    for meant in KNOWN_AS.get(name.lower(), "").split():
        if meant.partition(".")[0] in known:
            return f" Did you mean {meant!r}?"
    matches = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def one_of(known: Iterable[str]) -> str:
    """The possibilities as words: `'jax', 'torch'`."""
    return ", ".join(repr(name) for name in sorted(known)) or "none"
