"""Toys in one and two dimensions whose law is known, so that coverage can be counted and theory held to account."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import Dataset, check_split
from gankit.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Mixture:
    """Equally likely round Gaussians of one deviation.

    centres: (modes, d) float64. std: greater than 0.
    """

    centres: Array
    std: float

    def log_density(self, x: Array) -> Array:
        """log p at points (n, d): (n,) float64, in nats."""
        modes, d = self.centres.shape
        squared = np.square(x[:, np.newaxis, :] - self.centres).sum(axis=-1)
        exponents = -squared / (2 * self.std**2)
        greatest = exponents.max(axis=1)
        total = np.exp(exponents - greatest[:, np.newaxis]).sum(axis=1)
        return np.asarray(greatest + np.log(total / modes) - d * np.log(self.std * np.sqrt(2 * np.pi)))

    def density(self, x: Array) -> Array:
        """p at points (n, d): (n,) float64."""
        return np.asarray(np.exp(self.log_density(x)))


@dataclass(frozen=True, eq=False)
class Drawn(Dataset):
    """Examples that were drawn from a known law."""

    _: KW_ONLY
    law: Mixture


def gaussian(split: str = "train", *, n: int = 50_000, mean: float = 4.0, std: float = 0.5, seed: int = 0) -> Dataset:
    """One Gaussian on a line: x (n, 1) float64, without labels. The game of Goodfellow et al. 2014, figure 1.

    Each split is a stream of its own. Raises DataError for impossible settings.
    """
    rng = _stream("gaussian-1d", split, n, std, seed)
    law = Mixture(np.array([[mean]]), std)
    return Drawn(x=mean + std * rng.standard_normal((n, 1)), name="gaussian-1d", law=law)


def ring(
    split: str = "train", *, n: int = 50_000, modes: int = 8, radius: float = 2.0, std: float = 0.02, seed: int = 0
) -> Dataset:
    """Gaussians evenly spaced on a circle: x (n, 2) float64, labels (n,) int64, the mode each was drawn from.

    Defaults: Metz et al. 2016, "Unrolled generative adversarial networks", appendix A.
    Each split is a stream of its own. Raises DataError for impossible settings.
    """
    return _mixture("ring", split, ring_centres(modes, radius), n, std, seed)


def grid(
    split: str = "train", *, n: int = 50_000, side: int = 5, spacing: float = 2.0, std: float = 0.05, seed: int = 0
) -> Dataset:
    """Gaussians on a square lattice about 0: x (n, 2) float64, labels (n,) int64, the mode each was drawn from.

    The 25 modes of Dumoulin et al. 2016, "Adversarially learned inference", with spacing 2 and deviation 0.05 as
    in Lin et al. 2018, "PacGAN", section 4.1. Each split is a stream of its own. Raises DataError for impossible
    settings.
    """
    return _mixture("grid", split, grid_centres(side, spacing), n, std, seed)


def moons(split: str = "train", *, n: int = 50_000, noise: float = 0.05, seed: int = 0) -> Dataset:
    """Two interleaved half circles: x (n, 2) float64, labels (n,) int64, 0 for the upper moon and 1 for the lower.

    Shaped as scikit-learn's `make_moons` (Pedregosa et al. 2011), the angles drawn uniformly.
    Each split is a stream of its own. Raises DataError for impossible settings.
    """
    rng = _stream("moons", split, n, noise, seed)
    labels = rng.integers(2, size=n)
    angle = rng.uniform(0.0, np.pi, size=n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    x = np.where(labels[:, np.newaxis] == 0, upper, lower) + noise * rng.standard_normal((n, 2))
    return Dataset(x=x, labels=labels, num_classes=2, name="moons")


def ring_centres(modes: int = 8, radius: float = 2.0) -> Array:
    """The means of `ring`, (modes, 2) float64, anticlockwise from (radius, 0)."""
    _at_least("ring", "modes", modes, 1)
    angle = 2 * np.pi * np.arange(modes) / modes
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def grid_centres(side: int = 5, spacing: float = 2.0) -> Array:
    """The means of `grid`, (side * side, 2) float64, row by row from the lower left; their mean is 0."""
    _at_least("grid", "side", side, 1)
    line = spacing * (np.arange(side) - (side - 1) / 2)
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _mixture(name: str, split: str, centres: Array, n: int, std: float, seed: int) -> Dataset:
    """Equally likely Gaussians of one deviation."""
    rng = _stream(name, split, n, std, seed)
    labels = rng.integers(len(centres), size=n)
    x = centres[labels] + std * rng.standard_normal((n, 2))
    return Drawn(x=x, labels=labels, num_classes=len(centres), name=name, law=Mixture(centres, std))


def _stream(name: str, split: str, n: int, std: float, seed: int) -> np.random.Generator:
    """The split's own random numbers; settings common to all toys are checked on the way."""
    check_split(name, split, SPLITS)
    _at_least(name, "n", n, 1)
    _at_least(name, "std" if name != "moons" else "noise", std, 0)
    _at_least(name, "seed", seed, 0)
    key = np.random.SeedSequence(entropy=seed, spawn_key=(SPLITS.index(split),))
    return np.random.Generator(np.random.Philox(key))


def _at_least(name: str, setting: str, value: float, least: float) -> None:
    if not value >= least:
        raise DataError(f"{name}: {setting}={value}; it must be at least {least}.")
