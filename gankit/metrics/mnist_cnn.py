"""The default extractor and classifier for pictures of 28x28 grey levels: a small network trained on MNIST.

Trained by `python -m gankit.metrics.train_mnist_cnn`; its weights lie beside this file, and open on every backend.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gankit import checkpoint
from gankit.errors import ShapeError
from gankit.interfaces import Backend, Ops
from gankit.layers import BatchNorm, Conv, Dense, Features, Flatten, Layers, MaxPool, Relu, place

Array = np.ndarray[Any, Any]

SHAPE = (28, 28, 1)
NUM_FEATURES, NUM_CLASSES = 64, 10
WEIGHTS = Path(__file__).with_name("mnist_cnn.safetensors")
AT_ONCE = 500
"""Pictures in a piece: it divides 10,000, and its largest activations are 25 MB."""

LAYERS: Layers = (
    *(Conv(16, 5, bias=None), MaxPool(), BatchNorm(), Relu()),  # 14x14
    *(Conv(32, 3, bias=None), MaxPool(), BatchNorm(), Relu()),  # 7x7
    *(Conv(48, 3, padding=0, bias=None), BatchNorm(), Relu()),  # 5x5
    # Few features: their covariance, of 64 x 64 numbers, is well determined by a thousand examples or more. Batch norm
    # keeps every one of them alive.
    *(Flatten(), Dense(NUM_FEATURES, bias=None), BatchNorm(), Relu(), Features()),
    Dense(NUM_CLASSES),
)


class MnistCnn:
    """Features are the 64 activations below the last layer; classes are the digits. `gankit.metrics.Extractor`."""

    name = "mnist-cnn"
    shape = SHAPE
    num_features = NUM_FEATURES
    num_classes: int | None = NUM_CLASSES

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._weights = weights

    def open(self, backend: Backend) -> Callable[[Array], tuple[Array, Array | None]]:
        """Pictures (n, 28, 28, 1) uint8 to (features (n, 64), probabilities (n, 10)), float32, on a backend's device.

        What is returned raises ShapeError for anything but such pictures. The backend's dtype is computed in.
        """
        arrays, _ = checkpoint.read(self._weights)
        network, ops = backend.network(place(LAYERS, SHAPE)), backend.ops
        params, buffers = network.init(arrays)

        def forward(params: Any, buffers: Any, x: Any) -> Any:
            out, _ = network.apply(params, buffers, to_unit(ops, x), {}, train=False, key=None)
            return ops.xp.concat([out["features"][0], ops.xp.exp(ops.log_softmax(out["logits"]))], axis=-1)

        compiled = ops.compile(forward)

        def look(x: Array) -> tuple[Array, Array | None]:
            if x.shape[1:] != SHAPE or x.dtype != np.uint8:
                raise ShapeError(
                    f"{self.name} looks at pictures (n, 28, 28, 1) of bytes, 0 to 255; got shape {x.shape}, {x.dtype}."
                )
            both = np.empty((len(x), NUM_FEATURES + NUM_CLASSES), np.float32)
            for start in range(0, len(x), AT_ONCE):
                piece = x[start : start + AT_ONCE]
                # Filled up with the last picture, so that a compiled network is compiled once.
                full = piece[np.minimum(np.arange(AT_ONCE), len(piece) - 1)]
                both[start : start + AT_ONCE] = ops.to_numpy(compiled(params, buffers, ops.asarray(full)))[: len(piece)]
            return both[:, :NUM_FEATURES], both[:, NUM_FEATURES:]

        return look


def to_unit(ops: Ops, x: Any) -> Any:
    """Bytes on the device as what the network was trained on, 0 to 1."""
    return ops.to_float(x) / 255.0
