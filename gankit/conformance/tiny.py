"""The few `Ops` that a loss without penalties may call, over any array-API namespace: no framework at all."""

from __future__ import annotations

from typing import Any

Array = Any


class TinyOps:
    """xp: an array-API namespace, such as `array_api_strict`."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def softplus(self, x: Array) -> Array:
        return self.xp.maximum(x, self.xp.zeros_like(x)) + self.xp.log1p(self.xp.exp(-self.xp.abs(x)))

    def log_sigmoid(self, x: Array) -> Array:
        return -self.softplus(-x)

    def sigmoid(self, x: Array) -> Array:
        return self.xp.exp(self.log_sigmoid(x))

    def relu(self, x: Array) -> Array:
        return self.xp.maximum(x, self.xp.zeros_like(x))

    def log_softmax(self, x: Array) -> Array:
        shifted = x - self.xp.max(x, axis=-1, keepdims=True)
        return shifted - self.xp.log(self.xp.sum(self.xp.exp(shifted), axis=-1, keepdims=True))

    def one_hot(self, labels: Array, num_classes: int) -> Array:
        classes = self.xp.arange(num_classes, dtype=labels.dtype)
        return self.xp.astype(labels[:, None] == classes[None, :], self.xp.float64)

    def take(self, x: Array, indices: Array) -> Array:
        rows = self.xp.take(x, self.xp.reshape(indices, (-1,)), axis=0)
        return self.xp.reshape(rows, (*indices.shape, *x.shape[1:]))

    def asarray(self, x: Any) -> Array:
        return self.xp.asarray(x)

    def to_float(self, x: Array) -> Array:
        return self.xp.astype(x, self.xp.float64)

    def stop_gradient(self, x: Array) -> Array:
        return x
