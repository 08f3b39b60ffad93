"""Layers that take labels, and heads for D."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gankit.interfaces.values import LABEL
from gankit.layers.base import Array, Layers, Parameter, Portable, Shape, require_flat
from gankit.layers.normalization import BatchNorm
from gankit.parts.initializers import Constant, HeNormal, Initializer, Normal


@dataclass(frozen=True)
class _TakesLabels(Portable):
    """of: the condition with the classes."""

    num_classes: int
    of: str = field(default=LABEL, kw_only=True)

    @property
    def condition(self) -> str:
        return self.of


@dataclass(frozen=True)
class ConcatLabels(_TakesLabels):
    """Appends the one-hot label to a vector, or as constant planes to an image. Mirza & Osindero 2014.

    (in,) -> (in + num_classes,); (h, w, c) -> (h, w, c + num_classes).
    """

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] + self.num_classes)

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return concat_vector(ops, x, ops.one_hot(labels, self.num_classes))


@dataclass(frozen=True)
class ConcatEmbedding(_TakesLabels):
    """Appends a learnt vector for the label, embedding (num_classes, features), to a vector or to every pixel."""

    features: int
    embedding: Initializer = Normal(1.0)

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], shape[-1] + self.features)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return {"embedding": Parameter((self.num_classes, self.features), self.embedding)}

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        return concat_vector(ops, x, embed(ops, params["embedding"], labels))


@dataclass(frozen=True)
class LabelAffine(_TakesLabels):
    """x * scale[label] + bias[label], per channel; scale and bias (num_classes, c)."""

    scale: Initializer = Constant(1.0)
    bias: Initializer = Constant(0.0)

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        table = (self.num_classes, shape[-1])
        return {"scale": Parameter(table, self.scale), "bias": Parameter(table, self.bias)}

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        scale, bias = (per_channel(ops, embed(ops, params[name], labels), x) for name in ("scale", "bias"))
        return x * scale + bias


@dataclass(frozen=True)
class ProjectionHead(_TakesLabels):
    """D's logit with the label as a projection: h . kernel + bias + h . embedding[label]. Miyato & Koyama 2018.

    (in,) -> (); kernel (in, 1), bias (1,), embedding (num_classes, in).
    """

    kernel: Initializer = HeNormal(gain=1.0)
    embedding: Initializer = HeNormal(gain=1.0)

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return ()

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return {
            "kernel": Parameter((shape[0], 1), self.kernel),
            "bias": Parameter((1,), Constant(0.0)),
            "embedding": Parameter((self.num_classes, shape[0]), self.embedding),
        }

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Array:
        direction = params["kernel"][:, 0] + embed(ops, params["embedding"], labels)
        return ops.xp.sum(x * direction, axis=-1) + params["bias"]


@dataclass(frozen=True)
class ClassHead(Portable):
    """D's logit, and the logits of the classes: an auxiliary classifier. Odena et al. 2017.

    (in,) -> (), with `class_logits` (num_classes,); kernel (in, 1), bias (1,), class_kernel (in, num_classes),
    class_bias (num_classes,).
    """

    num_classes: int
    kernel: Initializer = HeNormal(gain=1.0)

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return ()

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return {
            "kernel": Parameter((shape[0], 1), self.kernel),
            "bias": Parameter((1,), Constant(0.0)),
            "class_kernel": Parameter((shape[0], self.num_classes), self.kernel),
            "class_bias": Parameter((self.num_classes,), Constant(0.0)),
        }

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Any:
        matmul = ops.xp.matmul
        return {
            "logits": (matmul(x, params["kernel"]) + params["bias"])[:, 0],
            "class_logits": matmul(x, params["class_kernel"]) + params["class_bias"],
        }


@dataclass(frozen=True)
class ClassesHead(Portable):
    """The logits l of the classes, with log sum_k exp(l_k) as D's logit. Salimans et al. 2016, section 5.

    An example is real if it belongs to any class: D(x) = Z / (Z + 1), Z = sum_k exp(l_k), whose logit is log Z. The
    fake class, number K + 1, has the logit 0, because softmax ignores a constant that is added to all logits.

    (in,) -> (), with `class_logits` (num_classes,); kernel (in, num_classes), bias (num_classes,).
    """

    num_classes: int
    kernel: Initializer = HeNormal(gain=1.0)

    def output_shape(self, shape: Shape) -> Shape:
        require_flat(self, shape)
        return ()

    def parameters(self, shape: Shape) -> Mapping[str, Parameter]:
        return {
            "kernel": Parameter((shape[0], self.num_classes), self.kernel),
            "bias": Parameter((self.num_classes,), Constant(0.0)),
        }

    def compute(self, ops: Any, params: Mapping[str, Array], x: Array, labels: Array | None) -> Any:
        xp = ops.xp
        logits = ops.to_float(xp.matmul(x, params["kernel"]) + params["bias"])
        # Seen from the greatest of them, no exponential overflows; nothing is derived through that.
        greatest = ops.stop_gradient(xp.max(logits, axis=-1, keepdims=True))
        sum_of_all = xp.sum(xp.exp(logits - greatest), axis=-1)
        return {"logits": xp.log(sum_of_all) + greatest[:, 0], "class_logits": logits}


def conditional_batch_norm(num_classes: int | None, **options: Any) -> Layers:
    """Batch norm with a scale and a bias for each label; plain batch norm in an unconditional game.

    Dumoulin et al. 2017, "A learned representation for artistic style"; de Vries et al. 2017.
    """
    if num_classes is None:
        return (BatchNorm(**options),)
    return (BatchNorm(scale=None, bias=None, **options), LabelAffine(num_classes))


def embed(ops: Any, table: Array, labels: Array | None) -> Array:
    """Rows of a table, as a product: its gradient is the same in every run on every device."""
    return ops.xp.matmul(ops.xp.astype(ops.one_hot(labels, table.shape[0]), table.dtype), table)


def per_channel(ops: Any, vector: Array, x: Array) -> Array:
    """(N, c) in a shape that broadcasts against x, (N, ..., c)."""
    return ops.xp.reshape(vector, (x.shape[0], *(1,) * (len(x.shape) - 2), vector.shape[-1]))


def concat_vector(ops: Any, x: Array, vector: Array) -> Array:
    """x (N, ..., c) with the vector (N, d) appended to the channels of every place."""
    planes = ops.xp.broadcast_to(per_channel(ops, vector, x), (*x.shape[:-1], vector.shape[-1]))
    return ops.xp.concat([x, ops.xp.astype(planes, x.dtype)], axis=-1)
