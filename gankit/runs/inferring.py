"""An encoder for a G that is trained already: a run of its own, inside the run folder. Section 7, extension 2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np

from gankit import checkpoint
from gankit.building import begin
from gankit.config import Config, Setting
from gankit.errors import ConfigError
from gankit.play.assembled import average_of
from gankit.play.game import ENCODER, D, G
from gankit.play.streams import Streams

ADAM = {"name": "adam", "lr": 1e-3, "b1": 0.9, "b2": 0.999}


def config_of(game: Config, shape: tuple[int, ...], settings: Mapping[str, Setting]) -> Config:
    """The config of the run in which an encoder is trained for a game's G; raises ConfigError for a game of others."""
    if game.players or game.source_names:
        raise ConfigError(
            "infer trains an encoder for a game of one G and one D on one source; this one has "
            f"{', '.join([*game.players, *game.source_names])} besides."
        )
    sides = shape[:2] if len(shape) == 3 else (0,)
    halves = all(side >= 8 and side % 2 == 0 for side in sides)
    network = {"name": "convolutional" if halves else "mlp", "norm": False}
    alone: dict[str, Setting] = {
        "players": {ENCODER: {"kind": ENCODER, "network": network, "optimizer": ADAM}},
        "frozen": [G, D],
        "penalties": ["inversion"],
        "constraints": [],
        "augmentations": [],
        "schedule": "alternating",
        "k": 1,
        "accumulate": 1,
        "gradient_clip": 0.0,
        "consensus": 0.0,
        "ema": game.ema or 0.998,
    }
    return game.with_settings(alone).with_settings(settings)


def inferring(gan: Any, settings: Mapping[str, Setting] | None = None, device: str = "auto") -> Any:
    """A game before its first step in which only an encoder moves: G is what samples of `gan` are drawn from.

    settings: other than those of `config_of`, such as {"batch_size": 64}.
    Raises ConfigError for a game of more players, or whose prior learns.
    """
    config = config_of(gan.config, tuple(gan.spec.shape), settings or {})
    trainer = begin(config, gan.backend.name, device, gan.data)
    with TemporaryDirectory() as folder:
        theirs, _ = checkpoint.read(gan.save(Path(folder) / "gan"))
        path, own, meta = checkpoint.opened(trainer.save(Path(folder) / "encoder"))
        average = average_of(G)
        for role in (G, D):
            for name in checkpoint.under(f"{role}/params", own):
                from_average = f"{average}/{name}" if role == G else ""
                own[f"{role}/params/{name}"] = theirs.get(from_average, theirs[f"{role}/params/{name}"])
            for name in checkpoint.under(f"{role}/buffers", own):
                own[f"{role}/buffers/{name}"] = theirs[f"{role}/buffers/{name}"]
        for name in checkpoint.under(average, own):
            if f"{G}/params/{name}" in own:
                own[f"{average}/{name}"] = own[f"{G}/params/{name}"]
        return cast(Any, trainer).adopt(path, own, meta)


def r_squared(trainer: Any, n: int = 1_000, seed: int = 0) -> float:
    """How much of the variance of z an encoder finds again in pictures that G made of it; 1 is all."""
    config = trainer.config
    z = Streams(seed).first_latents("infer/r2", n, config.latent_dim, config.prior)
    labels = np.arange(n, dtype=np.int32) % trainer.spec.num_classes if config.conditional else None
    x = trainer.spec.scaling.to_user(trainer.generate(z, labels))
    found = trainer.encode(x, labels)
    return float(1.0 - np.square(found - z).mean() / np.square(z - z.mean(axis=0)).mean())
