"""The default extractors and classifiers: small networks that were trained on the data they look at.

Trained by `python -m gankit.metrics.train_cnn`; their weights lie beside this file, and open on every backend.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gankit import checkpoint
from gankit.arrays import Array
from gankit.errors import ShapeError
from gankit.interfaces import Backend, Ops
from gankit.layers import BatchNorm, Conv, Dense, Features, Flatten, Layers, MaxPool, Relu, place

AT_ONCE = 500
"""Pictures in a piece: it divides 10,000, and the largest activations of the larger network are 25 MB."""


class Cnn:
    """Features are the activations below the last layer; classes are the digits. `gankit.metrics.Extractor`."""

    name: ClassVar[str]
    shape: ClassVar[tuple[int, int, int]]
    layers: ClassVar[Layers]
    weights: ClassVar[Path]
    num_features: int
    num_classes: int | None = 10

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights or self.weights

    def open(self, backend: Backend) -> Callable[[Array], tuple[Array, Array | None]]:
        """Pictures (n, *shape) uint8 to (features (n, num_features), probabilities (n, 10)), float32, on a device.

        What is returned raises ShapeError for anything but such pictures. The backend's dtype is computed in.
        """
        arrays, _ = checkpoint.read(self._weights)
        network, ops = backend.network(place(self.layers, self.shape)), backend.ops
        params, buffers = network.init(arrays)

        def forward(params: Any, buffers: Any, x: Any) -> Any:
            out, _ = network.apply(params, buffers, to_unit(ops, x), {}, train=False, key=None)
            return ops.xp.concat([out["features"][0], ops.xp.exp(ops.log_softmax(out["logits"]))], axis=-1)

        compiled, (rows, columns, channels) = ops.compile(forward), self.shape

        def look(x: Array) -> tuple[Array, Array | None]:
            if x.shape[1:] != self.shape or x.dtype != np.uint8:
                raise ShapeError(
                    f"{self.name} looks at pictures (n, {rows}, {columns}, {channels}) of bytes, 0 to 255; got shape "
                    f"{x.shape}, {x.dtype}."
                )
            both = np.empty((len(x), self.num_features + 10), np.float32)
            for start in range(0, len(x), AT_ONCE):
                piece = x[start : start + AT_ONCE]
                # Filled up with the last picture, so that a compiled network is compiled once.
                full = piece[np.minimum(np.arange(AT_ONCE), len(piece) - 1)]
                both[start : start + AT_ONCE] = ops.to_numpy(compiled(params, buffers, ops.asarray(full)))[: len(piece)]
            return both[:, : self.num_features], both[:, self.num_features :]

        return look


class MnistCnn(Cnn):
    """Of MNIST's digits."""

    name = "mnist-cnn"
    shape = (28, 28, 1)
    num_features = 64
    weights = Path(__file__).with_name("mnist_cnn.safetensors")
    layers = (
        *(Conv(16, 5, bias=None), MaxPool(), BatchNorm(), Relu()),  # 14x14
        *(Conv(32, 3, bias=None), MaxPool(), BatchNorm(), Relu()),  # 7x7
        *(Conv(48, 3, padding=0, bias=None), BatchNorm(), Relu()),  # 5x5
        # Few features: their covariance, of 64 x 64 numbers, is well determined by a thousand examples or more. Batch
        # norm keeps every one of them alive.
        *(Flatten(), Dense(64, bias=None), BatchNorm(), Relu(), Features()),
        Dense(10),
    )


class DigitsCnn(Cnn):
    """Of the digits that ship with gankit."""

    name = "digits-cnn"
    shape = (8, 8, 1)
    num_features = 24
    weights = Path(__file__).with_name("digits_cnn.safetensors")
    layers = (
        *(Conv(16, 3, bias=None), BatchNorm(), Relu()),
        *(Conv(24, 3, bias=None), MaxPool(), BatchNorm(), Relu()),  # 4x4
        *(Flatten(), Dense(24, bias=None), BatchNorm(), Relu(), Features()),  # 300 examples tell its covariance
        Dense(10),
    )


def to_unit(ops: Ops, x: Any) -> Any:
    """Bytes on the device as what the networks were trained on, 0 to 1."""
    return ops.to_float(x) / 255.0
